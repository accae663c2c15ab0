#include "index/pack.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <functional>

#include "base/error.h"
#include "base/file.h"
#include "index/content_record.h"
#include "index/pack_scan.h"
#include "index/pack_writer.h"
#include "tests/index/temporary_folder.h"

namespace wfs {
namespace {

RecordHeader block_header(Bytes plain) {
  RecordHeader header;
  header.plain_length = static_cast<std::uint32_t>(plain.size());
  header.payload_length = header.plain_length;
  const Hash128 hash = xxh3_128(plain);
  std::copy(hash.bytes.begin(), hash.bytes.end(), header.id.begin());
  return header;
}

// A small sealed pack of three raw blocks.
struct SmallPack {
  SmallPack() {
    PackWriter writer(folder.path());
    for (const std::string_view text : texts) {
      offsets.push_back(writer.append(block_header(as_bytes(text)), as_bytes(text)));
    }
    id = writer.seal();
    size = writer.bytes();
  }

  stdfs::path path() const { return folder.path() / (hex(id) + ".pack"); }
  Fd open() const { return open_file(path(), O_RDWR); }

  const std::vector<std::string_view> texts = {"first", "second", "third"};
  TemporaryFolder folder;
  std::vector<std::uint64_t> offsets;
  PackId id;
  std::uint64_t size = 0;
};

void flip(const Fd& file, std::uint64_t at) {
  Buffer byte(1);
  read_exactly(file, at, byte);
  byte[0] ^= std::byte{0x01};
  write_fully(file, at, byte);
}

void expect_corrupt(const std::function<void()>& act, const std::string& what) {
  try {
    act();
    ADD_FAILURE() << what << " is taken for good";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::corrupt) << what << ": " << error.what();
  }
}

TEST(Pack, TheBytesOfAPackAreThoseOfTheFormat) {
  EXPECT_EQ(as_text(bytes_of_pack_header()), std::string_view("WFSPACK1\1\0\0\0\1\0\0\0", 16));
  const Bytes payload = as_bytes("abc");
  RecordHeader header = block_header(payload);
  header.encoding = Encoding::raw;
  const Buffer bytes = bytes_of(header, payload);
  ASSERT_EQ(bytes.size(), record_header_bytes);
  EXPECT_EQ(hex(Bytes(bytes).first(16)), "01000000030000000300000000000000");
  EXPECT_EQ(hex(Bytes(bytes).subspan(16, 16)), hex(xxh3_128(payload).bytes));
  EXPECT_EQ(hex(Bytes(bytes).subspan(32, 32)), std::string(64, '0'));
}

TEST(Pack, ASealedPackHoldsWhatWasAppendedAndIsNamedByItsFooter) {
  const SmallPack pack;
  const Fd file = pack.open();
  const PackContents contents = scan_pack(file);
  EXPECT_EQ(contents.damage, "");
  EXPECT_EQ(contents.id, pack.id);
  EXPECT_EQ(contents.size, pack.size);
  ASSERT_EQ(contents.rows.size(), pack.texts.size());
  for (std::size_t i = 0; i < pack.texts.size(); ++i) {
    EXPECT_EQ(contents.rows[i].offset, pack.offsets[i]);
    EXPECT_EQ(as_text(read_payload(file, contents.rows[i])), pack.texts[i]);
  }
}

TEST(Pack, AnUnsealedPackLeavesNothingBehind) {
  TemporaryFolder folder;
  {
    PackWriter writer(folder.path());
    writer.append(block_header(as_bytes("abc")), as_bytes("abc"));
  }
  EXPECT_TRUE(stdfs::is_empty(folder.path()));
}

TEST(Pack, EveryFlippedByteOfARecordIsCorrupt) {
  const Bytes payload = as_bytes("some payload");
  const Buffer header = bytes_of(block_header(payload), payload);
  Buffer record(header);
  record.insert(record.end(), payload.begin(), payload.end());
  for (std::size_t at = 0; at < record.size(); ++at) {
    Buffer damaged = record;
    damaged[at] ^= std::byte{0x40};
    expect_corrupt(
        [&] {
          record_header_of(Bytes(damaged).first(record_header_bytes),
                           Bytes(damaged).subspan(record_header_bytes));
        },
        cat("a record with byte ", at, " flipped"));
  }
}

TEST(Pack, EveryFlippedByteAroundTheRecordsIsNoticedAndTheRecordsAreStillFound) {
  const SmallPack pack;
  const Fd file = pack.open();
  const std::uint64_t footer = pack.offsets.back() + pack.texts.back().size();
  for (std::uint64_t at = 0; at < pack.size; ++at) {
    if (at == pack_header_bytes) at = footer;
    if (at == 12) continue;  // features: none is a pack as well
    flip(file, at);
    const PackContents contents = scan_pack(file);
    EXPECT_NE(contents.damage, "") << "byte " << at;
    EXPECT_EQ(contents.rows.size(), 3u) << "byte " << at;
    flip(file, at);
  }
}

TEST(Pack, WithoutItsFooterTheRecordsBehindADamagedOneAreFound) {
  const SmallPack pack;
  stdfs::resize_file(pack.path(), pack.offsets.back() + pack.texts.back().size());
  const Fd file = pack.open();
  flip(file, pack.offsets[1]);
  const PackContents contents = scan_pack(file);
  EXPECT_NE(contents.damage, "");
  EXPECT_FALSE(contents.id);
  ASSERT_EQ(contents.rows.size(), 2u);
  EXPECT_EQ(contents.rows[0].offset, pack.offsets[0]);
  EXPECT_EQ(contents.rows[1].offset, pack.offsets[2]);
}

TEST(Pack, FootersThatContradictThePackAreCorrupt) {
  const Bytes payload = as_bytes("abc");
  const RecordHeader header = block_header(payload);
  const std::uint64_t first = pack_header_bytes + record_header_bytes;
  struct Case {
    std::string name;
    std::vector<FooterRow> rows;
    std::uint64_t footer_offset;
  };
  for (const Case& wrong : {Case{"a gap before the record", {{first + 1, header}}, first + 4},
                            Case{"a gap before the footer", {{first, header}}, first + 4},
                            Case{"a record over the footer", {{first, header}}, first + 2},
                            Case{"records over one another", {{first, header}, {first, header}},
                                 first + 3}}) {
    const Buffer bytes = bytes_of_footer(wrong.rows, wrong.footer_offset);
    const Bytes tail = Bytes(bytes).last(pack_trailer_bytes);
    expect_corrupt(
        [&] {
          const Range range = footer_range(tail, wrong.footer_offset + bytes.size());
          footer_of(Bytes(bytes).first(range.length), tail);
        },
        wrong.name);
    expect_corrupt([&] { footer_range(tail, wrong.footer_offset + bytes.size() + 1); },
                   "a trailer of a longer pack");
    expect_corrupt([&] { footer_range(tail, 10); }, "a trailer of a tiny pack");
  }
}

TEST(Pack, ANewerPackIsUnsupported) {
  struct Case {
    std::size_t at;
    unsigned value;
  };
  for (const Case newer : {Case{8, 2}, {12, 2}, {12, 3}, {15, 0x80}}) {
    Buffer header = bytes_of_pack_header();
    header[newer.at] = static_cast<std::byte>(newer.value);
    try {
      check_pack_header(header);
      ADD_FAILURE() << newer.at << ' ' << newer.value;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Errc::unsupported);
    }
  }
}

TEST(Pack, APackWithoutBasesIsRead) {
  Buffer header = bytes_of_pack_header();
  EXPECT_EQ(header[12], std::byte{1});
  header[12] = std::byte{0};
  check_pack_header(header);
}

ContentRecord example_content() {
  ContentRecord content;
  content.size = 30;
  content.layout.format = Format::safetensors;
  content.layout.segments = {{{0, 10}, {}},
                             {{10, 20}, Tensor{std::string(70'000, 'n'), Dtype::f32, {5, 1}}}};
  content.layout.empty_tensors = {Tensor{"empty", Dtype::bf16, {0, 3}}};
  content.layout.reason = "because";
  content.blocks = {{BlockId{xxh3_128(as_bytes("a"))}, 10}, {BlockId{xxh3_128(as_bytes("b"))}, 20}};
  content.health = "{}";
  return content;
}

TEST(ContentRecord, ComesBackAsItWasAlsoWithLongNames) {
  const ContentRecord content = example_content();
  const ContentRecord back = content_record_of(record_of(content));
  EXPECT_EQ(back.size, content.size);
  EXPECT_EQ(back.layout.format, content.layout.format);
  EXPECT_EQ(back.layout.segments, content.layout.segments);
  EXPECT_EQ(back.layout.empty_tensors, content.layout.empty_tensors);
  EXPECT_EQ(back.layout.reason, content.layout.reason);
  EXPECT_EQ(back.blocks, content.blocks);
  EXPECT_EQ(back.health, content.health);
  const StoredMap map = map_of(bytes_of_map(content.layout, {7, 8, 7}));
  EXPECT_EQ(map.layout.segments, content.layout.segments);
  EXPECT_EQ(map.blocks, (std::vector<std::int64_t>{7, 8, 7}));
}

TEST(ContentRecord, EveryCutIsCorrupt) {
  ContentRecord content = example_content();
  content.layout.segments[1].tensor->name = "w";
  const Buffer record = record_of(content);
  for (std::size_t length = 0; length < record.size(); ++length) {
    expect_corrupt([&] { content_record_of(Bytes(record).first(length)); },
                   cat("a record cut at ", length));
  }
  Buffer longer = record;
  longer.push_back(std::byte{0});
  expect_corrupt([&] { content_record_of(longer); }, "a record with a byte more");
}

}  // namespace
}  // namespace wfs
