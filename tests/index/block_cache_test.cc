#include "index/block_cache.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <thread>

#include "base/error.h"

namespace wfs {
namespace {

BlockId id_of(unsigned number) {
  BlockId id;
  id.hash.bytes[0] = static_cast<std::byte>(number);
  id.hash.bytes[1] = static_cast<std::byte>(number >> 8);
  return id;  // all in one shard: that is chosen by the last byte
}

std::function<Block()> block_of(std::size_t size) {
  return [size] { return std::make_shared<const Buffer>(size); };
}

std::function<Block()> never() {
  return []() -> Block {
    ADD_FAILURE() << "decoded again";
    return std::make_shared<const Buffer>(1);
  };
}

TEST(BlockCache, ABlockIsDecodedOnceWhileItIsKept) {
  BlockCache cache(16 * 1000);
  const Block first = cache.load(id_of(1), block_of(100));
  EXPECT_EQ(cache.load(id_of(1), never()), first);
  EXPECT_TRUE(cache.holds(id_of(1)));
  EXPECT_FALSE(cache.holds(id_of(2)));
  EXPECT_EQ(cache.bytes(), 100u);
}

TEST(BlockCache, TheBlockThatWasWantedLongestAgoGoesFirst) {
  BlockCache cache(16 * 1000);
  cache.load(id_of(1), block_of(400));
  cache.load(id_of(2), block_of(400));
  cache.load(id_of(1), never());
  cache.load(id_of(3), block_of(400));
  EXPECT_TRUE(cache.holds(id_of(1)));
  EXPECT_FALSE(cache.holds(id_of(2)));
  EXPECT_TRUE(cache.holds(id_of(3)));
  EXPECT_EQ(cache.bytes(), 800u);
}

TEST(BlockCache, ItsBytesStayBounded) {
  BlockCache cache(16 * 1000);
  for (unsigned i = 0; i < 500; ++i) {
    cache.load(id_of(i), block_of(1 + i % 300));
    ASSERT_LE(cache.bytes(), 1000u);
  }
}

TEST(BlockCache, ConcurrentReadersShareOneDecode) {
  BlockCache cache(1 << 20);
  std::atomic<int> decodes = 0;
  constexpr int readers = 8;
  std::latch all_here(readers);
  std::vector<std::jthread> threads;
  for (int i = 0; i < readers; ++i) {
    threads.emplace_back([&] {
      all_here.arrive_and_wait();
      const Block block = cache.load(id_of(1), [&] {
        ++decodes;
        return std::make_shared<const Buffer>(10, std::byte{7});
      });
      EXPECT_EQ(block->front(), std::byte{7});
    });
  }
  threads.clear();
  EXPECT_EQ(decodes, 1);
}

TEST(BlockCache, AReaderThatWaitsForADecodeGetsItsResult) {
  BlockCache cache(1 << 20);
  std::latch decoding(1), other_asked(1);
  std::jthread other;
  const Block block = cache.load(id_of(1), [&] {
    other = std::jthread([&] {
      decoding.wait();
      EXPECT_TRUE(cache.holds(id_of(1))) << "a block being decoded counts as there";
      other_asked.count_down();
      cache.load(id_of(1), never());
    });
    decoding.count_down();
    other_asked.wait();
    return std::make_shared<const Buffer>(10);
  });
  EXPECT_EQ(block->size(), 10u);
}

TEST(BlockCache, AFailedDecodeReachesItsReaderAndIsNotKept) {
  BlockCache cache(1 << 20);
  const auto fails = []() -> Block { fail(Errc::corrupt, "damaged"); };
  EXPECT_THROW(cache.load(id_of(1), fails), Error);
  EXPECT_FALSE(cache.holds(id_of(1)));
  EXPECT_EQ(cache.load(id_of(1), block_of(5))->size(), 5u);
}

TEST(BlockCache, WhoDecodesADeltaDoesNotWaitForABlockOfItsDepth) {
  BlockCache cache(1 << 20);
  const BlockId id = id_of(1);
  const auto decode = [] { return std::make_shared<const Buffer>(10); };
  unsigned past_the_cache = 0;
  cache.load(id, [&] {
    for (const unsigned depth : {1u, 3u}) {
      // It would wait for what this very thread is to give.
      cache.load(id, [&] { ++past_the_cache; return decode(); }, {depth - 1, depth});
    }
    return decode();
  }, {3, UINT_MAX});
  EXPECT_EQ(past_the_cache, 2u);
  EXPECT_EQ(cache.bytes(), 10u);
}

TEST(BlockCache, OnlyWhatIsDecodedIsFound) {
  BlockCache cache(1 << 20);
  const BlockId id = id_of(1);
  EXPECT_EQ(cache.find(id), nullptr);
  const Block block = cache.load(id, [&] {
    EXPECT_EQ(cache.find(id), nullptr);
    EXPECT_TRUE(cache.holds(id));
    return std::make_shared<const Buffer>(10);
  });
  EXPECT_EQ(cache.find(id), block);
}

}  // namespace
}  // namespace wfs
