#include "index/block_store.h"

#include <algorithm>

#include "base/error.h"
#include "index/content_rows.h"
#include "index/staged_rows.h"
#include "tests/index/example.h"

namespace wfs {
namespace {

class BlockStoreTest : public ExampleRepository {
 protected:
  BlockStoreTest() {
    commit_files({{"model", model_}});
    pack();
    open();
  }

  SegmentMap map() {
    return repository().catalog().read(
        [&](Database& database) { return load_segment_map(database, content_of(model_)); });
  }

  void expect_damage(const BlockRef& block, const std::string& what) {
    try {
      repository().blocks().load(block);
      ADD_FAILURE() << what << " is served";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Errc::corrupt) << what;
      EXPECT_NE(std::string(error.what()).find(hex(block.id)), std::string::npos) << error.what();
    }
  }

  const Buffer model_ = weights(600'000, 4);
};

TEST_F(BlockStoreTest, ABlockIsDecodedCachedAndGivenToEveryReader) {
  const SegmentMap blocks = map();
  const BlockRef& first = blocks.blocks().front();
  EXPECT_FALSE(repository().blocks().cached(first.id));
  const Block block = repository().blocks().load(first);
  EXPECT_TRUE(std::equal(block->begin(), block->end(), model_.begin()));
  EXPECT_TRUE(repository().blocks().cached(first.id));
  EXPECT_EQ(repository().blocks().load(first), block);
  EXPECT_EQ(repository().blocks().load_uncached(first), *block);
}

TEST_F(BlockStoreTest, ARowOfTheIndexThatIsWrongIsCorruptAndNeverOtherBytes) {
  const SegmentMap blocks = map();
  const BlockRef good = blocks.blocks()[0];
  const BlockRef other = blocks.blocks()[1];
  BlockRef wrong = good;
  wrong.offset = other.offset;
  expect_damage(wrong, "the place of another block");
  wrong = good;
  wrong.offset += 1;
  expect_damage(wrong, "a place inside of a record");
  wrong.offset = 3;
  expect_damage(wrong, "a place before the first record");
  wrong.offset = std::uint64_t{1} << 40;
  expect_damage(wrong, "a place behind the pack");
  wrong = good;
  wrong.payload_length -= 1;
  expect_damage(wrong, "a shorter payload");
  wrong = good;
  wrong.plain_length = 0xffffffff;
  expect_damage(wrong, "a length beyond all blocks");
  wrong = good;
  wrong.id = other.id;
  expect_damage(wrong, "another name");
  wrong = good;
  wrong.pack = 77;
  expect_damage(wrong, "a pack that is not there");
  EXPECT_GE(repository().blocks().damage().size(), 6u);
}

TEST_F(BlockStoreTest, ACachedBlockIsNotServedUnderAnotherLength) {
  BlockRef block = map().blocks().front();
  repository().blocks().load(block);
  block.plain_length += 1;
  expect_damage(block, "a longer length");
}

TEST_F(BlockStoreTest, DamageNamesTheBlockThePackAndThePlaceOnce) {
  const BlockRef block = map().blocks().front();
  const stdfs::path pack = repository().packs().path_of(block.pack);
  write_fully(open_file(pack, O_RDWR), block.offset + 10, as_bytes("damage"));
  for (int i = 0; i < 3; ++i) expect_damage(block, "a damaged payload");
  const auto damage = repository().blocks().damage();
  ASSERT_EQ(damage.size(), 1u);
  for (const std::string& part :
       {hex(block.id), pack.string(), std::to_string(block.offset)}) {
    EXPECT_NE(damage[0].find(part), std::string::npos) << damage[0] << " without " << part;
  }
}

TEST_F(BlockStoreTest, PacksAreOpenedAnewAfterManyOthers) {
  for (int i = 0; i < 300; ++i) {
    PackId id;
    id.hash.bytes[0] = static_cast<std::byte>(i);
    id.hash.bytes[1] = static_cast<std::byte>(i >> 8);
    write_file(repository().packs().path_of(id), as_bytes("x"));
    const auto number = repository().catalog().write(
        Durability::later, [&](Database& database) { return insert_pack(database, id, 1); });
    EXPECT_EQ(size_of(*repository().packs().open(number)), 1u);
  }
  EXPECT_EQ(bytes_of(content_of(model_)), model_);
}

using ContentsTest = ExampleRepository;

TEST_F(ContentsTest, AStagedContentThatWasOpenedIsNotGivenUpForRemoval) {
  const Buffer bytes = weights(1000, 1);
  commit_files({{"a", bytes}});
  open();
  EXPECT_EQ(bytes_of(content_of(bytes)), bytes);
  EXPECT_TRUE(repository().staging().take_dropped().empty())
      << "the row of the content still names it";
}

TEST_F(ContentsTest, AnOpenContentReadsOnWhileItIsPacked) {
  const Buffer bytes = weights(700'000, 1);
  commit_files({{"a", bytes}});
  const auto before = repository().contents().open(content_of(bytes));
  pack();
  const auto after = repository().contents().open(content_of(bytes));
  for (const auto& content : {before, after}) {
    Buffer read(bytes.size());
    content->read(0, read);
    EXPECT_EQ(read, bytes);
  }
  EXPECT_EQ(repository().contents().open(content_of(bytes)), after) << "opened once";
}

TEST_F(ContentsTest, TheContentOfABaseStandsInForItsStagedFile) {
  const Buffer bytes = weights(5000, 1);
  commit_files({{"a", bytes}});
  StagedId upper;
  {
    const auto base = repository().contents().staged(content_of(bytes));
    auto file = repository().staging().create_over({base, std::nullopt, base}, bytes.size());
    file->write(10, as_bytes("new"));
    upper = file->id();
    repository().catalog().write(Durability::now, [&](Database& database) {
      put_staged_chain(database, *file);
    });
    // As after a crash between the removal of the base's local file and of its row.
    pack();
    StagedRow stale = {base->id(), bytes.size(), std::nullopt, StagedId::none, 0, {}};
    repository().catalog().write(Durability::now,
                                 [&](Database& database) { put_staged(database, stale); });
    repository().staging().close();
  }
  open();
  Buffer expected = bytes;
  std::copy_n(as_bytes("new").begin(), 3, expected.begin() + 10);
  const auto file = repository().contents().take_up(upper);
  Buffer read(expected.size());
  file->read(0, read);
  EXPECT_EQ(read, expected);
}

TEST_F(ContentsTest, StagedFilesInACircleAreCorruptAndNoEndlessSearch) {
  const ContentId id = content_of(weights(10, 1));
  repository().catalog().write(Durability::now, [&](Database& database) {
    put_staged(database, {StagedId{5}, 10, std::nullopt, StagedId{6}, 10, {}});
    put_staged(database, {StagedId{6}, 10, id, StagedId::none, 10, {}});
    insert_staged_content(database, id, 10, StagedId{5});
  });
  try {
    repository().contents().open(id);
    ADD_FAILURE() << "opened";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::corrupt) << error.what();
  }
}

TEST_F(ContentsTest, AnUnknownContentIsNotFound) {
  try {
    repository().contents().open(content_of(weights(10, 1)));
    ADD_FAILURE() << "opened";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::not_found);
  }
}

TEST_F(ContentsTest, AReadPastTheEndIsRefused) {
  const Buffer bytes = weights(1000, 1);
  commit_files({{"a", bytes}});
  pack();
  const auto content = repository().contents().open(content_of(bytes));
  Buffer to(10);
  content->read(990, to);
  for (const std::uint64_t offset : {std::uint64_t{991}, std::uint64_t{1001}, UINT64_MAX}) {
    EXPECT_THROW(content->read(offset, to), Error) << offset;
  }
}

}  // namespace
}  // namespace wfs
