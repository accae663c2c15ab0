#include "index/check.h"

#include <map>

#include "base/error.h"
#include "index/check_run.h"
#include "index/commit_rows.h"

namespace wfs {

CheckReport CheckRun::run() {
  using Phase = void (CheckRun::*)();
  for (const Phase phase : {&CheckRun::check_index, &CheckRun::check_packs, &CheckRun::check_contents,
                            &CheckRun::check_refs, &CheckRun::check_commits, &CheckRun::check_trees,
                            &CheckRun::name_paths}) {
    try {
      (this->*phase)();
    } catch (const Error& error) {
      // The index cannot answer: the other phases still say what they can.
      if (error.code() == Errc::no_space || error.code() == Errc::busy) throw;
      found("index", "index.sqlite", cat(error.what(), "; run `mountctl rebuild`"));
    }
  }
  return std::move(report_);
}

CheckRun::FindingIndex CheckRun::found(std::string object, std::string name, std::string what) {
  report_.findings.push_back({std::move(object), std::move(name), std::move(what), {}});
  return report_.findings.size() - 1;
}

void CheckRun::advance(std::uint64_t bytes) {
  done_ += bytes;
  if (progress_) progress_(done_, std::max(done_, total_));
}

void CheckRun::check_index() {
  for (const std::string& line :
       read([](Database& database) { return damage_of_index(database); })) {
    found("index", "index.sqlite", cat(line, "; run `mountctl rebuild`"));
  }
}

void CheckRun::check_refs() {
  read([&](Database& database) {
    for (const Ref& ref : all_refs(database)) {
      if (ref.tip && !has_commit(database, *ref.tip)) {
        found("ref", ref.name, cat("its commit ", hex(*ref.tip), " is missing"));
      }
    }
  });
}

void CheckRun::check_commits() {
  constexpr int page = 1000;
  for (std::int64_t before = 0;;) {
    const bool more = read([&](Database& database) {
      const auto rows = commit_records_before(database, before, page);
      for (const RecordRow& row : rows) {
        ++report_.commits;
        const std::string name = hex(row.id.bytes);
        try {
          if (commit_id_of(row.record).digest != row.id) {
            fail(Errc::corrupt, "its record does not match its name");
          }
          const Commit commit = commit_of(row.record);
          for (const CommitId& parent : commit.parents) {
            if (!has_commit(database, parent)) {
              found("commit", name, cat("its parent ", hex(parent), " is missing"));
            }
          }
          if (!has_tree(database, commit.tree)) {
            found("commit", name, cat("its tree ", hex(commit.tree), " is missing"));
          }
        } catch (const Error& error) {
          found("commit", name, error.what());
        }
      }
      if (!rows.empty()) before = rows.back().number;
      return !rows.empty();
    });
    if (!more) return;
  }
}

void CheckRun::check_trees() {
  constexpr int page = 200;
  for (std::optional<TreeId> after;;) {
    const bool more = read([&](Database& database) {
      const auto rows = tree_records_after(database, after, page);
      for (const RecordRow& row : rows) {
        ++report_.trees;
        after = TreeId{row.id};
        try {
          if (tree_id_of(row.record) != *after) {
            fail(Errc::corrupt, "its record does not match its name");
          }
          for (const TreeEntry& entry : tree_of(row.record).entries) {
            check_entry(database, *after, entry);
          }
        } catch (const Error& error) {
          found("tree", hex(row.id.bytes), error.what());
        }
      }
      return !rows.empty();
    });
    if (!more) return;
  }
}

void CheckRun::check_entry(Database& database, const TreeId& tree, const TreeEntry& entry) {
  if (entry.kind == Kind::folder && !has_tree(database, entry.tree)) {
    found("tree", hex(tree), cat("its folder ", entry.name, " is missing: no tree ", hex(entry.tree)));
  }
  if (entry.kind != Kind::file) return;
  const auto content = find_content(database, entry.content);
  if (!content) {
    auto& findings = bad_contents_[entry.content];
    if (findings.empty()) {
      findings.push_back(found("content", hex(entry.content), "the index does not know it"));
    }
  } else if (content->size != entry.size) {
    found("tree", hex(tree), cat(entry.name, " has ", entry.size, " bytes here and ", content->size,
                                 " as content ", hex(entry.content)));
  }
}

// Says of each damage which files cannot be read for it, newest commits first.
void CheckRun::name_paths() {
  if (bad_contents_.empty()) return;
  std::map<CommitId, std::string> tips;
  for (const Ref& ref : read([](Database& database) { return all_refs(database); })) {
    if (ref.tip) tips.emplace(*ref.tip, ref.name);
  }
  constexpr int page = 100;
  for (std::int64_t before = 0;;) {
    const auto rows =
        read([&](Database& database) { return commit_records_before(database, before, page); });
    if (rows.empty()) return;
    for (const RecordRow& row : rows) {
      const auto tip = tips.find(CommitId{row.id});
      try {
        name_paths_in(commit_of(row.record).tree,
                      tip == tips.end() ? hex(row.id.bytes).substr(0, 12) : tip->second);
      } catch (const Error&) {
        // A finding already.
      }
    }
    before = rows.back().number;
  }
}

void CheckRun::name_paths_in(const TreeId& root, const std::string& commit) {
  constexpr std::size_t paths_max = 20;
  std::vector<std::pair<TreeId, std::string>> open = {{root, commit + ":"}};
  while (!open.empty()) {
    const auto [id, prefix] = std::move(open.back());
    open.pop_back();
    // A folder that did not change is named once, in the newest commit that has it.
    if (!named_trees_.insert(id).second) continue;
    std::optional<Tree> tree;
    try {
      tree = read([&id = id](Database& database) { return find_tree(database, id); });
    } catch (const Error&) {
      // A finding already.
    }
    if (!tree) continue;
    for (const TreeEntry& entry : tree->entries) {
      if (entry.kind == Kind::folder) open.emplace_back(entry.tree, prefix + entry.name + "/");
      if (entry.kind != Kind::file) continue;
      const auto bad = bad_contents_.find(entry.content);
      if (bad == bad_contents_.end()) continue;
      for (const FindingIndex finding : bad->second) {
        auto& paths = report_.findings[finding].paths;
        if (paths.size() < paths_max) paths.push_back(prefix + entry.name);
      }
    }
  }
}

CheckReport check(Repository& repository, CheckDepth depth,
                  const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  return CheckRun(repository, depth, progress).run();
}

}  // namespace wfs
