#include "index/pack_session.h"

#include "base/error.h"
#include "index/check.h"
#include "index/content_rows.h"
#include "index/whole_rows.h"
#include "tests/index/example.h"

namespace wfs {
namespace {

class PackSessionTest : public ExampleRepository {
 protected:
  // Packs `bytes` as one content, cut into blocks of this length.
  void pack_as_blocks(PackSession& session, const Buffer& bytes, std::size_t length) {
    Layout layout;
    layout.segments = cover(bytes.size(), {});
    session.begin(content_of(bytes), stage(bytes), layout);
    for (std::size_t at = 0; at < bytes.size(); at += length) {
      session.add_block({{at, std::min(length, bytes.size() - at)}, Dtype::opaque});
    }
    session.end();
  }

  std::size_t count_packs() {
    return repository().catalog().read([](Database& database) { return all_packs(database).size(); });
  }

  std::int64_t blocks_stored() {
    return repository().catalog().read([](Database& database) { return count_blocks(database); });
  }

  void flip(const BlockRef& block) {
    const Fd pack = open_file(repository().packs().path_of(block.pack), O_RDWR);
    Buffer byte(1);
    read_exactly(pack, block.offset, byte);
    byte[0] ^= std::byte{0x55};
    write_fully(pack, block.offset, byte);
  }
};

// Every block of one length that starts with the same byte has the same name.
BlockId weak_name(Bytes plain) {
  BlockId id;
  id.hash.bytes[0] = plain[0];
  id.hash.bytes[1] = static_cast<std::byte>(plain.size());
  id.hash.bytes[2] = static_cast<std::byte>(plain.size() >> 8);
  return id;
}

Buffer text(std::string_view bytes) {
  return Buffer(as_bytes(bytes).begin(), as_bytes(bytes).end());
}

TEST_F(PackSessionTest, AContentLargerThanAPackIsSpreadOverSeveral) {
  const Buffer bytes = weights(2'000'000, 1);
  PackSession session(repository(), pool_, {.pack_bytes_max = 300'000});
  pack_as_blocks(session, bytes, 100'000);
  session.finish_pack();
  EXPECT_GE(count_packs(), 4u);
  EXPECT_EQ(bytes_of(content_of(bytes)), bytes);
  open();
  EXPECT_EQ(bytes_of(content_of(bytes)), bytes);
}

TEST_F(PackSessionTest, EqualBlocksAreStoredOnceAlsoAcrossPacks) {
  const Buffer part = weights(100'000, 1);
  Buffer bytes;
  for (int i = 0; i < 60; ++i) bytes.insert(bytes.end(), part.begin(), part.end());
  for (const std::uint64_t pack_bytes_max : {std::uint64_t{50'000}, std::uint64_t{1} << 30}) {
    PackSession session(repository(), pool_, {.pack_bytes_max = pack_bytes_max});
    pack_as_blocks(session, bytes, part.size());
    session.finish_pack();
    EXPECT_EQ(blocks_stored(), 1);
    EXPECT_EQ(bytes_of(content_of(bytes)), bytes);
  }
}

TEST_F(PackSessionTest, BlocksWhoseNamesCollideAreCutAndBothKept) {
  // Four bytes each: the halves differ in their first bytes.
  const Buffer bytes = text("abcdaxyz");
  PackSession session(repository(), pool_, {.name = weak_name});
  pack_as_blocks(session, bytes, 4);
  session.finish_pack();
  const SegmentMap map = repository().catalog().read(
      [&](Database& database) { return load_segment_map(database, content_of(bytes)); });
  std::vector<std::uint32_t> lengths;
  for (const BlockRef& block : map.blocks()) lengths.push_back(block.plain_length);
  EXPECT_EQ(lengths, (std::vector<std::uint32_t>{4, 2, 2}));
  // Names that are no hashes are refused by every reader, so the bytes are looked at in the pack.
  std::string stored;
  for (const BlockRef& block : map.blocks()) {
    const auto pack = repository().packs().open(block.pack);
    Buffer payload(block.payload_length);
    read_exactly(*pack, block.offset, payload);
    ASSERT_EQ(block.encoding, Encoding::raw);
    stored += as_text(payload);
  }
  EXPECT_EQ(stored, as_text(bytes));
}

TEST_F(PackSessionTest, AContentThatIsAbandonedLeavesNoRowAndHarmsNoOther) {
  const Buffer bytes = weights(500'000, 2);
  PackSession session(repository(), pool_, {});
  Layout layout;
  layout.segments = cover(1'000'000, {});
  session.begin(content_of(weights(1, 9)), stage(weights(1'000'000, 9)), layout);
  for (unsigned i = 0; i < 40; ++i) session.add_block({{i * 10'000, 10'000}, Dtype::opaque});
  session.abandon();
  pack_as_blocks(session, bytes, 100'000);
  session.finish_pack();
  EXPECT_EQ(bytes_of(content_of(bytes)), bytes);
  EXPECT_FALSE(repository().catalog().read(
      [&](Database& database) { return find_content(database, content_of(weights(1, 9))); }));
  EXPECT_TRUE(check(repository(), CheckDepth::data, nullptr).findings.empty());
}

TEST_F(PackSessionTest, BytesThatComeAgainReplaceADamagedBlock) {
  const Buffer shared = weights(200'000, 3);
  commit_files({{"a", shared}});
  pack();
  const BlockRef block = repository().catalog().read([&](Database& database) {
    return load_segment_map(database, content_of(shared)).blocks().front();
  });
  flip(block);
  open();
  EXPECT_THROW(bytes_of(content_of(shared)), Error);
  Buffer more = shared;
  const Buffer tail = weights(400'000, 4);
  more.insert(more.end(), tail.begin(), tail.end());
  commit_files({{"a", shared}, {"b", more}});
  EXPECT_EQ(pack().failed, 0u);
  open();
  EXPECT_EQ(bytes_of(content_of(more)), more);
  EXPECT_EQ(bytes_of(content_of(shared)), shared);
  const CheckReport report = check(repository(), CheckDepth::data, nullptr);
  ASSERT_EQ(report.findings.size(), 1u) << "the damaged record itself is still named";
  EXPECT_EQ(report.findings[0].object, "block");
  EXPECT_TRUE(report.findings[0].paths.empty()) << "no file needs it any more";
}

}  // namespace
}  // namespace wfs
