// Blocks with bases: how they come from the index, and how they are read.
#include <fcntl.h>

#include <cstring>
#include <thread>

#include "base/error.h"
#include "index/block_store.h"
#include "index/block_rows.h"
#include "index/contents.h"
#include "index/report.h"
#include "tests/index/deltas.h"

namespace wfs {
namespace {

class DeltaStore : public DeltaRepository {
 protected:
  template <class Query>
  auto read(Query query) {
    return repository().catalog().read(query);
  }

  BlockRef found(const BlockRef& block) {
    return *read([&](Database& database) { return find_block(database, block.id); });
  }

  void run(const std::string& sql) {
    repository().catalog().write(Durability::now, [&](Database& database) { database.run(sql); });
  }

  static unsigned length_of_chain(const BlockRef& block) {
    return block.base ? 1 + length_of_chain(block.base->blocks.front()) : 0;
  }

  void expect_corrupt(const BlockRef& block, const std::string& what) {
    try {
      repository().blocks().load(block);
      ADD_FAILURE() << what << " is read";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Errc::corrupt) << what << ": " << error.what();
      EXPECT_NE(std::string(error.what()).find(hex(block.id)), std::string::npos) << error.what();
    }
  }

  void flip(const BlockRef& block) {
    const Fd file = open_file(repository().packs().path_of(block.pack), O_RDWR);
    Buffer byte(1);
    read_exactly(file, block.offset + block.payload_length / 2, byte);
    byte[0] ^= std::byte{1};
    write_fully(file, block.offset + block.payload_length / 2, byte);
  }
};

TEST_F(DeltaStore, AChainComesBackWholeFromTheIndex) {
  const auto chain = put_chain(8);
  for (unsigned i = 0; i <= 8; ++i) {
    const BlockRef block = found(chain[i].blocks().front());
    EXPECT_EQ(block.depth, i);
    EXPECT_EQ(length_of_chain(block), i);
    if (i == 0) continue;
    ASSERT_NE(block.base, nullptr);
    EXPECT_EQ(block.base->position, i);
    EXPECT_EQ(block.base->blocks.front().id, chain[i - 1].blocks().front().id);
  }
}

TEST_F(DeltaStore, EveryDeltaOfAChainIsReadExactly) {
  const auto chain = put_chain(12);
  open();
  Buffer plain = weights(100'000, 1);
  for (unsigned i = 0; i <= 12; ++i) {
    if (i > 0) plain = trained(plain, i);
    EXPECT_EQ(plain_of(chain[i].blocks().front()), plain) << i;
    EXPECT_EQ(repository().blocks().load_uncached(chain[i].blocks().front()), plain) << i;
    EXPECT_EQ(bytes_of(content_of(plain)), plain) << i;
  }
}

TEST_F(DeltaStore, StatsTellDeltasFromOtherBlocks) {
  put_chain(3);
  const Stats stats = stats_of(repository());
  EXPECT_EQ(stats.blocks, 4u);
  EXPECT_EQ(stats.deltas, 3u);
  EXPECT_NE(stats_json(stats).find(R"("deltas":3)"), std::string::npos) << stats_json(stats);
}

TEST_F(DeltaStore, BasesStayCached) {
  const auto chain = put_chain(3);
  open();
  plain_of(chain[3].blocks().front());
  EXPECT_EQ(repository().blocks().decoded_bytes(), 400'000u);
  for (const SegmentMap& map : chain) {
    EXPECT_TRUE(repository().blocks().cached(map.blocks().front().id));
    plain_of(map.blocks().front());
  }
  EXPECT_EQ(repository().blocks().decoded_bytes(), 400'000u);
}

TEST_F(DeltaStore, BasesOfNeighboursOfAnotherTypeAndLengthAreReadExactly) {
  const Buffer master = weights(200'000, 3);
  Buffer first(master.begin(), master.begin() + 120'000);
  Buffer second(master.begin() + 120'000, master.end());
  const SegmentMap map = put({{first, std::nullopt}, {second, std::nullopt}});
  BlockBase cast = base_on(map.blocks(), BaseReason::similar);
  cast.from = Dtype::f32;
  cast.to = Dtype::bf16;
  cast.skip = 20'000;
  const Buffer half = base_bytes(cast, 90'000, [&](const BlockRef& block) {
    return repository().blocks().load(block);
  });
  BlockBase shifted = base_on(map.blocks());
  shifted.skip = 119'000;
  Buffer tail(master.begin() + 119'000, master.end());
  tail.resize(100'000);  // rows that were added
  const std::vector<NewBlock> blocks = {{half, cast}, {trained(tail, 5), shifted}};
  const SegmentMap deltas = put(blocks);
  open();
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    EXPECT_EQ(deltas.blocks()[i].depth, 1);
    EXPECT_EQ(plain_of(deltas.blocks()[i]), blocks[i].plain) << i;
  }
  EXPECT_EQ(bytes_of(content_of(joined(blocks))), joined(blocks));
}

TEST_F(DeltaStore, ManyReadersOfChainsThatShareBlocksGetTheirBytes) {
  const Buffer root = weights(100'000, 1);
  std::vector<NewBlock> blocks;
  const BlockRef base = put({{root, std::nullopt}}).blocks().front();
  std::vector<BlockRef> refs;
  std::vector<Buffer> plains;
  for (unsigned i = 0; i < 20; ++i) {
    const BlockRef& under = refs.empty() || i % 3 == 0 ? base : refs[i / 2];
    plains.push_back(trained(root, 100 + i));
    refs.push_back(put({{plains.back(), base_on({under})}}).blocks().front());
  }
  for (int round = 0; round < 5; ++round) {
    open();
    std::vector<std::jthread> readers;
    for (unsigned reader = 0; reader < 4; ++reader) {
      readers.emplace_back([&, reader] {
        for (unsigned i = 0; i < refs.size(); ++i) {
          const unsigned at = reader % 2 == 0 ? i : static_cast<unsigned>(refs.size()) - 1 - i;
          EXPECT_EQ(plain_of(refs[at]), plains[at]) << at;
        }
      });
    }
    readers.clear();
    EXPECT_EQ(repository().blocks().decoded_bytes(), 2'100'000u) << "one decode each";
  }
}

TEST_F(DeltaStore, ABaseThatIsDamagedDamagesItsDeltasByName) {
  const auto chain = put_chain(2);
  flip(chain[0].blocks().front());
  open();
  for (const SegmentMap& map : chain) expect_corrupt(map.blocks().front(), "a damaged base");
  bool names_both = false;
  for (const std::string& line : repository().blocks().damage()) {
    names_both = names_both ||
                 (line.find(hex(chain[2].blocks().front().id)) != std::string::npos &&
                  line.find(hex(chain[0].blocks().front().id)) != std::string::npos);
  }
  EXPECT_TRUE(names_both);
}

TEST_F(DeltaStore, AnIndexThatLeadsInACircleOrNowhereIsCorruptAndTheOtherBlocksAreRead) {
  const auto chain = put_chain(3);
  const BlockRef first = chain[0].blocks().front();
  const BlockRef last = chain[3].blocks().front();
  const BlockRef middle = chain[2].blocks().front();
  const Buffer good = plain_of(middle);
  struct Case {
    const char* what;
    std::string sql;
  };
  const std::string row = cat(" WHERE number = ", last.number);
  for (const Case& wrong :
       {Case{"a base that is no base", "UPDATE blocks SET base = x'01'" + row},
        Case{"no base", "UPDATE blocks SET base = x''" + row},
        Case{"itself as base", cat("UPDATE blocks SET base = x'010000000000000000", "0",
                                   last.number, "00000000000000'", row)},
        Case{"a missing base", "UPDATE blocks SET base = x'0100000000000000006300000000000000'" + row},
        Case{"the depth of its base", cat("UPDATE blocks SET depth = 2", row)},
        Case{"no depth", cat("UPDATE blocks SET depth = 0", row)},
        Case{"a depth beyond all chains", cat("UPDATE blocks SET depth = 65", row)},
        Case{"a circle", cat("UPDATE blocks SET encoding = 4, depth = 3, "
                             "base = x'0100000000000000000300000000000000' WHERE number = ",
                             first.number)}}) {
    open();
    ASSERT_LT(last.number, 10);
    run(wrong.sql);
    open();
    const std::string what = wrong.what;
    if (what != "a circle") {
      EXPECT_EQ(plain_of(found(middle)), good) << what;
      expect_corrupt(found(last), what);
    } else {
      expect_corrupt(found(first), what);
    }
    // As it was.
    for (const SegmentMap& map : chain) {
      const BlockRef& block = map.blocks().front();
      repository().catalog().write(Durability::now,
                                   [&](Database& database) { move_block(database, block); });
    }
    EXPECT_EQ(found(last).depth, 3);
    EXPECT_NE(found(last).base, nullptr);
  }
}

TEST_F(DeltaStore, ARecordWithAnotherBaseThanTheIndexSaysIsCorrupt) {
  const auto chain = put_chain(2);
  const BlockRef last = chain[2].blocks().front();
  BlockBase other = *last.base;
  other.blocks = {chain[0].blocks().front()};
  BlockRef wrong = last;
  wrong.base = std::make_shared<const BlockBase>(other);
  open();
  expect_corrupt(wrong, "another block as base");
  other = *last.base;
  other.skip = 4;
  wrong.base = std::make_shared<const BlockBase>(other);
  expect_corrupt(wrong, "another place in the base");
  wrong.base = nullptr;
  expect_corrupt(wrong, "no base");
  EXPECT_EQ(plain_of(last).size(), 100'000u);
}

TEST_F(DeltaStore, AFirstSmallReadDecodesNoFurtherThanItMustAndTheSecondTheWholeBlock) {
  const auto chain = put_chain(3);
  Buffer plain = plain_of(chain[3].blocks().front());
  open();
  const auto content = repository().contents().open(content_of(plain));
  BlockStore& blocks = repository().blocks();
  Buffer read(4096);
  content->read(8192, read);
  EXPECT_TRUE(std::equal(read.begin(), read.end(), plain.begin() + 8192));
  EXPECT_EQ(blocks.decoded_bytes(), 4 * 12'288u);
  EXPECT_EQ(blocks.cache_bytes(), 0u);
  content->read(0, read);
  EXPECT_TRUE(std::equal(read.begin(), read.end(), plain.begin()));
  EXPECT_EQ(blocks.decoded_bytes(), 4 * 112'288u);
  content->read(50'000, read);
  EXPECT_TRUE(std::equal(read.begin(), read.end(), plain.begin() + 50'000));
  EXPECT_EQ(blocks.decoded_bytes(), 4 * 112'288u) << "it is cached";
}

TEST_F(DeltaStore, AFrontIsTakenFromBasesOfAnotherTypeAndFromNeighbours) {
  const Buffer master = weights(200'000, 3);
  const SegmentMap map = put({{Buffer(master.begin(), master.begin() + 100'000), std::nullopt},
                              {Buffer(master.begin() + 100'000, master.end()), std::nullopt}});
  BlockBase cast = base_on(map.blocks());
  cast.from = Dtype::f32;
  cast.to = Dtype::bf16;
  cast.skip = 60'000;
  const Buffer half = base_bytes(cast, 70'000, [&](const BlockRef& block) {
    return repository().blocks().load(block);
  });
  put({{half, cast}});
  for (const std::uint64_t offset : {0u, 1'001u, 19'990u, 20'000u, 40'001u, 69'000u}) {
    open();
    const auto content = repository().contents().open(content_of(half));
    Buffer read(1000);
    content->read(offset, read);
    EXPECT_TRUE(std::equal(read.begin(), read.end(),
                           half.begin() + static_cast<std::ptrdiff_t>(offset))) << offset;
    const std::uint64_t front = (offset + 1000 + 511) / 512 * 512;
    if (front < 70'000) {
      const auto up = [](std::uint64_t bytes) { return (bytes + 511) / 512 * 512; };
      const std::uint64_t first = std::min<std::uint64_t>(up(60'000 + 2 * front), 100'000);
      const std::uint64_t second = up(std::max<std::uint64_t>(60'000 + 2 * front, 100'000) - 100'000);
      EXPECT_EQ(repository().blocks().decoded_bytes(), front + first + second) << offset;
    }
  }
}

// What is behind a front must not matter to it.
TEST_F(DeltaStore, SmallReadsAnywhereGiveTheBytes) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto below = [&](std::size_t end) { return std::uniform_int_distribution<std::size_t>(0, end - 1)(random); };
  std::vector<Buffer> versions;
  std::vector<BlockRef> blocks;
  for (int version = 0; version < 4; ++version) {
    Buffer plain = versions.empty() ? weights(150'000, seed)
                                    : trained(versions.back(), seed + static_cast<unsigned>(version));
    for (int patch = 0; patch < 30 && !versions.empty(); ++patch) {
      const std::size_t at = below(plain.size() - 3000);
      for (std::size_t i = at; i < at + below(3000); ++i) plain[i] = static_cast<std::byte>(random());
    }
    NewBlock block{plain, std::nullopt};
    if (!blocks.empty()) block.base = base_on({blocks.back()});
    blocks.push_back(put({block}).blocks().front());
    versions.push_back(plain);
  }
  for (int round = 0; round < 200; ++round) {
    open();
    const Buffer& plain = versions[below(versions.size())];
    const std::size_t at = below(plain.size());
    Buffer read(std::min(plain.size() - at, 1 + below(16'000)));
    repository().contents().open(content_of(plain))->read(at, read);
    ASSERT_TRUE(same_bytes(read, Bytes(plain).subspan(at, read.size()))) << at << ", " << read.size();
  }
}

TEST_F(DeltaStore, ASequentialReaderDecodesEachBlockOnceAndItsFrontAtMost) {
  std::vector<NewBlock> below, above;
  for (unsigned i = 0; i < 10; ++i) below.push_back({weights(100'000, 20 + i), std::nullopt});
  const SegmentMap base = put(below);
  for (unsigned i = 0; i < 10; ++i) {
    above.push_back({trained(below[i].plain, i), base_on({base.blocks()[i]})});
  }
  put(above);
  open();
  const Buffer all = joined(above);
  const auto content = repository().contents().open(content_of(all));
  for (std::size_t at = 0; at < all.size(); at += 4000) {
    Buffer read(4000);
    content->read(at, read);
    ASSERT_TRUE(std::equal(read.begin(), read.end(), all.begin() + static_cast<std::ptrdiff_t>(at)));
  }
  EXPECT_LE(repository().blocks().decoded_bytes(), 2 * all.size() + 2 * 10 * (4000 + 512));
}

TEST_F(DeltaStore, AFrontOfADamagedBlockIsCorrupt) {
  const auto chain = put_chain(1);
  const Buffer plain = plain_of(chain[1].blocks().front());
  flip(chain[0].blocks().front());
  open();
  const auto content = repository().contents().open(content_of(plain));
  Buffer read(100);
  EXPECT_THROW(content->read(0, read), Error);
  EXPECT_THROW(content->read(0, read), Error);
  EXPECT_FALSE(repository().blocks().damage().empty());
}

TEST_F(DeltaStore, ALongReadIsDecodedTogetherAndExactly) {
  std::vector<NewBlock> below, above;
  for (unsigned i = 0; i < 40; ++i) below.push_back({weights(200'000, 50 + i), std::nullopt});
  const SegmentMap base = put(below);
  for (unsigned i = 0; i < 40; ++i) {
    above.push_back({trained(below[i].plain, i), base_on({base.blocks()[i]})});
  }
  put(above);
  const Buffer all = joined(above);
  for (const std::size_t offset : {std::size_t{0}, std::size_t{123'457}}) {
    open();
    const auto content = repository().contents().open(content_of(all));
    Buffer read(all.size() - 2 * offset);
    content->read(offset, read);
    EXPECT_TRUE(std::equal(read.begin(), read.end(),
                           all.begin() + static_cast<std::ptrdiff_t>(offset)));
    EXPECT_EQ(repository().blocks().decoded_bytes(), 2 * all.size()) << "one decode each";
  }
  flip(base.blocks()[7]);
  open();
  const auto content = repository().contents().open(content_of(all));
  Buffer read(all.size());
  EXPECT_THROW(content->read(0, read), Error);
}

}  // namespace
}  // namespace wfs
