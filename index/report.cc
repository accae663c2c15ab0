#include "index/report.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <unordered_set>

#include "base/error.h"
#include "index/block_base.h"
#include "index/commit_rows.h"
#include "index/content_rows.h"
#include "index/report_rows.h"

namespace wfs {
namespace {

using Json = nlohmann::ordered_json;

std::string line_of(const Json& json) {
  // Names may be bytes that are no UTF-8; JSON has no way to say them.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json json_of(const CommitRow& row) {
  const Commit& commit = row.commit;
  Json json;
  json["id"] = hex(row.id);
  json["parents"] = Json::array();
  for (const CommitId& parent : commit.parents) json["parents"].push_back(hex(parent));
  json["branch"] = commit.branch;
  json["author"] = commit.author;
  json["time"] = time_text(commit.time_ns);
  json["message"] = commit.message;
  json["complete"] = commit.complete;
  json["writer"] = commit.writer;
  const auto metrics = Json::parse(commit.metrics, nullptr, false);
  json["metrics"] = metrics.is_object() ? metrics : Json::object();
  return json;
}

void list_files(Database& database, const TreeId& tree, const std::string& prefix,
                std::vector<ListedFile>& files) {
  for (TreeEntry& entry : load_tree(database, tree).entries) {
    std::string path = prefix + entry.name;
    if (entry.kind == Kind::folder) {
      list_files(database, entry.tree, path + '/', files);
    } else {
      files.push_back({std::move(path), std::move(entry)});
    }
  }
}

// The bytes of all files below a tree; each tree is added up once.
class TreeSizes {
 public:
  explicit TreeSizes(Database& database) : database_(database) {}

  std::uint64_t of(const TreeId& id) {
    if (const auto known = sizes_.find(id); known != sizes_.end()) return known->second;
    std::uint64_t size = 0;
    for (const TreeEntry& entry : load_tree(database_, id).entries) {
      if (entry.kind == Kind::folder) size += of(entry.tree);
      if (entry.kind == Kind::file) size += entry.size;
    }
    sizes_.emplace(id, size);
    return size;
  }

 private:
  Database& database_;
  std::map<TreeId, std::uint64_t> sizes_;
};

std::uint64_t bytes_of_commits(Database& database) {
  constexpr int page = 500;
  TreeSizes sizes(database);
  std::uint64_t bytes = 0;
  for (std::int64_t before = 0;;) {
    const auto rows = recent_commits(database, before, page);
    for (const CommitRow& row : rows) bytes += sizes.of(row.commit.tree);
    if (rows.size() < page) return bytes;
    before = rows.back().number;
  }
}

std::uint64_t index_bytes_of(const RepositoryPaths& paths) {
  std::uint64_t bytes = 0;
  for (const char* suffix : {"", "-wal", "-shm"}) {
    std::error_code absent;
    const auto size = stdfs::file_size(paths.index.native() + suffix, absent);
    if (!absent) bytes += size;
  }
  return bytes;
}

constexpr int shared_contents_max = 2000;
constexpr std::size_t shared_blocks_max =
    2'000'000;  // looked at, so that an answer comes in seconds

// Which blocks of `map` are in other contents as well; false in `known` when not all were looked
// through.
std::unordered_set<std::int64_t> blocks_of_others(Database& database, const ContentId& id,
                                                  const SegmentMap& map, bool& known) {
  std::unordered_set<std::int64_t> mine, shared;
  for (const BlockRef& block : map.blocks()) mine.insert(block.number);
  const auto others = packed_contents(database, id, shared_contents_max);
  std::size_t looked_at = 0;
  for (const ContentId& other : others) {
    const SegmentMap other_map = load_segment_map(database, other);
    for (const BlockRef& block : other_map.blocks()) {
      if (mine.contains(block.number)) shared.insert(block.number);
    }
    looked_at += other_map.blocks().size();
    if (looked_at > shared_blocks_max) break;
  }
  known = others.size() < shared_contents_max && looked_at <= shared_blocks_max;
  return shared;
}

std::string encodings_text(const std::map<std::string_view, std::uint64_t>& counts) {
  std::string text;
  for (const auto& [name, count] : counts) {
    text += cat(text.empty() ? "" : ", ", name, ' ', count);
  }
  return text;
}

// Adds a delta to those of its segment that have a base for the same reason.
void count_base(const BlockRef& block, std::vector<BaseReport>& reports) {
  if (!block.base) return;
  const BlockBase& base = *block.base;
  BaseReport one;
  one.reason = name_of(base.reason);
  if (base.from != base.to) one.conversion = cat(name_of(base.from), " to ", name_of(base.to));
  one.depth_min = one.depth_max = block.depth;
  auto at = std::find_if(reports.begin(), reports.end(), [&](const BaseReport& report) {
    return report.reason == one.reason && report.conversion == one.conversion;
  });
  if (at == reports.end()) at = reports.insert(at, std::move(one));
  ++at->blocks;
  at->stored_bytes += block.payload_length;
  at->depth_min = std::min<unsigned>(at->depth_min, block.depth);
  at->depth_max = std::max<unsigned>(at->depth_max, block.depth);
}

class SegmentReports {
 public:
  // A map without blocks stands for a content that is not packed.
  SegmentReports(const SegmentMap& map, std::unordered_set<std::int64_t> shared,
                 const std::string& health)
      : map_(map), shared_(std::move(shared)) {
    const auto json = Json::parse(health, nullptr, false);
    if (!json.is_object() || !json.contains("tensors")) return;
    for (Json numbers : json["tensors"]) {
      const std::string name = numbers.value("name", "");
      numbers.erase("name");
      health_.emplace(name, line_of(numbers));
    }
  }

  SegmentReport report(const Segment& segment) {
    SegmentReport report;
    report.offset = segment.range.offset;
    report.plain_bytes = segment.range.length;
    if (segment.tensor) describe(*segment.tensor, report);
    std::map<std::string_view, std::uint64_t> encodings;
    if (map_.blocks().empty()) return report;
    const auto [first, last] = map_.blocks_of(segment.range);
    for (std::size_t i = first; i < last; ++i) {
      const BlockRef& block = map_.blocks()[i];
      const bool seen = !seen_.insert(block.number).second;
      ++report.blocks;
      if (seen || shared_.contains(block.number)) ++report.shared_blocks;
      if (!seen) report.stored_bytes += block.payload_length;
      ++encodings[name_of(block.encoding)];
      count_base(block, report.bases);
    }
    report.encodings = encodings_text(encodings);
    return report;
  }

  // A tensor without bytes.
  SegmentReport report(const Tensor& tensor) const {
    SegmentReport report;
    describe(tensor, report);
    return report;
  }

 private:
  void describe(const Tensor& tensor, SegmentReport& report) const {
    report.name = tensor.name;
    report.dtype = name_of(tensor.dtype);
    report.shape = tensor.shape;
    if (const auto numbers = health_.find(tensor.name); numbers != health_.end()) {
      report.health = numbers->second;
    }
  }

  const SegmentMap& map_;
  const std::unordered_set<std::int64_t> shared_;
  std::unordered_set<std::int64_t> seen_;
  std::map<std::string, std::string> health_;  // by tensor
};

void report_segments(const Layout& layout, SegmentReports segments, ContentReport& report) {
  report.format = name_of(layout.format);
  report.reason = layout.reason;
  for (const Segment& segment : layout.segments) {
    report.segments.push_back(segments.report(segment));
  }
  for (const Tensor& tensor : layout.empty_tensors) {
    report.segments.push_back(segments.report(tensor));
  }
}

}  // namespace

std::string log_json(const CommitRow& row) {
  return line_of(json_of(row));
}

std::vector<ListedFile> files_of(Repository& repository, const TreeId& tree) {
  std::vector<ListedFile> files;
  repository.catalog().read([&](Database& database) { list_files(database, tree, "", files); });
  std::sort(files.begin(), files.end(),
            [](const ListedFile& a, const ListedFile& b) { return a.path < b.path; });
  return files;
}

std::string commit_json(Repository& repository, const CommitRow& row) {
  Json json = json_of(row);
  json["files"] = Json::array();
  for (const ListedFile& file : files_of(repository, row.commit.tree)) {
    Json one;
    one["path"] = file.path;
    if (file.entry.kind == Kind::symlink) {
      one["target"] = file.entry.target;
    } else {
      one["size"] = file.entry.size;
      one["sha256"] = hex(file.entry.content);
      one["executable"] = file.entry.executable;
      one["mtime"] = time_text(file.entry.mtime_ns);
    }
    json["files"].push_back(std::move(one));
  }
  return line_of(json);
}

Stats stats_of(Repository& repository) {
  Stats stats = repository.catalog().read([](Database& database) {
    Stats counts;
    counts.commits = static_cast<std::uint64_t>(count_commits(database));
    for (const Ref& ref : all_refs(database)) {
      ++(ref.kind == RefKind::branch ? counts.branches : counts.tags);
    }
    const ContentCounts contents = count_contents(database);
    counts.contents = contents.contents;
    counts.content_bytes = contents.bytes;
    counts.staged_contents = contents.staged;
    counts.blocks = static_cast<std::uint64_t>(count_blocks(database));
    counts.deltas = count_deltas(database);
    for (const PackRow& pack : all_packs(database)) {
      ++counts.packs;
      counts.pack_bytes += pack.size;
    }
    counts.logical_bytes = bytes_of_commits(database);
    return counts;
  });
  stats.staged_bytes = repository.staging().local_bytes();
  stats.stored_bytes = stats.pack_bytes + stats.staged_bytes;
  stats.index_bytes = index_bytes_of(RepositoryPaths(repository.path()));
  return stats;
}

std::string stats_json(const Stats& stats) {
  Json json;
  json["commits"] = stats.commits;
  json["branches"] = stats.branches;
  json["tags"] = stats.tags;
  json["contents"] = stats.contents;
  json["blocks"] = stats.blocks;
  json["deltas"] = stats.deltas;
  json["packs"] = stats.packs;
  json["logical_bytes"] = stats.logical_bytes;
  json["content_bytes"] = stats.content_bytes;
  json["stored_bytes"] = stats.stored_bytes;
  json["pack_bytes"] = stats.pack_bytes;
  json["staged_contents"] = stats.staged_contents;
  json["staged_bytes"] = stats.staged_bytes;
  json["index_bytes"] = stats.index_bytes;
  return line_of(json);
}

ContentReport explain(Repository& repository, const ContentId& id) {
  const auto row =
      repository.catalog().read([&](Database& database) { return find_content(database, id); });
  if (!row) fail(Errc::not_found, cat("there is no content ", hex(id), "; see `mountctl show`"));
  ContentReport report;
  report.id = id;
  report.size = row->size;
  report.stored_bytes = row->stored_bytes;
  report.packed = row->staged == StagedId::none;
  if (!report.packed) {
    const Layout layout = layout_of(*repository.contents().open(id));
    const SegmentMap no_blocks(Layout{}, {});
    report_segments(layout, SegmentReports(no_blocks, {}, ""), report);
    return report;
  }
  repository.catalog().read([&](Database& database) {
    const SegmentMap map = load_segment_map(database, id);
    const auto shared = blocks_of_others(database, id, map, report.sharing_known);
    report_segments(map.layout(), SegmentReports(map, shared, row->health), report);
  });
  return report;
}

namespace {

Json json_of(const std::vector<BaseReport>& bases) {
  Json json = Json::array();
  for (const BaseReport& base : bases) {
    json.push_back({{"reason", base.reason},
                    {"conversion", base.conversion},
                    {"blocks", base.blocks},
                    {"stored_bytes", base.stored_bytes},
                    {"depth_min", base.depth_min},
                    {"depth_max", base.depth_max}});
  }
  return json;
}

}  // namespace

std::string explain_json(const ContentReport& report) {
  Json json;
  json["sha256"] = hex(report.id);
  json["size"] = report.size;
  json["packed"] = report.packed;
  json["format"] = report.format;
  json["reason"] = report.reason;
  json["stored_bytes"] = report.stored_bytes;
  json["sharing_known"] = report.sharing_known;
  json["segments"] = Json::array();
  for (const SegmentReport& segment : report.segments) {
    Json one;
    one["tensor"] = segment.name;
    one["dtype"] = segment.dtype;
    one["shape"] = segment.shape;
    one["offset"] = segment.offset;
    one["plain_bytes"] = segment.plain_bytes;
    one["stored_bytes"] = segment.stored_bytes;
    one["blocks"] = segment.blocks;
    one["shared_blocks"] = segment.shared_blocks;
    one["encodings"] = segment.encodings;
    one["bases"] = json_of(segment.bases);
    if (!segment.health.empty()) one["health"] = Json::parse(segment.health);
    json["segments"].push_back(std::move(one));
  }
  return line_of(json);
}

std::string time_text(std::int64_t time_ns) {
  const auto seconds =
      static_cast<std::time_t>(time_ns / 1'000'000'000 - (time_ns % 1'000'000'000 < 0 ? 1 : 0));
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  std::array<char, 40> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &utc)};
}

}  // namespace wfs
