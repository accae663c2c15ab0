#include "index/pack_pieces.h"

#include <fcntl.h>

#include "base/error.h"

#include "codec/split.h"
#include "index/content_rows.h"
#include "index/pack.h"
#include "tests/index/example.h"

namespace wfs {
namespace {

BlockRef block_at(std::int64_t pack, std::uint64_t offset, std::uint32_t length) {
  BlockRef block;
  block.pack = pack;
  block.offset = offset;
  block.payload_length = block.plain_length = length;
  return block;
}

TEST(PackPieces, NeighboursAreOnePieceUpToItsBoundAndNothingElseIs) {
  constexpr std::uint64_t first = pack_header_bytes + record_header_bytes;
  constexpr std::uint32_t length = 100'000;
  constexpr std::uint64_t step = record_header_bytes + length;
  struct Case {
    std::string name;
    std::vector<BlockRef> blocks;
    std::vector<std::size_t> expected;  // how many blocks each piece has
  };
  std::vector<BlockRef> many;
  for (std::uint64_t i = 0; i < 20; ++i) many.push_back(block_at(1, first + i * step, length));
  const std::vector<Case> cases = {
      {"none", {}, {}},
      {"one", {block_at(1, first, length)}, {1}},
      {"next to each other", {many[0], many[1], many[2]}, {3}},
      {"a small gap", {many[0], block_at(1, first + step + 1000, length)}, {2}},
      {"a large gap", {many[0], many[2]}, {1, 1}},
      {"another pack", {many[0], block_at(2, first + step, length)}, {1, 1}},
      {"backwards", {many[1], many[0]}, {1, 1}},
      {"the same twice", {many[0], many[0]}, {1, 1}},
      {"more than a piece holds", many, {10, 10}},
      {"rows that are no blocks",
       {block_at(1, 3, length), block_at(1, first, block_size_max + 1), many[1]},
       {1}},
  };
  for (const Case& one : cases) {
    std::vector<const BlockRef*> blocks;
    for (const BlockRef& block : one.blocks) blocks.push_back(&block);
    std::vector<std::size_t> found;
    for (const Piece& piece : pieces_of(blocks)) {
      found.push_back(piece.blocks.size());
      EXPECT_LE(piece.range.length, piece_bytes_max) << one.name;
    }
    EXPECT_EQ(found, one.expected) << one.name;
  }
}

class PackPiecesTest : public ExampleRepository {
 protected:
  SegmentMap map() {
    return repository().catalog().read(
        [&](Database& database) { return load_segment_map(database, content_of(model_)); });
  }
  Buffer all_of(const SegmentMap& map) {
    Buffer bytes;
    for (const BlockRef& block : map.blocks()) {
      const Block plain = repository().blocks().load(block);
      bytes.insert(bytes.end(), plain->begin(), plain->end());
    }
    return bytes;
  }

  const Buffer model_ = weights(3'000'000, 4);
};

TEST_F(PackPiecesTest, ARunIsDecodedFromTheDiskAndFromThePageCacheAlike) {
  commit_files({{"model", model_}});
  pack();
  for (const bool cold : {false, true, true}) {
    open();
    const SegmentMap blocks = map();
    if (cold) {
      const auto pack = repository().packs().open(blocks.blocks().front().pack);
      ASSERT_EQ(::posix_fadvise(pack->get(), 0, 0, POSIX_FADV_DONTNEED), 0);
    }
    repository().blocks().load_run(blocks, 0, blocks.blocks().size());
    for (const BlockRef& block : blocks.blocks()) {
      EXPECT_TRUE(repository().blocks().cached(block.id));
    }
    EXPECT_EQ(repository().blocks().decoded_bytes(), model_.size()) << "each block once";
    EXPECT_EQ(all_of(blocks), model_);
    EXPECT_EQ(repository().blocks().decoded_bytes(), model_.size());
  }
}

TEST_F(PackPiecesTest, DamageInAPieceSparesTheOtherBlocksOfIt) {
  commit_files({{"model", model_}});
  pack();
  open();
  const SegmentMap blocks = map();
  const BlockRef& bad = blocks.blocks()[1];
  write_fully(open_file(repository().packs().path_of(bad.pack), O_RDWR), bad.offset + 10,
              as_bytes("damage"));
  repository().blocks().load_run(blocks, 0, blocks.blocks().size());
  for (const BlockRef& block : blocks.blocks()) {
    EXPECT_EQ(repository().blocks().cached(block.id), block.id != bad.id);
  }
  EXPECT_EQ(repository().blocks().damage().size(), 1u);
  EXPECT_THROW(repository().blocks().load(bad), Error);
}

TEST_F(PackPiecesTest, WhatIsDecodedApartIsNotKept) {
  commit_files({{"model", model_}});
  pack();
  open();
  const SegmentMap blocks = map();
  const BlockRef& first = blocks.blocks().front();
  const Block apart = repository().blocks().load_apart(first);
  EXPECT_TRUE(std::equal(apart->begin(), apart->end(), model_.begin()));
  EXPECT_FALSE(repository().blocks().cached(first.id));
  const Block kept = repository().blocks().load(first);
  EXPECT_EQ(repository().blocks().load_apart(first), kept);
}

}  // namespace
}  // namespace wfs
