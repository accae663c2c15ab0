#include "index/base_policy.h"

#include <gtest/gtest.h>

#include "base/hash.h"

namespace wfs {
namespace {

BlockRef block_named(unsigned number, std::uint32_t length = 1000) {
  BlockRef block;
  block.id.hash.bytes[0] = static_cast<std::byte>(number);
  block.id.hash.bytes[1] = static_cast<std::byte>(number >> 8);
  block.number = number;
  block.plain_length = length;
  return block;
}

// The chain that the policy makes when every delta is taken: positions of the bases, by position.
std::vector<unsigned> bases_of_run(std::size_t length, Dtype dtype, BasePolicy policy,
                                   std::vector<unsigned>* depths = nullptr) {
  std::vector<BlockRef> blocks{block_named(0)};
  std::vector<unsigned> bases{0};
  for (unsigned i = 1; i < length; ++i) {
    BlockBase nearest;
    nearest.blocks = {blocks.back()};
    const auto found = bases_over(nearest, 1000, dtype, policy);
    BlockRef block = block_named(i);
    if (!found.empty()) {
      block.base = found.front();
      block.depth = static_cast<std::uint8_t>(depth_over(*block.base));
      EXPECT_EQ(block.base->position, i);
      bases.push_back(static_cast<unsigned>(block.base->blocks.front().number));
    }
    blocks.push_back(block);
    if (depths != nullptr) depths->push_back(block.depth);
  }
  return bases;
}

TEST(BasePolicy, AHalvesTheWayToTheBeginningOfItsRun) {
  std::vector<unsigned> depths;
  EXPECT_EQ(bases_of_run(18, Dtype::bf16, {3, 8}, &depths),
            (std::vector<unsigned>{0, 0, 0, 2, 0, 4, 4, 6, 0, 8, 8, 10, 8, 12, 12, 12, 0, 16}));
  for (const unsigned depth : depths) EXPECT_LE(depth, 3u);
}

TEST(BasePolicy, DepthIsNeverGreaterThanAllowed) {
  for (const unsigned depth_max : {1U, 2U, 3U, 5U}) {
    for (const unsigned run : {1U, 4U, 7U, 64U}) {
      std::vector<unsigned> depths;
      bases_of_run(200, Dtype::bf16, {depth_max, run}, &depths);
      for (const unsigned depth : depths) {
        ASSERT_LE(depth, depth_max) << "run " << run;
        ASSERT_GE(depth, 1u) << "run " << run;
      }
    }
  }
  EXPECT_TRUE(bases_over({.blocks = {block_named(1)}}, 1000, Dtype::bf16, {0, 8}).empty());
}

TEST(BasePolicy, WideNumbersTakeTheBeginningAndThePredecessorIfThatFails) {
  for (const unsigned base : bases_of_run(20, Dtype::f32, {3, 8})) EXPECT_EQ(base, 0u);
  BlockRef second = block_named(2);
  auto base = std::make_shared<BlockBase>();
  base->blocks = {block_named(1)};
  base->position = 1;
  second.base = base;
  second.depth = 1;
  const auto found = bases_over({.blocks = {second}}, 1000, Dtype::f32, {3, 8});
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0]->blocks.front().number, 1);
  EXPECT_EQ(found[1]->blocks.front().number, 2);
  EXPECT_EQ(found[1]->position, 2);
}

// New bytes 200..1200 of a file whose blocks 3 and 4 (of 700 bytes) are deltas against 1 and 2.
TEST(BasePolicy, AStretchOverSeveralBlocksIsLiftedToTheirBases) {
  const BlockRef one = block_named(1, 500), two = block_named(2, 900);
  BlockRef three = block_named(3, 700), four = block_named(4, 700);
  auto of_three = std::make_shared<BlockBase>(), of_four = std::make_shared<BlockBase>();
  of_three->blocks = {one, two};
  of_four->blocks = {two};
  of_four->skip = 200;
  three.base = of_three;
  four.base = of_four;
  three.depth = four.depth = 1;
  BlockBase nearest;
  nearest.blocks = {three, four};
  nearest.skip = 200;
  const auto higher = lifted(nearest, 1000);
  ASSERT_TRUE(higher);
  EXPECT_EQ(higher->skip, 200u);
  ASSERT_EQ(higher->blocks.size(), 2u);
  EXPECT_EQ(higher->blocks[0].number, 1);
  EXPECT_EQ(higher->blocks[1].number, 2);
  of_four->skip = 300;  // a gap between the two
  EXPECT_FALSE(lifted(nearest, 1000));
}

}  // namespace
}  // namespace wfs
