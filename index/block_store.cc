#include "index/block_store.h"

#include "base/error.h"
#include "base/hash.h"
#include "codec/decode.h"
#include "codec/split.h"
#include "index/pack.h"

namespace wfs {

BlockStore::BlockStore(PackFiles& packs, std::uint64_t cache_bytes_max)
    : packs_(packs), cache_(cache_bytes_max) {}

Buffer BlockStore::load_uncached(const BlockRef& block) {
  try {
    if (block.plain_length > block_size_max || block.payload_length > block.plain_length ||
        block.offset < pack_header_bytes + record_header_bytes) {
      fail(Errc::corrupt, "its row in the index is damaged; run `mountctl rebuild`");
    }
    const auto pack = packs_.open(block.pack);
    Buffer record(record_header_bytes + block.payload_length);
    read_exactly(*pack, block.offset - record_header_bytes, record);
    const Bytes payload = Bytes(record).subspan(record_header_bytes);
    const RecordHeader header =
        record_header_of(Bytes(record).first(record_header_bytes), payload);
    if (header.type != RecordType::block || header.plain_length != block.plain_length) {
      fail(Errc::corrupt, "another record is in its place");
    }
    Buffer plain(block.plain_length);
    decode(header.encoding, payload, {}, plain);
    if (xxh3_128(plain) != block.id.hash) fail(Errc::corrupt, "it decodes to other bytes");
    return plain;
  } catch (const Error& error) {
    if (error.code() != Errc::corrupt && error.code() != Errc::io) throw;
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
    fail(Errc::corrupt, message);
  }
}

Block BlockStore::load(const BlockRef& block) {
  Block loaded = cache_.load(
      block.id, [&] { return std::make_shared<const Buffer>(load_uncached(block)); });
  // A slice of the block is cut by the length that the index gives.
  if (loaded->size() != block.plain_length) {
    fail(Errc::corrupt, cat("block ", hex(block.id), ": the index gives it another length; run "
                            "`mountctl rebuild`"));
  }
  return loaded;
}

std::vector<std::string> BlockStore::damage() {
  auto damage = damage_.lock();
  return {damage->begin(), damage->end()};
}

}  // namespace wfs
