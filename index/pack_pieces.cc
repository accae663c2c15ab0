#include "index/pack_pieces.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <new>

#include "base/error.h"
#include "codec/split.h"
#include "index/pack.h"

namespace wfs {
namespace {

// Reading over a gap is cheaper than a second call.
constexpr std::uint64_t gap_bytes_max = 32 << 10;
// A shorter piece is better read through the page cache, which reads on.
constexpr std::uint64_t direct_bytes_min = 128 << 10;
constexpr std::uint64_t alignment = 4096;

// Memory as O_DIRECT wants it, reused from piece to piece.
class Aligned {
 public:
  MutableBytes at_least(std::size_t length) {
    if (length > length_) {
      memory_.reset(static_cast<std::byte*>(std::aligned_alloc(alignment, length)));
      length_ = memory_ ? length : 0;
      if (!memory_) throw std::bad_alloc();
    }
    return {memory_.get(), length_};
  }

 private:
  struct Free {
    void operator()(std::byte* memory) const noexcept { std::free(memory); }
  };
  std::unique_ptr<std::byte, Free> memory_;
  std::size_t length_ = 0;
};

// Whether the page cache lacks most of it, as far as the kernel tells (Linux 6.5 and newer).
bool lacks_pages(const Fd& file, Range range) noexcept {
#ifdef SYS_cachestat
  constexpr long call = SYS_cachestat;
#else
  constexpr long call = 451;  // the same on every machine
#endif
  struct {
    std::uint64_t offset, length;
  } asked{range.offset, range.length};
  struct {
    std::uint64_t cached, dirty, writeback, evicted, recently_evicted;
  } found{};
  if (::syscall(call, file.get(), &asked, &found, 0u) != 0) return false;
  static const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return found.cached * page < range.length / 2;
}

bool is_possible(const BlockRef& block) noexcept {
  return block.plain_length <= block_size_max && block.payload_length <= block.plain_length &&
         block.offset >= pack_header_bytes + record_header_bytes;
}

}  // namespace

Bytes Piece::record_in(Bytes bytes, const BlockRef& block) const {
  return bytes.subspan(block.offset - record_header_bytes - range.offset,
                       record_header_bytes + block.payload_length);
}

std::vector<Piece> pieces_of(std::span<const BlockRef* const> blocks) {
  std::vector<Piece> pieces;
  for (const BlockRef* block : blocks) {
    if (!is_possible(*block)) continue;
    const std::uint64_t from = block->offset - record_header_bytes;
    const std::uint64_t end = block->offset + block->payload_length;
    if (!pieces.empty()) {
      Piece& last = pieces.back();
      if (last.pack == block->pack && from >= last.range.end() &&
          from - last.range.end() <= gap_bytes_max &&
          end - last.range.offset <= piece_bytes_max) {
        last.range.length = end - last.range.offset;
        last.blocks.push_back(block);
        continue;
      }
    }
    pieces.push_back({block->pack, {from, end - from}, {block}});
  }
  return pieces;
}

Bytes read_piece(PackFiles& packs, const Piece& piece, PageCache page_cache) {
  thread_local Aligned memory;
  const auto pack = packs.open(piece.pack);
  const std::uint64_t from = piece.range.offset / alignment * alignment;
  const std::uint64_t to = (piece.range.end() + alignment - 1) / alignment * alignment;
  const MutableBytes room = memory.at_least(to - from);
  const std::uint64_t skip = piece.range.offset - from;
  if (page_cache == PageCache::pass && piece.range.length >= direct_bytes_min &&
      lacks_pages(*pack, piece.range)) {
    if (const auto direct = packs.open_direct(piece.pack)) {
      const ssize_t got =
          ::pread(direct->get(), room.data(), to - from, static_cast<off_t>(from));
      if (got >= 0 && static_cast<std::uint64_t>(got) >= skip + piece.range.length) {
        return Bytes(room).subspan(skip, piece.range.length);
      }
    }
  }
  const MutableBytes bytes = room.subspan(skip, piece.range.length);
  read_exactly(*pack, piece.range.offset, bytes);
  return bytes;
}

}  // namespace wfs
