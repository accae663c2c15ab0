#include "index/block_store.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/hash.h"
#include "base/wire.h"
#include "codec/decode.h"
#include "codec/split.h"
#include "index/block_base.h"
#include "index/pack.h"

namespace wfs {
namespace {

constexpr std::size_t small_read_max = 16 << 10;
// What one thread takes of what several decode together.
constexpr std::uint64_t part_bytes_max = 512 << 10;

void require_readable(const BlockRef& block) {
  if (block.plain_length > block_size_max || block.payload_length > block.plain_length ||
      block.offset < pack_header_bytes + record_header_bytes) {
    fail(Errc::corrupt, "its row in the index is damaged; run `mountctl rebuild`");
  }
  if (block.encoding != Encoding::delta) return;
  if (!block.base || block.base->blocks.empty() || block.depth > base_depth_max) {
    fail(Errc::corrupt, "the index lacks its base; run `mountctl rebuild`");
  }
  for (const BlockRef& base : block.base->blocks) {
    if (base.depth >= block.depth) {
      fail(Errc::corrupt, "its base leads back to it in the index; run `mountctl rebuild`");
    }
  }
}

// Whether decoding can stop before the end of the block.
bool has_front(const BlockRef& block) noexcept {
  return block.encoding == Encoding::delta || block.encoding == Encoding::planes;
}

// The bytes of the delta behind what its record says of its base, which must be what the index says.
Bytes without_base(const BlockBase& base, const RecordHeader& header, Bytes payload) {
  const Buffer expected = bytes_of_base(base);
  if (header.base != base.blocks.front().id.hash.bytes || payload.size() < expected.size() ||
      !std::equal(expected.begin(), expected.end(), payload.begin())) {
    fail(Errc::corrupt, "it has another base than the index says; run `mountctl rebuild`");
  }
  return payload.subspan(expected.size());
}

}  // namespace

bool BlockStore::Touched::note(const BlockId& id) noexcept {
  const auto name = load_le<std::uint64_t>(id.hash.bytes.data());
  return names_[name % names_.size()].exchange(name, std::memory_order_relaxed) == name;
}

BlockStore::BlockStore(PackFiles& packs, std::uint64_t cache_bytes_max)
    : packs_(packs), cache_(cache_bytes_max) {}

template <class Act>
auto BlockStore::naming(const BlockRef& block, Act act) {
  try {
    return act();
  } catch (const Error& error) {
    if (error.code() != Errc::corrupt && error.code() != Errc::io) throw;
    tell_damage(block, error);
  }
}

void BlockStore::tell_damage(const BlockRef& block, const Error& error) {
  std::string pack = cat("pack ", block.pack);
  try {
    pack = packs_.path_of(block.pack);
  } catch (const Error&) {
    // The index does not know it: its number must do.
  }
  const std::string message =
      cat("block ", hex(block.id), " in ", pack, " at ", block.offset, ": ", error.what());
  constexpr std::size_t lines_max = 1000;
  auto damage = damage_.lock();
  if (damage->size() < lines_max) damage->insert(message);
  damage.release();
  fail(Errc::corrupt, message);
}

BlockStore::Stored BlockStore::read_stored(const BlockRef& block) {
  const auto pack = packs_.open(block.pack);
  thread_local Buffer record;
  record.resize(record_header_bytes + block.payload_length);
  read_exactly(*pack, block.offset - record_header_bytes, record);
  return stored_in(block, record);
}

BlockStore::Stored BlockStore::stored_in(const BlockRef& block, Bytes record) {
  const Bytes payload = record.subspan(record_header_bytes);
  const RecordHeader header = record_header_of(record.first(record_header_bytes), payload);
  if (header.type != RecordType::block || header.plain_length != block.plain_length ||
      header.encoding != block.encoding) {
    fail(Errc::corrupt, "another record is in its place");
  }
  if (!block.base) return {header.encoding, payload};
  return {header.encoding, without_base(*block.base, header, payload)};
}

BlockStore::HeldBase BlockStore::base_of(const BlockRef& block, Sharing sharing) {
  HeldBase held;
  if (block.encoding != Encoding::delta) return held;
  const BlockBase& base = *block.base;
  const BlockRef& first = base.blocks.front();
  const auto load_base = [&](const BlockRef& ref) {
    return sharing == Sharing::shared ? load(ref, block.depth, {}) : load_apart(ref);
  };
  // Most bases are as long as the block and are used where they are.
  if (base.from == base.to && first.plain_length >= base.skip &&
      first.plain_length - base.skip >= block.plain_length) {
    held.block = load_base(first);
    held.view = Bytes(*held.block).subspan(base.skip, block.plain_length);
    return held;
  }
  held.bytes = base_bytes(base, block.plain_length, load_base);
  held.view = held.bytes;
  return held;
}

BlockStore::HeldBase BlockStore::base_front_of(const BlockRef& block, std::uint32_t wanted) {
  HeldBase held;
  if (block.encoding != Encoding::delta) return held;
  const BlockBase& base = *block.base;
  const std::uint64_t needed = base.skip + source_length(base, wanted);
  held.bytes = base_bytes(base, wanted, [&](const BlockRef& ref) {
    if (Block cached = cache_.find(ref.id); cached && cached->size() == ref.plain_length) {
      return cached;
    }
    std::uint64_t before = 0;
    for (const BlockRef* at = base.blocks.data(); at != &ref; ++at) before += at->plain_length;
    const auto part = std::min<std::uint64_t>(needed - before, ref.plain_length);
    return std::make_shared<const Buffer>(naming(
        ref, [&] { return decoded_front(ref, static_cast<std::uint32_t>(part)); }));
  });
  held.bytes.resize(block.plain_length);
  held.view = held.bytes;
  return held;
}

Buffer BlockStore::decoded(const BlockRef& block, Bytes record, Sharing sharing) {
  require_readable(block);
  // Before its own record: reading one ends the last one's life.
  const HeldBase base = base_of(block, sharing);
  const Stored stored = record.empty() ? read_stored(block) : stored_in(block, record);
  Buffer plain(block.plain_length);
  decode(stored.encoding, stored.payload, base.view, plain);
  decoded_bytes_ += plain.size();
  if (xxh3_128(plain) != block.id.hash) fail(Errc::corrupt, "it decodes to other bytes");
  return plain;
}

Buffer BlockStore::decoded_front(const BlockRef& block, std::uint32_t wanted) {
  // The base has to be right for whole groups of numbers, on every block of the chain.
  constexpr auto step = static_cast<std::uint32_t>(front_step);
  wanted = std::min((wanted + step - 1) / step * step, block.plain_length);
  if (wanted == block.plain_length) return decoded(block, {}, Sharing::shared);
  require_readable(block);
  const HeldBase base = base_front_of(block, wanted);
  const Stored stored = read_stored(block);
  Buffer plain(block.plain_length);
  decode_front(stored.encoding, stored.payload, base.view, plain, wanted);
  decoded_bytes_ += wanted;
  return plain;
}

Buffer BlockStore::load_uncached(const BlockRef& block) {
  return naming(block, [&] { return decoded(block, {}, Sharing::shared); });
}

Block BlockStore::load_apart(const BlockRef& block) {
  Block cached = cache_.find(block.id);
  if (cached && cached->size() == block.plain_length) return cached;
  return std::make_shared<const Buffer>(
      naming(block, [&] { return decoded(block, {}, Sharing::apart); }));
}

Block BlockStore::load(const BlockRef& block) { return load(block, UINT_MAX, {}); }

Block BlockStore::load(const BlockRef& block, unsigned waits_below, Bytes record) {
  const auto decode_now = [&] {
    return std::make_shared<const Buffer>(
        naming(block, [&] { return decoded(block, record, Sharing::shared); }));
  };
  Block loaded = cache_.load(block.id, decode_now, {block.depth, waits_below});
  // A slice of the block is cut by the length that the index gives.
  if (loaded->size() != block.plain_length) {
    fail(Errc::corrupt, cat("block ", hex(block.id), ": the index gives it another length; run "
                            "`mountctl rebuild`"));
  }
  return loaded;
}

void BlockStore::read(const BlockRef& block, std::uint32_t skip, MutableBytes to) {
  const auto end = static_cast<std::uint32_t>(skip + to.size());
  expects(end >= skip && end <= block.plain_length, "a read stays inside of its block");
  if (to.size() > small_read_max || end == block.plain_length || !has_front(block) ||
      cache_.holds(block.id) || touched_.note(block.id)) {
    std::memcpy(to.data(), load(block)->data() + skip, to.size());
    return;
  }
  const Buffer front = naming(block, [&] { return decoded_front(block, end); });
  std::memcpy(to.data(), front.data() + skip, to.size());
}

Pool& BlockStore::pool() {
  std::call_once(pool_made_, [this] {
    const unsigned others = std::max(2u, std::thread::hardware_concurrency()) - 1;
    constexpr unsigned threads_max = 8;
    pool_ = std::make_unique<Pool>(std::min(others, threads_max));
  });
  return *pool_;
}

void BlockStore::load_missing(std::vector<const BlockRef*> blocks, PageCache page_cache) {
  std::erase_if(blocks, [this](const BlockRef* block) { return cached(block->id); });
  std::vector<const BlockRef*> bases;
  for (const BlockRef* block : blocks) {
    if (!block->base) continue;
    for (const BlockRef& base : block->base->blocks) {
      // A damaged index may lead in a circle; who decodes the block tells of it.
      if (base.depth >= block->depth || (!bases.empty() && bases.back()->id == base.id)) continue;
      bases.push_back(&base);
    }
  }
  if (!bases.empty()) load_missing(std::move(bases), PageCache::keep);
  for (const Piece& piece : pieces_of(blocks)) {
    Bytes bytes;
    try {
      bytes = read_piece(packs_, piece, page_cache);
    } catch (const Error&) {
      // Then each block is read by itself, and what is wrong is told of the right one.
    }
    for (const BlockRef* block : piece.blocks) {
      try {
        load(*block, UINT_MAX, bytes.empty() ? bytes : piece.record_in(bytes, *block));
      } catch (const std::exception&) {
        // Who reads the block meets the same failure.
      }
    }
  }
}

void BlockStore::load_run(const SegmentMap& map, std::size_t first, std::size_t last) {
  std::vector<const BlockRef*> blocks;
  for (std::size_t i = first; i < last; ++i) blocks.push_back(&map.blocks()[i]);
  load_missing(std::move(blocks), PageCache::pass);
}

void BlockStore::load_together(const std::shared_ptr<const SegmentMap>& map, std::size_t first,
                               std::size_t last) {
  struct Work {
    std::shared_ptr<const SegmentMap> map;
    std::vector<std::pair<std::size_t, std::size_t>> parts;
    std::atomic<std::size_t> next = 0;
  };
  const auto work = std::make_shared<Work>();
  work->map = map;
  std::uint64_t bytes = part_bytes_max;  // of the last part
  for (std::size_t i = first; i < last; ++i) {
    const BlockRef& block = map->blocks()[i];
    if (cached(block.id)) continue;
    if (bytes + block.plain_length > part_bytes_max) {
      work->parts.emplace_back(i, i);
      bytes = 0;
    }
    work->parts.back().second = i + 1;
    bytes += block.plain_length;
  }
  if (work->parts.empty()) return;
  const auto run = [this, work] {
    for (std::size_t i = work->next++; i < work->parts.size(); i = work->next++) {
      load_run(*work->map, work->parts[i].first, work->parts[i].second);
    }
  };
  // No thread waits for a task of the pool: only for blocks, each of which some thread is decoding.
  for (std::size_t helper = 1; helper < work->parts.size(); ++helper) {
    if (!pool().try_submit(run)) break;
  }
  run();
}

std::vector<std::string> BlockStore::damage() {
  auto damage = damage_.lock();
  return {damage->begin(), damage->end()};
}

}  // namespace wfs
