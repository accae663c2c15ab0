// Reads the records of many blocks with few calls: those that lie next to each other in a pack are one
// piece. A piece is read past the page cache of the machine where that is possible: what it decodes to is
// kept by who asked for it, and is the only copy worth its memory. Values and functions; any thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "index/pack_files.h"
#include "index/segment_map.h"

namespace wfs {

struct Piece {
  std::int64_t pack = 0;
  Range range;  // of the pack: the records of the blocks, and what little lies between them
  std::vector<const BlockRef*> blocks;

  // The record of one of its blocks, header first, in the bytes of the piece.
  Bytes record_in(Bytes bytes, const BlockRef& block) const;
};

inline constexpr std::uint64_t piece_bytes_max = 1 << 20;

// In the order of `blocks`, which may be damaged rows: what cannot be a block is in no piece.
std::vector<Piece> pieces_of(std::span<const BlockRef* const> blocks);

// Whether what is read is worth keeping in the page cache: bases are, for they serve many contents.
enum class PageCache { keep, pass };

// In memory of the thread, until it reads the next piece. Throws what reading the pack throws.
Bytes read_piece(PackFiles& packs, const Piece& piece, PageCache page_cache);

}  // namespace wfs
