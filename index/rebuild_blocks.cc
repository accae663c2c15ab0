#include "index/rebuild_blocks.h"

#include <fcntl.h>

#include <algorithm>
#include <memory>

#include "base/error.h"
#include "index/block_rows.h"
#include "index/pack_scan.h"

namespace wfs {

void RebuildBlocks::add_pack(std::int64_t number, const stdfs::path& path) {
  packs_.emplace(number, path);
}

void RebuildBlocks::add(Database& database, const Fd& file, std::int64_t pack,
                        const FooterRow& row) {
  Delta delta;
  BlockRef& block = delta.block;
  block.id = id_in<BlockId>(row.header);
  block.pack = pack;
  block.offset = row.offset;
  block.payload_length = row.header.payload_length;
  block.plain_length = row.header.plain_length;
  block.encoding = row.header.encoding;
  if (block.encoding != Encoding::delta) return place(database, block);
  try {
    // Enough to know its base; whether the payload is whole shows when it is read.
    Buffer start(std::min<std::size_t>(block.payload_length, base_names_bytes_max));
    read_exactly(file, row.offset, start);
    BlockId first;
    first.hash.bytes = row.header.base;
    delta.names = base_names_of(first, start);
  } catch (const Error& error) {
    rebuilt_.lost.push_back(cat("block ", hex(block.id), " in ", packs_.at(pack).string(), " at ",
                                row.offset, ": ", error.what()));
    return;
  }
  // Packs come in any order: its base may be in a later one.
  if (!place_delta(database, delta)) waiting_.push_back(std::move(delta));
}

bool RebuildBlocks::place_delta(Database& database, const Delta& delta) {
  auto base = std::make_shared<BlockBase>(delta.names.base);
  unsigned depth = 0;
  for (const BlockId& id : delta.names.blocks) {
    auto block = find_block_row(database, id);
    if (!block) return false;
    depth = std::max(depth, block->depth + 1u);
    base->blocks.push_back(std::move(*block));
  }
  if (depth > base_depth_max) return false;
  BlockRef block = delta.block;
  block.depth = static_cast<std::uint8_t>(depth);
  block.base = std::move(base);
  place(database, block);
  return true;
}

void RebuildBlocks::place(Database& database, BlockRef block) {
  const auto known = find_block_row(database, block.id);
  if (!known) {
    insert_block(database, block);
    ++rebuilt_.blocks;
  } else if (block.depth <= known->depth && !is_readable(*find_block(database, block.id))) {
    // A block is in two packs when the bytes in the first one were found damaged, or to have less below
    // it. A deeper record could have the first one below it.
    block.number = known->number;
    move_block(database, block);
  }
}

void RebuildBlocks::finish(Database& database) {
  for (std::size_t before = 0; before != waiting_.size();) {
    before = waiting_.size();
    std::erase_if(waiting_, [&](const Delta& delta) { return place_delta(database, delta); });
  }
  std::map<std::int64_t, std::pair<std::size_t, const Delta*>> by_pack;
  for (const Delta& delta : waiting_) {
    if (find_block_row(database, delta.block.id)) continue;  // another record of it is good
    auto& [count, first] = by_pack[delta.block.pack];
    if (count++ == 0) first = &delta;
  }
  for (const auto& [pack, lost] : by_pack) {
    const auto& [count, first] = lost;
    std::string missing;
    for (const BlockId& id : first->names.blocks) {
      if (missing.empty() && !find_block_row(database, id)) missing = hex(id);
    }
    rebuilt_.lost.push_back(
        cat(packs_.at(pack).string(), ": ", count,
            " blocks cannot be read without their bases; the first is block ",
            hex(first->block.id),
            missing.empty() ? ", a delta beyond all bounds" : cat(", a delta of block ", missing)));
  }
  waiting_.clear();
}

bool RebuildBlocks::is_readable(const BlockRef& block) {
  FooterRow row;
  row.offset = block.offset;
  row.header.encoding = block.encoding;
  row.header.payload_length = block.payload_length;
  row.header.plain_length = block.plain_length;
  row.header.id = record_id(block.id.hash.bytes);
  if (block.base) row.header.base = block.base->blocks.front().id.hash.bytes;
  try {
    read_payload(open_file(packs_.at(block.pack), O_RDONLY | O_NOFOLLOW), row);
    return true;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace wfs
