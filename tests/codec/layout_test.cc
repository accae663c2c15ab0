#include "codec/layout.h"

#include <gtest/gtest.h>

#include "tests/codec/samples.h"

namespace wfs {
namespace {

TEST(Layout, BytesOfNoFormatAreOneOpaqueSegment) {
  for (const std::string_view text : {"x", "hello, weights", "PK", "GGU", "{}"}) {
    const Layout layout = layout_of(MemorySource(as_bytes(text)));
    EXPECT_EQ(layout.format, Format::opaque);
    EXPECT_EQ(layout.reason, "") << text;
    EXPECT_EQ(layout.segments, (std::vector<Segment>{{{0, text.size()}, {}}}));
  }
  EXPECT_TRUE(layout_of(MemorySource({})).segments.empty());
}

TEST(Layout, AFileThatOnlyLooksLikeAFormatSaysWhy) {
  for (const std::string_view text : {"GGUF", "\x93NUMPY\1", "PK\3\4 and no end"}) {
    const Layout layout = layout_of(MemorySource(as_bytes(text)));
    EXPECT_EQ(layout.format, Format::opaque);
    EXPECT_NE(layout.reason, "") << text;
    expect_covers(layout, text.size());
  }
  EXPECT_NE(layout_of(MemorySource(safetensors_file("{]", 3))).reason, "");
}

TEST(Layout, RandomBytesBehindAMagicHaveALayout) {
  Random random(11);
  for (int i = 0; i < 2000; ++i) {
    Buffer file = random.bytes(random.below(200));
    const std::string_view magic =
        std::vector<std::string_view>{"GGUF", "\x93NUMPY", "PK\3\4", ""}[random.below(4)];
    file.insert(file.begin(), as_bytes(magic).begin(), as_bytes(magic).end());
    expect_covers(layout_of(MemorySource(file)), file.size());
  }
}

class BrokenSource final : public ByteSource {
 public:
  std::uint64_t size() const override { return 1000; }
  void read(std::uint64_t, MutableBytes) const override { fail(Errc::io, "the disk is gone"); }
};

TEST(Layout, AFileThatCannotBeReadIsNotOpaque) {
  try {
    layout_of(BrokenSource());
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::io);
  }
}

TEST(Layout, CoverFillsHolesAndRefusesOverlaps) {
  const Tensor tensor{"t", Dtype::u8, {1}};
  const auto covered = cover(10, {{{6, 2}, tensor}, {{2, 3}, tensor}, {{4, 0}, tensor}});
  ASSERT_EQ(covered.size(), 5U);
  EXPECT_EQ(covered[0], (Segment{{0, 2}, {}}));
  EXPECT_EQ(covered[1], (Segment{{2, 3}, tensor}));
  EXPECT_EQ(covered[2], (Segment{{5, 1}, {}}));
  EXPECT_EQ(covered[4], (Segment{{8, 2}, {}}));
  EXPECT_THROW(cover(10, {{{2, 3}, tensor}, {{4, 2}, tensor}}), Error);
  EXPECT_THROW(cover(10, {{{9, 2}, tensor}}), Error);
  EXPECT_THROW(cover(10, {{{~std::uint64_t{0}, 2}, tensor}}), Error);
}

TEST(Layout, AMemorySourceEndsWhereItsBytesDo) {
  const MemorySource source(as_bytes("12345"));
  Buffer two(2);
  source.read(3, two);
  EXPECT_EQ(as_text(two), "45");
  EXPECT_THROW(source.read(4, two), Error);
  EXPECT_THROW(source.read(~std::uint64_t{0}, two), Error);
  source.read(5, {});
}

}  // namespace
}  // namespace wfs
