#include "index/content_rows.h"

#include "base/error.h"
#include "index/whole_rows.h"
#include "tests/index/example.h"

namespace wfs {
namespace {

class ContentRowsTest : public ExampleRepository {
 protected:
  static BlockRef block(unsigned number, std::uint32_t length) {
    BlockRef block;
    block.id.hash.bytes[0] = static_cast<std::byte>(number);
    block.id.hash.bytes[1] = static_cast<std::byte>(number >> 8);
    block.offset = 100 + number;
    block.payload_length = length;
    block.plain_length = length;
    return block;
  }

  template <class Change>
  auto write(Change change) {
    return repository().catalog().write(Durability::later, change);
  }
};

TEST_F(ContentRowsTest, ASegmentMapComesBackInItsOrderAlsoWithBlocksTwiceAndOutOfOrder) {
  const ContentId id = content_of(weights(1, 1));
  std::vector<BlockRef> blocks;
  write([&](Database& database) {
    const auto pack = insert_pack(database, PackId{}, 1);
    std::vector<BlockRef> stored;
    for (unsigned i = 0; i < 300; ++i) {
      BlockRef one = block(i, 1 + i);
      one.pack = pack;
      one.number = insert_block(database, one);
      stored.push_back(one);
    }
    for (const unsigned i : {5u, 6u, 7u, 299u, 5u, 0u, 100u, 99u, 5u}) blocks.push_back(stored[i]);
    std::uint64_t size = 0;
    for (const BlockRef& one : blocks) size += one.plain_length;
    Layout layout;
    layout.segments = {{{0, 4}, {}}, {{4, size - 4}, Tensor{"w", Dtype::u8, {size - 4}}}};
    put_packed_content(database, id, SegmentMap(layout, blocks), 42, "{}");
    const SegmentMap map = load_segment_map(database, id);
    EXPECT_EQ(map.size(), size);
    EXPECT_EQ(map.layout().segments, layout.segments);
    ASSERT_EQ(map.blocks().size(), blocks.size());
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      EXPECT_EQ(map.blocks()[i].number, blocks[i].number);
      EXPECT_EQ(map.blocks()[i].id, blocks[i].id);
      EXPECT_EQ(map.blocks()[i].offset, blocks[i].offset);
      EXPECT_EQ(map.blocks()[i].plain_length, blocks[i].plain_length);
    }
    const auto row = find_content(database, id);
    EXPECT_EQ(row->stored_bytes, 42u);
    EXPECT_EQ(row->health, "{}");
    EXPECT_EQ(row->size, size);
  });
}

TEST_F(ContentRowsTest, AStagedContentBecomesAPackedOneAndKeepsItsNumber) {
  const ContentId id = content_of(Buffer());
  write([&](Database& database) {
    insert_staged_content(database, id, 0, StagedId{9});
    EXPECT_EQ(count_staged_contents(database), 1);
    const auto before = find_content(database, id);
    EXPECT_EQ(before->staged, StagedId{9});
    put_packed_content(database, id, SegmentMap({}, {}), 0, "");
    const auto after = find_content(database, id);
    EXPECT_EQ(after->staged, StagedId::none);
    EXPECT_EQ(after->number, before->number);
    EXPECT_EQ(count_staged_contents(database), 0);
    EXPECT_EQ(load_segment_map(database, id).size(), 0u);
  });
}

TEST_F(ContentRowsTest, ABlockThatIsThereKeepsItsRowAndMovesOnlyWhenTold) {
  write([&](Database& database) {
    BlockRef one = block(1, 10);
    one.pack = insert_pack(database, PackId{}, 1);
    one.number = insert_block(database, one);
    BlockRef again = one;
    again.offset = 5000;
    EXPECT_EQ(insert_block(database, again), one.number);
    EXPECT_EQ(find_block(database, one.id)->offset, one.offset);
    move_block(database, again);
    EXPECT_EQ(find_block(database, one.id)->offset, 5000u);
    EXPECT_EQ(blocks_of_pack(database, one.pack).size(), 1u);
    EXPECT_EQ(count_blocks_by_pack(database).at(one.pack), 1);
  });
}

TEST_F(ContentRowsTest, AMapThatNamesABlockThatIsNotThereIsCorrupt) {
  const ContentId id = content_of(weights(1, 1));
  BlockRef one = block(1, 10);
  one.number = 77;
  Layout layout;
  layout.segments = {{{0, 10}, {}}};
  write([&](Database& database) {
    put_packed_content(database, id, SegmentMap(layout, {one}), 0, "");
    try {
      load_segment_map(database, id);
      ADD_FAILURE() << "loaded";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Errc::corrupt);
    }
  });
}

}  // namespace
}  // namespace wfs
