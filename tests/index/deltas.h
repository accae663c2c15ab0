// A repository whose packs a test fills block by block, with the bases it chooses.
#pragma once

#include <optional>
#include <random>
#include <vector>

#include "codec/encode.h"
#include "index/block_base.h"
#include "index/content_record.h"
#include "index/content_rows.h"
#include "index/pack_writer.h"
#include "tests/index/example.h"

namespace wfs {

class DeltaRepository : public ExampleRepository {
 protected:
  struct NewBlock {
    Buffer plain;
    std::optional<BlockBase> base;  // none: encoded as it is
  };

  static BlockBase base_on(std::vector<BlockRef> blocks, BaseReason reason = BaseReason::parent) {
    BlockBase base;
    base.reason = reason;
    base.blocks = std::move(blocks);
    return base;
  }

  // Bytes that differ a little from `from`, as after some steps of training.
  static Buffer trained(const Buffer& from, unsigned seed) {
    Buffer bytes = from;
    std::mt19937 random(seed);
    for (std::size_t i = 0; i + 4 <= bytes.size(); i += 4) {
      bytes[i] = static_cast<std::byte>(random());
    }
    return bytes;
  }

  Buffer plain_of(const BlockRef& block) { return *repository().blocks().load(block); }

  static Buffer joined(const std::vector<NewBlock>& blocks) {
    Buffer all;
    for (const NewBlock& block : blocks) all.insert(all.end(), block.plain.begin(), block.plain.end());
    return all;
  }

  // Seals a pack with these blocks and a content of them, and names it in the index.
  SegmentMap put(const std::vector<NewBlock>& blocks) {
    PackWriter writer(repository().packs().folder());
    const Buffer all = joined(blocks);
    const ContentId id = content_of(all);
    ContentRecord record;
    record.size = all.size();
    record.layout.segments = {{{0, all.size()}, Tensor{"w", Dtype::f32, {all.size() / 4}}}};
    std::vector<BlockRef> refs;
    for (const NewBlock& block : blocks) {
      refs.push_back(append(writer, block));
      record.blocks.push_back({refs.back().id, refs.back().plain_length});
    }
    RecordHeader header;
    header.type = RecordType::content;
    std::copy(id.digest.bytes.begin(), id.digest.bytes.end(), header.id.begin());
    const Buffer bytes = record_of(record);
    header.plain_length = static_cast<std::uint32_t>(bytes.size());
    writer.append(header, bytes);
    const PackId pack_id = writer.seal();
    return repository().catalog().write(Durability::now, [&](Database& database) {
      const auto pack = insert_pack(database, pack_id, writer.bytes());
      for (BlockRef& ref : refs) {
        ref.pack = pack;
        ref.number = insert_block(database, ref);
      }
      put_packed_content(database, id, SegmentMap(record.layout, refs), 1, "");
      return load_segment_map(database, id);
    });
  }

  // A chain of contents of one block each: the first is whole, each other one a delta of the one before.
  std::vector<SegmentMap> put_chain(unsigned deltas, std::size_t bytes = 100'000) {
    std::vector<SegmentMap> chain;
    Buffer plain = weights(bytes, 1);
    chain.push_back(put({{plain, std::nullopt}}));
    for (unsigned i = 1; i <= deltas; ++i) {
      plain = trained(plain, i);
      BlockBase base = base_on({chain.back().blocks().front()});
      base.position = static_cast<std::uint16_t>(i);
      chain.push_back(put({{plain, base}}));
    }
    return chain;
  }

 private:
  BlockRef append(PackWriter& writer, const NewBlock& block) {
    BlockRef ref;
    RecordHeader header;
    ref.id.hash = xxh3_128(block.plain);
    ref.plain_length = header.plain_length = static_cast<std::uint32_t>(block.plain.size());
    std::copy(ref.id.hash.bytes.begin(), ref.id.hash.bytes.end(), header.id.begin());
    Buffer payload;
    EncodedBlock encoded;
    if (block.base) {
      const Buffer base = base_bytes(*block.base, ref.plain_length, [&](const BlockRef& one) {
        return repository().blocks().load(one);
      });
      encoded = encode(block.plain, Dtype::f32, base);
      expects(encoded.encoding == Encoding::delta, "the bytes are alike");
      payload = bytes_of_base(*block.base);
      header.base = block.base->blocks.front().id.hash.bytes;
      ref.base = std::make_shared<const BlockBase>(*block.base);
      for (const BlockRef& one : block.base->blocks) {
        ref.depth = std::max<std::uint8_t>(ref.depth, static_cast<std::uint8_t>(one.depth + 1));
      }
    } else {
      encoded = encode(block.plain, Dtype::f32);
    }
    payload.insert(payload.end(), encoded.payload.begin(), encoded.payload.end());
    ref.encoding = header.encoding = encoded.encoding;
    ref.payload_length = static_cast<std::uint32_t>(payload.size());
    ref.offset = writer.append(header, payload);
    return ref;
  }
};

}  // namespace wfs
