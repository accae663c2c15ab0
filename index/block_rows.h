// Blocks as rows of the index, each with its bases and the bases of those, so that reading needs no query.
// A row whose base is not there, or whose depth does not fall towards its base, comes back with `base` null:
// it cannot be read, and the others can. Each function works in the caller's transaction.
#pragma once

#include <optional>
#include <unordered_map>
#include <vector>

#include "index/segment_map.h"
#include "index/sqlite.h"

namespace wfs {

std::optional<BlockRef> find_block(Database& database, const BlockId& id);
// The row alone, without its base: one query.
std::optional<BlockRef> find_block_row(Database& database, const BlockId& id);
// Gives the block its number; the number of the row that is there already when there is one. Base blocks
// without a number are found by their id: their rows are there.
std::int64_t insert_block(Database& database, const BlockRef& block);
// Gives the row `block.number` another place with the same bytes. Requires: its depth does not grow, or no
// other block has it as a base.
void move_block(Database& database, const BlockRef& block);
std::int64_t count_blocks(Database& database);

// Those of these rows that exist. Blocks share their bases.
std::unordered_map<std::int64_t, BlockRef> load_blocks(Database& database,
                                                       std::vector<std::int64_t> numbers);
std::vector<BlockRef> blocks_of_pack(Database& database, std::int64_t pack);

}  // namespace wfs
