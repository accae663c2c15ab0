#include "index/sketch_rows.h"

#include <algorithm>

#include "base/wire.h"
#include "index/content_record.h"
#include "index/id_columns.h"

namespace wfs {
namespace {

Buffer bytes_of(const std::vector<StoredSketch>& sketches) {
  Buffer bytes;
  bytes.reserve(sketches.size() * (6 + 2 * sketch_samples));
  for (const StoredSketch& sketch : sketches) {
    append_le(bytes, sketch.segment);
    append_le(bytes, sketch.kind);
    append_bytes(bytes, std::as_bytes(std::span(sketch.samples)));
  }
  return bytes;
}

std::vector<StoredSketch> sketches_of(Bytes bytes) {
  std::vector<StoredSketch> sketches;
  Cursor cursor(bytes);
  while (!cursor.at_end()) {
    StoredSketch& sketch = sketches.emplace_back();
    sketch.segment = cursor.number<std::uint32_t>();
    sketch.kind = cursor.number<std::uint16_t>();
    const Bytes samples = cursor.take(sizeof sketch.samples);
    std::copy(samples.begin(), samples.end(),
              std::as_writable_bytes(std::span(sketch.samples)).begin());
  }
  return sketches;
}

}  // namespace

std::optional<std::int64_t> first_unsketched_content(Database& database) {
  auto query = database.prepare(
      "SELECT number FROM contents WHERE sketched = 0 AND staged = 0 ORDER BY number LIMIT 1");
  if (!query.step()) return std::nullopt;
  return query.number(0);
}

void insert_sketches(Database& database, std::int64_t content,
                     const std::vector<StoredSketch>& sketches, std::vector<BandKey> keys) {
  database.prepare("UPDATE contents SET sketched = 1 WHERE number = ?").bind(content).run();
  if (sketches.empty()) return;
  database.prepare("INSERT OR IGNORE INTO sketches (content, sketches) VALUES (?, ?)")
      .bind(content).bind(Bytes(bytes_of(sketches))).run();
  // In the order of the rows, neighbours are on one page.
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  for (const BandKey key : keys) {
    database.prepare("INSERT OR IGNORE INTO bands (key, content) VALUES (?, ?)")
        .bind(std::int64_t{key}).bind(content).run();
  }
}

void append_contents_with(Database& database, BandKey key, int limit,
                          std::vector<std::int64_t>& contents) {
  auto query = database.prepare(
      "SELECT content FROM bands WHERE key = ? ORDER BY content DESC LIMIT ?");
  query.bind(std::int64_t{key}).bind(std::int64_t{limit});
  while (query.step()) contents.push_back(query.number(0));
}

std::optional<PackedLayout> load_packed_layout(Database& database, std::int64_t number) {
  auto query = database.prepare("SELECT id, map FROM contents WHERE number = ? AND staged = 0");
  query.bind(number);
  if (!query.step()) return std::nullopt;
  return PackedLayout{id_at<ContentId>(query, 0), map_of(query.blob(1)).layout};
}

std::optional<SketchedContent> load_sketched_content(Database& database, std::int64_t number) {
  auto query = database.prepare("SELECT sketches FROM sketches WHERE content = ?");
  query.bind(number);
  if (!query.step()) return std::nullopt;
  auto packed = load_packed_layout(database, number);
  if (!packed) return std::nullopt;
  SketchedContent content{packed->id, std::move(packed->layout), sketches_of(query.blob(0))};
  const std::size_t segments = content.layout.segments.size();
  for (const StoredSketch& sketch : content.sketches) {
    if (sketch.segment >= segments || !content.layout.segments[sketch.segment].tensor) {
      fail(Errc::corrupt, cat("content ", hex(content.id), " has sketches of other tensors"));
    }
  }
  return content;
}

}  // namespace wfs
