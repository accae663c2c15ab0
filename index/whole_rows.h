// Queries over whole tables, page by page and without trusting a row: for check and rebuild. Each function
// is one query in the caller's transaction.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "index/content_rows.h"
#include "index/model.h"
#include "index/sqlite.h"

namespace wfs {

// A tree or a commit as its row holds it: the record may be anything.
struct RecordRow {
  std::int64_t number = 0;  // commits
  Digest160 id;
  Buffer record;
};

// Newest first, before `before` (0: from the newest).
std::vector<RecordRow> commit_records_before(Database& database, std::int64_t before, int max);
// By id, behind `after` (none: from the first).
std::vector<RecordRow> tree_records_after(Database& database, const std::optional<TreeId>& after,
                                          int max);
bool has_commit(Database& database, const CommitId& id);
bool has_tree(Database& database, const TreeId& id);
void delete_tree(Database& database, const TreeId& id);
// Folders of working folders equal no tree that is not there: the next commit writes them anew.
void forget_missing_trees(Database& database);

std::vector<ContentRow> contents_after(Database& database, std::int64_t number, int max);
std::uint64_t sum_of_content_sizes(Database& database);
std::map<std::int64_t, std::int64_t> count_blocks_by_pack(Database& database);

// What SQLite finds wrong with its own file, at most 20 lines.
std::vector<std::string> damage_of_index(Database& database);

}  // namespace wfs
