#include "index/rebuild.h"

#include <fcntl.h>

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>

#include "base/clock.h"
#include "base/error.h"
#include "base/fault.h"
#include "index/commit_rows.h"
#include "index/content_record.h"
#include "index/content_rows.h"
#include "index/pack_scan.h"
#include "index/repository.h"
#include "index/salvage.h"

namespace wfs {
namespace {

using Progress = std::function<void(std::uint64_t, std::uint64_t)>;

struct PackFile {
  stdfs::path path;
  PackContents contents;
  std::int64_t number = 0;
};

template <class Id>
Id id_of(const std::array<std::byte, 32>& bytes) {
  Id id;
  __builtin_memcpy(&id, bytes.data(), sizeof id);
  return id;
}

class Rebuild {
 public:
  Rebuild(const stdfs::path& repository, const Progress& progress)
      : paths_(repository), progress_(progress), new_index_(paths_.index.string() + ".new") {}

  Rebuilt run() {
    for (const char* suffix : {"", "-wal", "-shm"}) stdfs::remove(new_index_.string() + suffix);
    Catalog::create(new_index_);
    {
      Database database(new_index_, Database::Access::write);
      find_packs();
      {
        Transaction transaction(database, Transaction::Mode::write);
        for (PackFile& pack : packs_) add_blocks(database, pack);
        for (const PackFile& pack : packs_) add_records(database, pack);
        add_commits(database);
        transaction.commit();
      }
      const bool salvaged = salvage(database, paths_, rebuilt_.lost);
      Transaction transaction(database, Transaction::Mode::write);
      add_refs(database);
      rebuilt_.commits = static_cast<std::uint64_t>(count_commits(database));
      rebuilt_.refs = all_refs(database).size();
      transaction.commit();
      if (!salvaged) keep_staged_files();
    }
    replace();
    return std::move(rebuilt_);
  }

 private:
  void find_packs() {
    for (const auto& entry : stdfs::directory_iterator(paths_.packs)) {
      if (entry.path().extension() != ".pack") continue;
      total_ += entry.file_size();
      packs_.push_back({entry.path(), {}, 0});
    }
    std::sort(packs_.begin(), packs_.end(),
              [](const PackFile& a, const PackFile& b) { return a.path < b.path; });
  }

  void add_blocks(Database& database, PackFile& pack) {
    const Fd file = open_file(pack.path, O_RDONLY | O_NOFOLLOW);
    pack.contents = scan_pack(file);
    if (!pack.contents.damage.empty()) {
      rebuilt_.lost.push_back(cat(pack.path.string(), ": ", pack.contents.damage, "; ",
                                  pack.contents.rows.size(), " records of it are readable"));
    }
    // A pack whose footer is damaged keeps the id that is its name.
    const auto named = id_of_hex<PackId>(pack.path.stem().string());
    if (!named) {
      rebuilt_.lost.push_back(cat(pack.path.string(), ": its name is no id of a pack"));
      pack.contents.rows.clear();
      return;
    }
    pack.number = insert_pack(database, *named, pack.contents.size);
    ++rebuilt_.packs;
    for (const FooterRow& row : pack.contents.rows) {
      if (row.header.type != RecordType::block) continue;
      BlockRef block;
      block.id = id_of<BlockId>(row.header.id);
      block.pack = pack.number;
      block.offset = row.offset;
      block.payload_length = row.header.payload_length;
      block.plain_length = row.header.plain_length;
      block.encoding = row.header.encoding;
      insert_block(database, block);
      ++rebuilt_.blocks;
    }
    done_ += pack.contents.size;
    if (progress_) progress_(done_, total_);
  }

  void add_records(Database& database, const PackFile& pack) {
    const Fd file = open_file(pack.path, O_RDONLY | O_NOFOLLOW);
    for (const FooterRow& row : pack.contents.rows) {
      if (row.header.type == RecordType::block) continue;
      try {
        const Buffer record = read_record(file, row);
        switch (row.header.type) {
          case RecordType::content: add_content(database, id_of<ContentId>(row.header.id), record); break;
          case RecordType::tree: add_tree(database, id_of<TreeId>(row.header.id), record); break;
          default: commits_.emplace(id_of<CommitId>(row.header.id), commit_of(record)); break;
        }
      } catch (const Error& error) {
        rebuilt_.lost.push_back(cat(pack.path.string(), " at ", row.offset, ": ", error.what()));
      }
    }
  }

  void add_content(Database& database, const ContentId& id, const Buffer& record) {
    ContentRecord content = content_record_of(record);
    std::vector<BlockRef> blocks;
    std::uint64_t stored_bytes = 0;
    for (const auto& name : content.blocks) {
      const auto block = find_block(database, name.id);
      if (!block) {
        fail(Errc::corrupt, cat("content ", hex(id), " lacks block ", hex(name.id)));
      }
      // The first content to need a block is the one whose cost it is.
      if (counted_.insert(block->number).second) stored_bytes += block->payload_length;
      blocks.push_back(*block);
    }
    const SegmentMap map(std::move(content.layout), std::move(blocks));
    if (map.size() != content.size) fail(Errc::corrupt, cat("content ", hex(id), " is too short"));
    put_packed_content(database, id, map, stored_bytes, content.health);
    ++rebuilt_.contents;
  }

  void add_tree(Database& database, const TreeId& id, const Buffer& record) {
    tree_of(record);  // throws for bytes that are none
    insert_tree(database, id, record);
    set_tree_packed(database, id);
    ++rebuilt_.trees;
  }

  // Parents before children; a commit that lacks a tree or a content is lost.
  void add_commits(Database& database) {
    std::vector<std::pair<CommitId, const Commit*>> by_time;
    for (const auto& [id, commit] : commits_) by_time.emplace_back(id, &commit);
    std::sort(by_time.begin(), by_time.end(), [](const auto& a, const auto& b) {
      return std::pair(a.second->time_ns, a.first) < std::pair(b.second->time_ns, b.first);
    });
    for (const auto& [id, commit] : by_time) add_commit(database, id, *commit);
  }

  void add_commit(Database& database, const CommitId& id, const Commit& commit) {
    if (!visited_.insert(id).second) return;
    for (const CommitId& parent : commit.parents) {
      const auto at = commits_.find(parent);
      if (at != commits_.end()) add_commit(database, parent, at->second);
    }
    if (const auto missing = first_missing(database, commit.tree); !missing.empty()) {
      rebuilt_.lost.push_back(cat("commit ", hex(id), " (", commit.message, "): ", missing));
      return;
    }
    insert_commit(database, id, commit);
    set_commit_packed(database, id);
  }

  // What a tree lacks; empty: nothing.
  std::string first_missing(Database& database, const TreeId& id) {
    if (const auto known = whole_.find(id); known != whole_.end()) return known->second;
    std::string missing;
    const auto tree = find_tree(database, id);
    if (!tree) missing = cat("tree ", hex(id), " is missing");
    for (const TreeEntry& entry : tree ? tree->entries : std::vector<TreeEntry>()) {
      if (!missing.empty()) break;
      if (entry.kind == Kind::folder) missing = first_missing(database, entry.tree);
      if (entry.kind == Kind::file && !find_content(database, entry.content)) {
        missing = cat("the bytes of ", entry.name, " are missing");
      }
    }
    whole_.emplace(id, missing);
    return missing;
  }

  // Branches that the old index did not give: each commit names its branch, and the newest is the tip.
  void add_refs(Database& database) {
    std::map<std::string, CommitRow> tips;
    for (std::int64_t before = 0;;) {
      const auto rows = recent_commits(database, before, 1000);
      if (rows.empty()) break;
      for (const CommitRow& row : rows) tips.try_emplace(row.commit.branch, row);
      before = rows.back().number;
    }
    const auto refs = all_refs(database);
    for (const Ref& ref : refs) {
      if (!ref.tip || find_commit(database, *ref.tip)) continue;
      const auto tip = tips.find(ref.name);
      rebuilt_.lost.push_back(cat(ref.name, ": its commit ", hex(*ref.tip), " is lost"));
      if (tip != tips.end()) {
        put_ref(database, {ref.name, ref.kind, tip->second.id}, now_ns(), "rebuild");
      } else {
        delete_ref(database, ref.name, now_ns(), "rebuild");
      }
    }
    if (!refs.empty()) return;
    tips.try_emplace("main");
    for (const auto& [name, row] : tips) {
      const std::optional<CommitId> tip = row.number > 0 ? std::optional(row.id) : std::nullopt;
      put_ref(database, {name, RefKind::branch, tip}, now_ns(), "rebuild");
    }
  }

  // Without the old index nobody knows what the staged files are: they are kept for their owner to see.
  void keep_staged_files() {
    std::vector<stdfs::path> files;
    for (const auto& entry : stdfs::directory_iterator(paths_.staging)) files.push_back(entry.path());
    for (const auto& file : files) {
      const std::string name = file.filename();
      if (name.starts_with("recovered-")) continue;
      const auto kept = paths_.staging / cat("recovered-", name);
      stdfs::rename(file, kept);
      if (stdfs::file_size(kept) == 0) {
        stdfs::remove(kept);
        continue;
      }
      rebuilt_.lost.push_back(cat("bytes that were not packed are in ", kept.string()));
    }
  }

  void replace() {
    fault_point("rebuild.before_replace");
    const std::string old = paths_.index.string() + ".old";
    for (const char* suffix : {"", "-wal", "-shm"}) {
      stdfs::remove(old + suffix);
      const std::string current = paths_.index.string() + suffix;
      if (stdfs::exists(current)) stdfs::rename(current, old + suffix);
    }
    const Fd index = open_file(new_index_, O_RDWR);
    publish(index, new_index_, paths_.index);
  }

  RepositoryPaths paths_;
  const Progress& progress_;
  stdfs::path new_index_;
  Rebuilt rebuilt_;
  std::vector<PackFile> packs_;
  std::uint64_t done_ = 0;
  std::uint64_t total_ = 0;
  std::set<std::int64_t> counted_;
  std::map<CommitId, Commit> commits_;
  std::set<CommitId> visited_;
  std::unordered_map<TreeId, std::string> whole_;
};

}  // namespace

Rebuilt rebuild(const stdfs::path& repository, const Progress& progress) {
  const Fd lock = lock_repository(repository);
  return Rebuild(stdfs::absolute(repository), progress).run();
}

}  // namespace wfs
