// Contents and packs as rows of the index. Each function is one query in the caller's transaction.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "index/block_rows.h"
#include "index/ids.h"
#include "index/segment_map.h"
#include "index/sqlite.h"

namespace wfs {

struct ContentRow {
  std::int64_t number = 0;
  ContentId id;
  std::uint64_t size = 0;
  StagedId staged = StagedId::none;  // none: packed
  std::uint64_t stored_bytes = 0;
  std::string health;                // JSON, once packed
};

std::optional<ContentRow> find_content(Database& database, const ContentId& id);
void insert_staged_content(Database& database, const ContentId& id, std::uint64_t size,
                           StagedId staged);
std::vector<ContentRow> staged_contents(Database& database);  // oldest first
std::int64_t count_staged_contents(Database& database);
bool is_staged_content(Database& database, StagedId staged);  // whether a content's bytes are there

// Inserts the row of a packed content, or turns a staged one into it.
void put_packed_content(Database& database, const ContentId& id, const SegmentMap& map,
                        std::uint64_t stored_bytes, std::string_view health);
// The map of a packed content with the places of its blocks; throws Errc::corrupt.
SegmentMap load_segment_map(Database& database, const ContentId& id);

std::vector<ContentRow> all_contents(Database& database);  // by number

// The number of the row that is there already when there is one: packs of one name hold the same records.
std::int64_t insert_pack(Database& database, const PackId& id, std::uint64_t size);
std::optional<PackId> find_pack(Database& database, std::int64_t number);
struct PackRow {
  std::int64_t number = 0;
  PackId id;
  std::uint64_t size = 0;
};
std::vector<PackRow> all_packs(Database& database);

}  // namespace wfs
