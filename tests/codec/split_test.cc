#include "codec/split.h"

#include <gtest/gtest.h>

#include <set>

#include "base/hash.h"
#include "tests/codec/samples.h"

namespace wfs {
namespace {

std::vector<PlainBlock> checked_split(Bytes file, const Layout& layout) {
  const auto blocks = split(MemorySource(file), layout);
  std::uint64_t covered = 0;
  for (const PlainBlock& block : blocks) {
    EXPECT_EQ(block.range.offset, covered);
    EXPECT_GT(block.range.length, 0U);
    EXPECT_LE(block.range.length, block_size_max);
    covered = block.range.end();
  }
  EXPECT_EQ(covered, file.size());
  return blocks;
}

Layout opaque_layout(std::uint64_t size) {
  Layout layout;
  layout.segments = cover(size, {});
  return layout;
}

std::multiset<Hash128> names_of(Bytes file, const std::vector<PlainBlock>& blocks) {
  std::multiset<Hash128> names;
  for (const PlainBlock& block : blocks) {
    names.insert(xxh3_128(file.subspan(block.range.offset, block.range.length)));
  }
  return names;
}

TEST(Split, TensorsAreCutAtMultiplesOfTheBlockSizeFromTheirStart) {
  const Buffer file(1000 + 2 * block_size_max + 100);
  Layout layout;
  layout.segments = {{{0, 1000}, {}},
                     {{1000, 2 * block_size_max}, Tensor{"a", Dtype::f32, {}}},
                     {{1000 + 2 * block_size_max, 100}, Tensor{"b", Dtype::bf16, {}}}};
  EXPECT_EQ(checked_split(file, layout),
            (std::vector<PlainBlock>{{{0, 1000}, Dtype::opaque},
                                     {{1000, block_size_max}, Dtype::f32},
                                     {{1000 + block_size_max, block_size_max}, Dtype::f32},
                                     {{1000 + 2 * block_size_max, 100}, Dtype::bf16}}));
}

TEST(Split, ATensorGivesEqualBlocksInEveryFormat) {
  Random random(5);
  const Buffer data = random.bytes(3 * block_size_max / 2);
  const std::string length = std::to_string(data.size());
  Buffer safetensors = safetensors_file(
      R"({"w":{"dtype":"U8","shape":[)" + length + R"(],"data_offsets":[0,)" + length + "]}}", 0);
  append_bytes(safetensors, data);
  ZipWriter writer;
  writer.add("model/data.pkl", as_bytes("pickle"));
  writer.add("model/data/0", data);
  const Buffer archive = writer.finish();
  const auto in_one =
      names_of(safetensors, checked_split(safetensors, layout_of(MemorySource(safetensors))));
  const auto in_other = names_of(archive, checked_split(archive, layout_of(MemorySource(archive))));
  const Bytes all = data;
  for (const Bytes block : {all.first(block_size_max), all.subspan(block_size_max)}) {
    EXPECT_EQ(in_one.count(xxh3_128(block)), 1U);
    EXPECT_EQ(in_other.count(xxh3_128(block)), 1U);
  }
}

TEST(Split, ShortOpaqueSegmentsStayWhole) {
  for (const std::size_t size : {1U, 32U * 1024, 64U * 1024}) {
    EXPECT_EQ(checked_split(Buffer(size), opaque_layout(size)).size(), 1U);
  }
  EXPECT_TRUE(checked_split({}, opaque_layout(0)).empty());
}

TEST(Split, ChunksOfRandomBytesHaveAboutTheTargetLength) {
  Random random(1);
  const Buffer file = random.bytes(20'000'000);
  const auto blocks = checked_split(file, opaque_layout(file.size()));
  const std::size_t mean = file.size() / blocks.size();
  EXPECT_GT(mean, 64U * 1024);
  EXPECT_LT(mean, 128U * 1024);
  for (std::size_t i = 0; i + 1 < blocks.size(); ++i) EXPECT_GE(blocks[i].range.length, 32U * 1024);
}

TEST(Split, AnInsertionKeepsMostBlocks) {
  Random random(2);
  const Buffer before = random.bytes(8'000'000);
  const auto names_before = names_of(before, checked_split(before, opaque_layout(before.size())));
  for (const std::size_t at : {std::size_t{0}, std::size_t{3}, before.size() / 2, before.size()}) {
    Buffer after = before;
    const Buffer inserted = random.bytes(1 + random.below(1000));
    after.insert(after.begin() + static_cast<std::ptrdiff_t>(at), inserted.begin(), inserted.end());
    const auto names_after = names_of(after, checked_split(after, opaque_layout(after.size())));
    std::size_t kept = 0;
    for (const Hash128& name : names_before) kept += names_after.count(name);
    EXPECT_GE(kept * 10, names_before.size() * 8) << "at " << at;
  }
}

TEST(Split, BytesWithoutVarietyAreCutAtTheLongestLength) {
  const Buffer file(3 * block_size_max + 5);
  const auto blocks = checked_split(file, opaque_layout(file.size()));
  EXPECT_LE(blocks.size(), 25U);
}

// Names of stored blocks depend on it: this fails when the cuts of the format change.
TEST(Split, TheCutsAreThoseOfTheFormat) {
  Buffer file(2'000'000);
  std::uint64_t state = 1;
  for (std::byte& byte : file) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    byte = static_cast<std::byte>(state >> 56);
  }
  const auto blocks = checked_split(file, opaque_layout(file.size()));
  ASSERT_GT(blocks.size(), 3U);
  EXPECT_EQ(blocks[0].range.length, 117429U);
  EXPECT_EQ(blocks[1].range.length, 96262U);
  EXPECT_EQ(blocks[2].range.length, 99676U);
}

}  // namespace
}  // namespace wfs
