#include "index/segment_map.h"

#include <gtest/gtest.h>

#include <random>

#include "base/error.h"

namespace wfs {
namespace {

// A content of one opaque segment in blocks of these lengths; a block's number is its index.
SegmentMap map_of_lengths(const std::vector<std::uint32_t>& lengths) {
  std::vector<BlockRef> blocks;
  std::uint64_t size = 0;
  for (const std::uint32_t length : lengths) {
    BlockRef block;
    block.number = static_cast<std::int64_t>(blocks.size());
    block.plain_length = length;
    blocks.push_back(block);
    size += length;
  }
  Layout layout;
  if (size > 0) layout.segments.push_back({{0, size}, {}});
  return SegmentMap(std::move(layout), std::move(blocks));
}

struct Slice {
  std::int64_t block;
  std::uint32_t skip, length;
  bool operator==(const Slice&) const = default;
};

std::vector<Slice> slices_of(const SegmentMap& map, Range wanted) {
  std::vector<Slice> slices;
  for (const BlockSlice& slice : map.slices(wanted)) {
    slices.push_back({slice.block->number, slice.skip, slice.length});
  }
  return slices;
}

TEST(SegmentMap, ARangeBecomesTheSlicesThatMakeItUp) {
  const SegmentMap map = map_of_lengths({10, 5, 20});
  EXPECT_EQ(map.size(), 35u);
  struct Case {
    Range wanted;
    std::vector<Slice> slices;
  };
  for (const Case& one : {Case{{0, 35}, {{0, 0, 10}, {1, 0, 5}, {2, 0, 20}}},
                          Case{{0, 10}, {{0, 0, 10}}}, Case{{9, 2}, {{0, 9, 1}, {1, 0, 1}}},
                          Case{{10, 5}, {{1, 0, 5}}}, Case{{34, 1}, {{2, 19, 1}}},
                          Case{{8, 10}, {{0, 8, 2}, {1, 0, 5}, {2, 0, 3}}}, Case{{35, 0}, {}},
                          Case{{12, 0}, {}}}) {
    EXPECT_EQ(slices_of(map, one.wanted), one.slices)
        << one.wanted.offset << " + " << one.wanted.length;
  }
}

TEST(SegmentMap, BlocksOfARangeAreCutAtTheEndOfTheContent) {
  const SegmentMap map = map_of_lengths({10, 5, 20});
  using Blocks = std::pair<std::size_t, std::size_t>;
  EXPECT_EQ(map.blocks_of({0, 1}), Blocks(0, 1));
  EXPECT_EQ(map.blocks_of({9, 2}), Blocks(0, 2));
  EXPECT_EQ(map.blocks_of({14, 1000}), Blocks(1, 3));
  EXPECT_EQ(map.blocks_of({35, 1}), Blocks(0, 0));
  EXPECT_EQ(map.blocks_of({5, UINT64_MAX}), Blocks(0, 3)) << "an end beyond all numbers";
  EXPECT_EQ(map.offset_of(2), 15u);
}

TEST(SegmentMap, AnEmptyContentHasNoSlices) {
  const SegmentMap map = map_of_lengths({});
  EXPECT_EQ(map.size(), 0u);
  EXPECT_TRUE(map.slices({0, 0}).empty());
}

TEST(SegmentMap, SegmentsThatDoNotCoverTheBlocksAreCorrupt) {
  Layout layout;
  layout.segments.push_back({{0, 9}, {}});
  BlockRef block;
  block.plain_length = 10;
  EXPECT_THROW(SegmentMap(layout, {block}), Error);
}

TEST(SegmentMap, SlicesOfRandomRangesAddUpToTheRange) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  std::vector<std::uint32_t> lengths;
  for (int i = 0; i < 50; ++i) lengths.push_back(1 + static_cast<std::uint32_t>(random() % 100));
  const SegmentMap map = map_of_lengths(lengths);
  for (int round = 0; round < 1000; ++round) {
    const std::uint64_t from = random() % (map.size() + 1);
    const std::uint64_t length = random() % (map.size() - from + 1);
    std::uint64_t at = from;
    for (const BlockSlice& slice : map.slices({from, length})) {
      ASSERT_EQ(map.offset_of(static_cast<std::size_t>(slice.block->number)) + slice.skip, at);
      ASSERT_LE(slice.skip + slice.length, slice.block->plain_length);
      ASSERT_GT(slice.length, 0u);
      at += slice.length;
    }
    ASSERT_EQ(at, from + length);
  }
}

}  // namespace
}  // namespace wfs
