#include "index/sketch_rows.h"

#include <algorithm>

#include "base/wire.h"
#include "index/content_record.h"
#include "index/id_columns.h"

namespace wfs {
namespace {

Buffer bytes_of(const std::vector<StoredSketch>& sketches) {
  Buffer bytes;
  for (const StoredSketch& sketch : sketches) {
    append_le(bytes, sketch.segment);
    append_le(bytes, sketch.kind);
    append_le(bytes, sketch.sketch.valid);
    append_bytes(bytes, std::as_bytes(std::span(sketch.sketch.bands)));
    append_bytes(bytes, std::as_bytes(std::span(sketch.sketch.samples)));
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
    sketch.sketch.valid = cursor.number<std::uint8_t>();
    for (std::uint16_t& band : sketch.sketch.bands) band = cursor.number<std::uint16_t>();
    for (std::uint16_t& sample : sketch.sketch.samples) sample = cursor.number<std::uint16_t>();
  }
  return sketches;
}

}  // namespace

std::vector<BandKey> keys_of(const StoredSketch& sketch) {
  std::vector<BandKey> keys;
  for (std::uint32_t band = 0; band < sketch_bands; ++band) {
    if ((sketch.sketch.valid >> band & 1) == 0) continue;
    const std::uint32_t key = (band << 16 | sketch.sketch.bands[band]) << 13 | sketch.kind;
    keys.push_back(static_cast<BandKey>(key));
  }
  return keys;
}

std::optional<std::int64_t> first_unsketched_content(Database& database) {
  auto query = database.prepare(
      "SELECT number FROM contents WHERE sketched = 0 AND staged = 0 ORDER BY number LIMIT 1");
  if (!query.step()) return std::nullopt;
  return query.number(0);
}

void insert_sketches(Database& database, std::int64_t content,
                     const std::vector<StoredSketch>& sketches) {
  database.prepare("UPDATE contents SET sketched = 1 WHERE number = ?").bind(content).run();
  if (sketches.empty()) return;
  database.prepare("INSERT OR IGNORE INTO sketches (content, sketches) VALUES (?, ?)")
      .bind(content).bind(Bytes(bytes_of(sketches))).run();
  std::vector<BandKey> keys;
  for (const StoredSketch& sketch : sketches) {
    const auto more = keys_of(sketch);
    keys.insert(keys.end(), more.begin(), more.end());
  }
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
