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
#include "index/rebuild_blocks.h"
#include "index/repository.h"
#include "index/salvage.h"
#include "index/whole_rows.h"

namespace wfs {
namespace {

using Progress = std::function<void(std::uint64_t, std::uint64_t)>;

struct PackFile {
  stdfs::path path;
  stdfs::file_time_type time;
  std::vector<FooterRow> records;  // those that are no blocks
};

struct KnownCommit {
  Commit commit;
  bool packed = false;
  std::size_t position = SIZE_MAX;  // in the old index
};

class Rebuild {
 public:
  Rebuild(const stdfs::path& repository, const Progress& progress)
      : paths_(repository), progress_(progress), new_index_(paths_.index.string() + ".new") {}

  Rebuilt run() {
    require_known_version(paths_.index);
    for (const char* suffix : {"", "-wal", "-shm"}) stdfs::remove(new_index_.string() + suffix);
    Catalog::create(new_index_);
    {
      Database database(new_index_, Database::Access::write);
      find_packs();
      {
        Transaction transaction(database, Transaction::Mode::write);
        for (PackFile& pack : packs_) add_pack(database, pack);
        blocks_.finish(database);
        for (const PackFile& pack : packs_) add_records(database, pack);
        transaction.commit();
      }
      const Salvaged salvaged = salvage(database, paths_, rebuilt_.lost);
      Transaction transaction(database, Transaction::Mode::write);
      drop_false_trees(database);
      note_old_commits(salvaged);
      add_commits(database);
      drop_broken_trees(database);
      forget_missing_trees(database);
      add_refs(database);
      rebuilt_.commits = static_cast<std::uint64_t>(count_commits(database));
      rebuilt_.refs = all_refs(database).size();
      transaction.commit();
      if (!salvaged.staging) keep_staged_files(salvaged.any);
    }
    replace();
    return std::move(rebuilt_);
  }

 private:
  void lose(std::string line) { rebuilt_.lost.push_back(std::move(line)); }

  void find_packs() {
    for (const auto& entry : stdfs::directory_iterator(paths_.packs)) {
      if (entry.path().extension() != ".pack") continue;
      total_ += entry.file_size();
      packs_.push_back({entry.path(), entry.last_write_time(), {}});
    }
    // In the order they were written, as far as the files say.
    std::sort(packs_.begin(), packs_.end(), [](const PackFile& a, const PackFile& b) {
      return std::tie(a.time, a.path) < std::tie(b.time, b.path);
    });
  }

  void add_pack(Database& database, PackFile& pack) {
    // A pack whose footer is damaged keeps the id that is its name.
    const auto named = id_of_hex<PackId>(pack.path.stem().string());
    if (!named) return lose(cat(pack.path.string(), ": its name is no id of a pack"));
    PackContents contents;
    Fd file;
    try {
      file = open_file(pack.path, O_RDONLY | O_NOFOLLOW);
      contents = scan_pack(file);
    } catch (const Error& error) {
      return lose(cat(pack.path.string(), ": ", error.what()));
    }
    if (!contents.damage.empty()) {
      lose(cat(pack.path.string(), ": ", contents.damage, "; ", contents.rows.size(),
               " records of it are readable"));
    }
    const std::int64_t number = insert_pack(database, *named, contents.size);
    blocks_.add_pack(number, pack.path);
    ++rebuilt_.packs;
    for (const FooterRow& row : contents.rows) {
      if (row.header.type == RecordType::block) {
        blocks_.add(database, file, number, row);
      } else {
        pack.records.push_back(row);
      }
    }
    done_ += contents.size;
    if (progress_) progress_(done_, total_);
  }

  void add_records(Database& database, const PackFile& pack) {
    if (pack.records.empty()) return;
    const Fd file = open_file(pack.path, O_RDONLY | O_NOFOLLOW);
    for (const FooterRow& row : pack.records) {
      try {
        const Buffer record = read_record(file, row);
        switch (row.header.type) {
          case RecordType::content: add_content(database, id_in<ContentId>(row.header), record); break;
          case RecordType::tree: add_tree(database, id_in<TreeId>(row.header), record); break;
          default: note_commit(id_in<CommitId>(row.header), record)->second.packed = true; break;
        }
      } catch (const Error& error) {
        lose(cat(pack.path.string(), " at ", row.offset, ": ", error.what()));
      }
    }
  }

  void add_content(Database& database, const ContentId& id, const Buffer& record) {
    ContentRecord content = content_record_of(record);
    std::vector<BlockRef> blocks;
    std::uint64_t stored_bytes = 0;
    for (const auto& name : content.blocks) {
      const auto block = find_block_row(database, name.id);
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
    insert_tree(database, id, record);
    set_tree_packed(database, id);
  }

  // Throws Errc::corrupt for a record that is not what its name says.
  std::map<CommitId, KnownCommit>::iterator note_commit(const CommitId& id, const Buffer& record) {
    if (commit_id_of(record) != id) fail(Errc::corrupt, cat("commit ", hex(id), " is damaged"));
    return commits_.try_emplace(id, KnownCommit{commit_of(record)}).first;
  }

  void note_old_commits(const Salvaged& salvaged) {
    for (std::size_t position = 0; position < salvaged.commits.size(); ++position) {
      const auto& [id, record] = salvaged.commits[position];
      try {
        note_commit(id, record)->second.position = position;
      } catch (const Error& error) {
        lose(error.what());
      }
    }
  }

  // `look` may delete the tree that it is given.
  template <class Look>
  static void look_at_trees(Database& database, const Look& look) {
    constexpr int page = 500;
    for (std::optional<TreeId> after;;) {
      const auto rows = tree_records_after(database, after, page);
      if (rows.empty()) return;
      for (const RecordRow& row : rows) look(TreeId{row.id}, row.record);
      after = TreeId{rows.back().id};
    }
  }

  void drop_false_trees(Database& database) {
    look_at_trees(database, [&](const TreeId& id, const Buffer& record) {
      try {
        if (tree_id_of(record) != id) fail(Errc::corrupt, "its bytes are others");
        tree_of(record);
      } catch (const Error& error) {
        lose(cat("tree ", hex(id), ": ", error.what()));
        delete_tree(database, id);
      }
    });
  }

  // Parents before children, otherwise in the order of the old index or of time; a commit that lacks a tree
  // or a content is lost.
  void add_commits(Database& database) {
    using Entry = const std::pair<const CommitId, KnownCommit>*;
    std::vector<Entry> order;
    for (const auto& entry : commits_) order.push_back(&entry);
    std::sort(order.begin(), order.end(), [](Entry a, Entry b) {
      return std::tie(a->second.position, a->second.commit.time_ns, a->first) <
             std::tie(b->second.position, b->second.commit.time_ns, b->first);
    });
    std::set<CommitId> begun, done;
    std::vector<Entry> open;
    for (const Entry first : order) {
      open.push_back(first);
      while (!open.empty()) {
        const Entry at = open.back();
        if (begun.insert(at->first).second) {
          for (const CommitId& parent : at->second.commit.parents) {
            const auto known = commits_.find(parent);
            if (known != commits_.end() && !begun.contains(parent)) open.push_back(&*known);
          }
          continue;
        }
        open.pop_back();
        if (done.insert(at->first).second) add_commit(database, at->first, at->second);
      }
    }
  }

  void add_commit(Database& database, const CommitId& id, const KnownCommit& known) {
    const Commit& commit = known.commit;
    if (const auto missing = first_missing(database, commit.tree); !missing.empty()) {
      return lose(cat("commit ", hex(id), " (", commit.message, "): ", missing));
    }
    insert_commit(database, id, commit);
    if (known.packed) set_commit_packed(database, id);
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

  // A tree that lacks something belongs to lost commits only, and one that was not looked at to none.
  void drop_broken_trees(Database& database) {
    look_at_trees(database, [&](const TreeId& id, const Buffer&) {
      const auto known = whole_.find(id);
      if (known == whole_.end() || !known->second.empty()) {
        delete_tree(database, id);
      } else {
        ++rebuilt_.trees;
      }
    });
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
    for (Ref ref : refs) {
      if (!ref.tip || has_commit(database, *ref.tip)) continue;
      lose(cat(ref.name, ": its commit ", hex(*ref.tip), " is lost"));
      if (ref.kind == RefKind::tag) {
        delete_ref(database, ref.name, now_ns(), "rebuild");
        continue;
      }
      const auto tip = tips.find(ref.name);
      ref.tip = tip == tips.end() ? std::nullopt : std::optional(tip->second.id);
      put_ref(database, ref, now_ns(), "rebuild");
    }
    if (!refs.empty()) return;
    tips.try_emplace("main");
    for (const auto& [name, row] : tips) {
      const std::optional<CommitId> tip = row.number > 0 ? std::optional(row.id) : std::nullopt;
      put_ref(database, {name, RefKind::branch, tip}, now_ns(), "rebuild");
    }
  }

  // Without its rows nobody knows what a staged file is, and the next start would take it for garbage: it
  // is kept for its owner to see. Where some rows are left, under both names.
  void keep_staged_files(bool rows_are_left) {
    std::vector<stdfs::path> files;
    for (const auto& entry : stdfs::directory_iterator(paths_.staging)) files.push_back(entry.path());
    for (const auto& file : files) {
      const std::string name = file.filename();
      if (name.starts_with("recovered-") || stdfs::file_size(file) == 0) continue;
      const auto kept = paths_.staging / cat("recovered-", name);
      if (stdfs::exists(kept)) continue;
      if (rows_are_left) {
        stdfs::create_hard_link(file, kept);
      } else {
        stdfs::rename(file, kept);
      }
      lose(cat("bytes that were not packed are in ", kept.string()));
    }
  }

  // There is an index at every moment: the old one until the new one takes its name.
  void replace() {
    fault_point("rebuild.before_replace");
    const std::string old = paths_.index.string() + ".old";
    if (stdfs::exists(paths_.index)) {
      for (const char* suffix : {"", "-wal", "-shm"}) stdfs::remove(old + suffix);
      stdfs::create_hard_link(paths_.index, old);
    }
    // A log of the old index must not meet the new one. It is only there when that could not be read.
    const std::string log = paths_.index.string() + "-wal";
    if (stdfs::exists(log)) stdfs::rename(log, old + "-wal");
    stdfs::remove(paths_.index.string() + "-shm");
    fault_point("rebuild.before_publish");
    const Fd index = open_file(new_index_, O_RDWR);
    publish(index, new_index_, paths_.index);
  }

  RepositoryPaths paths_;
  const Progress& progress_;
  stdfs::path new_index_;
  Rebuilt rebuilt_;
  std::vector<PackFile> packs_;
  RebuildBlocks blocks_{rebuilt_};
  std::uint64_t done_ = 0;
  std::uint64_t total_ = 0;
  std::set<std::int64_t> counted_;
  std::map<CommitId, KnownCommit> commits_;
  std::unordered_map<TreeId, std::string> whole_;
};

}  // namespace

Rebuilt rebuild(const stdfs::path& repository, const Progress& progress) {
  const Fd lock = lock_repository(repository);
  return Rebuild(stdfs::absolute(repository), progress).run();
}

}  // namespace wfs
