// Staged files as rows of the index. Each function is one query in the caller's transaction.
#pragma once

#include <optional>
#include <vector>

#include "index/sqlite.h"
#include "index/staging.h"

namespace wfs {

std::optional<StagedRow> find_staged(Database& database, StagedId id);
std::vector<StagedRow> all_staged(Database& database);
void put_staged(Database& database, const StagedRow& row);
void delete_staged(Database& database, StagedId id);
StagedId next_staged_id(Database& database);  // higher than any row

// Writes the rows of `file` and of the staged files it is laid over.
void put_staged_chain(Database& database, const StagedFile& file);

}  // namespace wfs
