// Commits, trees and refs as rows of the index. Each function is one query in the caller's transaction.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "index/model.h"
#include "index/sqlite.h"

namespace wfs {

void insert_tree(Database& database, const TreeId& id, Bytes record);  // nothing when it is there
std::optional<Tree> find_tree(Database& database, const TreeId& id);
Tree load_tree(Database& database, const TreeId& id);                  // throws Errc::corrupt

// False when the commit is there already.
bool insert_commit(Database& database, const CommitId& id, const Commit& commit);
std::optional<CommitRow> find_commit(Database& database, const CommitId& id);
CommitRow load_commit(Database& database, const CommitId& id);         // throws Errc::not_found
std::vector<CommitId> commits_with_prefix(Database& database, std::string_view hex_prefix, int max);
// Newest first, by number; `before` 0: from the newest.
std::vector<CommitRow> recent_commits(Database& database, std::int64_t before, int max);
std::optional<CommitRow> newest_commit(Database& database);
std::optional<CommitRow> newest_complete_commit(Database& database);
std::optional<std::int64_t> oldest_complete_number(Database& database);
std::int64_t count_commits(Database& database);

struct UnpackedRecord {
  Digest160 id;
  Buffer record;
};
std::vector<UnpackedRecord> unpacked_trees(Database& database);
std::vector<UnpackedRecord> unpacked_commits(Database& database);     // by number
void set_tree_packed(Database& database, const TreeId& id);
void set_commit_packed(Database& database, const CommitId& id);

std::optional<Ref> find_ref(Database& database, std::string_view name);
std::vector<Ref> all_refs(Database& database);
// Writes the ref and a line of its log.
void put_ref(Database& database, const Ref& ref, std::int64_t time_ns, std::string_view reason);
void delete_ref(Database& database, std::string_view name, std::int64_t time_ns,
                std::string_view reason);
// When a ref was made, moved or deleted last; nullopt: never.
std::optional<std::int64_t> last_ref_change(Database& database);
// What `name` named at `time_ns`; nullopt before its first log line.
std::optional<CommitId> ref_at(Database& database, std::string_view name, std::int64_t time_ns);
// The tip of `name` `changes_ago` changes of its tip ago; 0: the last one it had.
std::optional<CommitId> ref_before(Database& database, std::string_view name,
                                   std::int64_t changes_ago);

}  // namespace wfs
