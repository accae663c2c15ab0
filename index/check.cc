#include "index/check.h"

#include <map>
#include <set>
#include <unordered_set>

#include "base/error.h"
#include "base/hash.h"
#include "codec/decode.h"
#include "codec/split.h"
#include "index/commit_rows.h"
#include "index/content_record.h"
#include "index/content_rows.h"
#include "index/pack_scan.h"
#include "index/staged_rows.h"

namespace wfs {
namespace {

using Progress = std::function<void(std::uint64_t, std::uint64_t)>;

class Check {
  template <class Query>
  auto read(Query query) {
    return repository_.catalog().read(query);
  }

 public:
  Check(Repository& repository, CheckDepth depth, const Progress& progress)
      : repository_(repository), depth_(depth), progress_(progress) {}

  CheckReport run() {
    const auto packs = read([](Database& database) { return all_packs(database); });
    for (const PackRow& pack : packs) total_ += pack.size;
    if (depth_ == CheckDepth::data) {
      for (const ContentRow& content : read([](Database& db) { return all_contents(db); })) {
        total_ += content.size;
      }
    }
    for (const PackRow& pack : packs) check_pack(pack);
    check_blocks();
    check_contents();
    check_refs();
    check_commits();
    name_paths();
    return std::move(report_);
  }

 private:
  void found(std::string object, std::string name, std::string what) {
    report_.findings.push_back({std::move(object), std::move(name), std::move(what), {}});
  }

  void advance(std::uint64_t bytes) {
    done_ += bytes;
    if (progress_) progress_(done_, total_);
  }

  void check_pack(const PackRow& row) {
    ++report_.packs;
    const std::string path = repository_.packs().path_of(row.id);
    try {
      const auto pack = repository_.packs().open(row.number);
      const PackContents contents = scan_pack(*pack);
      if (!contents.damage.empty()) found("pack", path, contents.damage);
      if (contents.id && *contents.id != row.id) found("pack", path, "it has another id inside");
      if (contents.size != row.size) {
        found("pack", path, cat("it has ", contents.size, " bytes; the index says ", row.size));
      }
      auto& places = places_[row.number];
      for (const FooterRow& record : contents.rows) {
        if (record.header.type == RecordType::block) places.emplace(record.offset, record.header);
        if (depth_ == CheckDepth::data) check_record(*pack, path, record);
      }
    } catch (const Error& error) {
      found("pack", path, error.what());
    }
    if (depth_ == CheckDepth::structure) advance(row.size);
  }

  void check_record(const Fd& pack, const std::string& path, const FooterRow& row) {
    const std::uint64_t bytes = record_header_bytes + row.header.payload_length;
    try {
      switch (row.header.type) {
        case RecordType::block: {
          const Buffer payload = read_payload(pack, row);
          if (row.header.plain_length > block_size_max) fail(Errc::corrupt, "it is too long");
          Buffer plain(row.header.plain_length);
          decode(row.header.encoding, payload, plain);
          const Hash128 hash = xxh3_128(plain);
          if (!std::equal(hash.bytes.begin(), hash.bytes.end(), row.header.id.begin())) {
            fail(Errc::corrupt, "it decodes to other bytes");
          }
          break;
        }
        case RecordType::content: content_record_of(read_record(pack, row)); break;
        case RecordType::tree:
        case RecordType::commit: {
          const Digest160 digest = sha256_cut(read_record(pack, row));
          if (!std::equal(digest.bytes.begin(), digest.bytes.end(), row.header.id.begin())) {
            fail(Errc::corrupt, "its bytes do not match its name");
          }
          break;
        }
      }
    } catch (const Error& error) {
      static const std::map<RecordType, std::pair<const char*, std::size_t>> names = {
          {RecordType::block, {"block", 16}},
          {RecordType::content, {"content", 32}},
          {RecordType::tree, {"tree", 20}},
          {RecordType::commit, {"commit", 20}}};
      const auto& [object, length] = names.at(row.header.type);
      found(object, hex(Bytes(row.header.id).first(length)),
            cat("in ", path, " at ", row.offset, ": ", error.what()));
    }
    report_.bytes_read += bytes;
    advance(bytes);
  }

  void check_blocks() {
    for (std::int64_t after = 0;;) {
      const auto blocks = read([&](Database& db) { return blocks_after(db, after, 10'000); });
      if (blocks.empty()) return;
      for (const BlockRef& block : blocks) {
        ++report_.blocks;
        const auto pack = places_.find(block.pack);
        const auto place = pack == places_.end() ? decltype(pack->second.begin()){}
                                                 : pack->second.find(block.offset);
        if (pack == places_.end()) {
          found("block", hex(block.id), cat("its pack ", block.pack, " is unknown"));
        } else if (place == pack->second.end() ||
                   !std::equal(block.id.hash.bytes.begin(), block.id.hash.bytes.end(),
                               place->second.id.begin()) ||
                   place->second.payload_length != block.payload_length ||
                   place->second.plain_length != block.plain_length) {
          found("block", hex(block.id), cat("pack ", block.pack, " does not hold it at ",
                                            block.offset));
        }
      }
      after = blocks.back().number;
    }
  }

  void check_contents() {
    for (const ContentRow& row : read([](Database& db) { return all_contents(db); })) {
      ++report_.contents;
      known_.insert(row.id);
      try {
        const auto content = repository_.contents().open(row.id);
        if (content->size() != row.size) {
          fail(Errc::corrupt, cat("it has ", content->size(), " bytes; the index says ", row.size));
        }
        if (depth_ == CheckDepth::data) check_bytes(row, *content);
      } catch (const Error& error) {
        found(row.staged == StagedId::none ? "content" : "staged", hex(row.id), error.what());
        bad_.insert(row.id);
      }
    }
  }

  void check_bytes(const ContentRow& row, const ByteSource& content) {
    Sha256 hasher;
    const auto* packed = dynamic_cast<const PackedContent*>(&content);
    Buffer piece(1 << 20);
    for (std::uint64_t at = 0; at < row.size;) {
      std::uint64_t length = 0;
      if (packed != nullptr) {
        const auto [first, last] = packed->map().blocks_of({at, 1});
        expects(last == first + 1, "one byte is in one block");
        const Buffer block = repository_.blocks().load_uncached(packed->map().blocks()[first]);
        hasher.add(block);
        length = block.size();
      } else {
        length = std::min<std::uint64_t>(piece.size(), row.size - at);
        content.read(at, MutableBytes(piece).first(length));
        hasher.add(Bytes(piece).first(length));
      }
      at += length;
      report_.bytes_read += length;
      advance(length);
    }
    if (ContentId{hasher.finish()} != row.id) fail(Errc::corrupt, "its bytes do not match its name");
  }

  void check_refs() {
    for (const Ref& ref : read([](Database& db) { return all_refs(db); })) {
      if (!ref.tip) continue;
      if (!read([&](Database& db) { return find_commit(db, *ref.tip); })) {
        found("ref", ref.name, cat("its commit ", hex(*ref.tip), " is missing"));
      }
    }
  }

  void check_commits() {
    for (std::int64_t before = 0;;) {
      const auto commits = read([&](Database& db) { return recent_commits(db, before, 1000); });
      if (commits.empty()) return;
      for (const CommitRow& row : commits) {
        ++report_.commits;
        if (commit_id_of(record_of(row.commit)) != row.id) {
          found("commit", hex(row.id), "its record does not match its name");
        }
        for (const CommitId& parent : row.commit.parents) {
          if (!read([&](Database& db) { return find_commit(db, parent); })) {
            found("commit", hex(row.id), cat("its parent ", hex(parent), " is missing"));
          }
        }
        check_tree(row.commit.tree);
      }
      before = commits.back().number;
    }
  }

  void check_tree(const TreeId& id) {
    if (!trees_.insert(id).second) return;
    ++report_.trees;
    try {
      const Tree tree = read([&](Database& db) { return load_tree(db, id); });
      if (tree_id_of(record_of(tree)) != id) fail(Errc::corrupt, "its record does not match its name");
      for (const TreeEntry& entry : tree.entries) {
        if (entry.kind == Kind::folder) check_tree(entry.tree);
        if (entry.kind == Kind::file && !known_.contains(entry.content)) {
          if (bad_.insert(entry.content).second) {
            found("content", hex(entry.content), "the index does not know it");
          }
        }
      }
    } catch (const Error& error) {
      found("tree", hex(id), error.what());
    }
  }

  // Says of each content that cannot be read which files that is.
  void name_paths() {
    if (bad_.empty()) return;
    std::map<std::string, std::vector<std::string>*> wanted;
    for (Finding& finding : report_.findings) {
      if (finding.object == "content" || finding.object == "staged") {
        wanted.emplace(finding.name, &finding.paths);
      }
    }
    std::set<TreeId> seen;
    for (const CommitRow& row : read([](Database& db) { return recent_commits(db, 0, 1000); })) {
      name_paths_in(row.commit.tree, hex(row.id).substr(0, 12) + ":", seen, wanted);
    }
  }

  void name_paths_in(const TreeId& id, const std::string& prefix, std::set<TreeId>& seen,
                     const std::map<std::string, std::vector<std::string>*>& wanted) {
    constexpr std::size_t paths_max = 20;
    if (!seen.insert(id).second) return;
    const auto tree = read([&](Database& db) -> std::optional<Tree> {
      try {
        return find_tree(db, id);
      } catch (const Error&) {
        return std::nullopt;  // found damaged already
      }
    });
    if (!tree) return;
    for (const TreeEntry& entry : tree->entries) {
      if (entry.kind == Kind::folder) name_paths_in(entry.tree, prefix + entry.name + "/", seen, wanted);
      if (entry.kind != Kind::file) continue;
      const auto at = wanted.find(hex(entry.content));
      if (at != wanted.end() && at->second->size() < paths_max) {
        at->second->push_back(prefix + entry.name);
      }
    }
  }

  Repository& repository_;
  CheckDepth depth_;
  const Progress& progress_;
  CheckReport report_;
  std::uint64_t done_ = 0;
  std::uint64_t total_ = 0;
  std::map<std::int64_t, std::map<std::uint64_t, RecordHeader>> places_;  // blocks by pack and offset
  std::unordered_set<ContentId> known_;
  std::unordered_set<ContentId> bad_;
  std::unordered_set<TreeId> trees_;
};

}  // namespace

CheckReport check(Repository& repository, CheckDepth depth, const Progress& progress) {
  return Check(repository, depth, progress).run();
}

}  // namespace wfs
