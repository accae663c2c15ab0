#include <gtest/gtest.h>

#include "codec/layout.h"
#include "tests/codec/samples.h"

namespace wfs {
namespace {

// Writes the file from its parts; a string has a length of 64 bits in front.
class GgufWriter {
 public:
  explicit GgufWriter(std::uint64_t tensors, std::uint64_t metadata, std::uint32_t version = 3) {
    append_bytes(file, as_bytes("GGUF"));
    append_le(file, version);
    append_le(file, tensors);
    append_le(file, metadata);
  }

  GgufWriter& text(std::string_view text) {
    append_le(file, std::uint64_t{text.size()});
    append_bytes(file, as_bytes(text));
    return *this;
  }
  template <class Number>
  GgufWriter& number(Number number) {
    append_le(file, number);
    return *this;
  }
  GgufWriter& tensor(std::string_view name, std::vector<std::uint64_t> shape, std::uint32_t type,
                     std::uint64_t offset) {
    text(name).number(static_cast<std::uint32_t>(shape.size()));
    for (const std::uint64_t length : shape) number(length);
    return number(type).number(offset);
  }
  Buffer data(std::size_t bytes, std::size_t alignment = 32) {
    file.resize((file.size() + alignment - 1) / alignment * alignment);
    file.resize(file.size() + bytes);
    return file;
  }

  Buffer file;
};

Layout checked_layout(const Buffer& file) {
  Layout layout = layout_of(MemorySource(file));
  expect_covers(layout, file.size());
  return layout;
}

TEST(Gguf, EveryMetadataTypeIsSteppedOver) {
  GgufWriter writer(1, 6, 2);
  writer.text("general.architecture").number(std::uint32_t{8}).text("llama");
  const std::vector<std::pair<std::uint32_t, std::size_t>> numbers = {
      {0, 1}, {1, 1}, {2, 2}, {3, 2}, {4, 4}, {5, 4}, {6, 4}, {7, 1}, {10, 8}, {11, 8}, {12, 8}};
  writer.text("numbers").number(std::uint32_t{9}).number(std::uint32_t{9});
  writer.number(std::uint64_t{numbers.size()});
  for (const auto& [type, size] : numbers) {
    writer.number(type).number(std::uint64_t{3});
    writer.file.resize(writer.file.size() + 3 * size);
  }
  writer.text("tokens").number(std::uint32_t{9}).number(std::uint32_t{8}).number(std::uint64_t{2});
  writer.text("one").text("");
  writer.text("none").number(std::uint32_t{9}).number(std::uint32_t{8}).number(std::uint64_t{0});
  writer.text("flag").number(std::uint32_t{7}).number(std::uint8_t{1});
  writer.text("large").number(std::uint32_t{12}).number(std::uint64_t{5});
  writer.tensor("w", {64, 2}, 8, 0);
  const Layout layout = checked_layout(writer.data(4 * 34));
  EXPECT_EQ(layout.format, Format::gguf) << layout.reason;
  const Segment segment = segment_of(layout, "w");
  EXPECT_EQ(*segment.tensor, (Tensor{"w", Dtype::q8_0, {2, 64}}));
  EXPECT_EQ(segment.range.length, 4U * 34);
}

TEST(Gguf, TensorsLieAtMultiplesOfTheAlignmentAndPaddingIsOpaque) {
  GgufWriter writer(3, 1);
  writer.text("general.alignment").number(std::uint32_t{4}).number(std::uint32_t{64});
  writer.tensor("second", {5}, 0, 64).tensor("first", {3, 2}, 30, 0).tensor("none", {0}, 1, 64);
  const Buffer file = writer.data(64 + 20 + 7, 64);
  const Layout layout = checked_layout(file);
  EXPECT_EQ(layout.format, Format::gguf) << layout.reason;
  ASSERT_EQ(layout.segments.size(), 5U);
  EXPECT_EQ(layout.segments[1].tensor, (Tensor{"first", Dtype::bf16, {2, 3}}));
  EXPECT_EQ(layout.segments[1].range.offset % 64, 0U);
  EXPECT_EQ(layout.segments[2].range.length, 52U);
  EXPECT_EQ(layout.segments[3].tensor, (Tensor{"second", Dtype::f32, {5}}));
  EXPECT_EQ(layout.segments[4].range.length, 7U);
  EXPECT_EQ(layout.empty_tensors, (std::vector<Tensor>{{"none", Dtype::f16, {0}}}));
}

TEST(Gguf, WhatBreaksARuleIsOpaqueWithAReason) {
  struct Case {
    const char* rule;
    Buffer file;
  };
  const auto with_tensor = [](auto... tensor) {
    return GgufWriter(1, 0).tensor(tensor...).data(1024);
  };
  using Shape = std::vector<std::uint64_t>;
  const std::uint64_t huge = std::uint64_t{1} << 62;
  const std::vector<Case> cases = {
      {"version 1", GgufWriter(0, 0, 1).data(0)},
      {"a big-endian version", GgufWriter(0, 0, 0x03000000).data(0)},
      {"too many tensors", GgufWriter(~std::uint64_t{0}, 0).data(0)},
      {"too many keys", GgufWriter(0, ~std::uint64_t{0}).data(100)},
      {"an unknown tensor type", with_tensor("a", Shape{32}, 77U, 0U)},
      {"rows that are not whole blocks", with_tensor("a", Shape{33}, 8U, 0U)},
      {"five dimensions", with_tensor("a", Shape{1, 1, 1, 1, 1}, 0U, 0U)},
      {"an offset that is not aligned", with_tensor("a", Shape{4}, 0U, 16U)},
      {"a tensor behind the end", with_tensor("a", Shape{4}, 0U, 4096U)},
      {"a tensor over the end", with_tensor("a", Shape{1024}, 0U, 0U)},
      {"an offset that overflows", with_tensor("a", Shape{4}, 0U, ~std::uint64_t{31})},
      {"a shape that overflows", with_tensor("a", Shape{huge, huge}, 0U, 0U)},
      {"two tensors with the same bytes",
       GgufWriter(2, 0).tensor("a", {16}, 0, 0).tensor("b", {16}, 0, 32).data(1024)},
      {"an unknown metadata type",
       GgufWriter(0, 1).text("k").number(std::uint32_t{13}).number(std::uint64_t{0}).data(64)},
      {"an array longer than the file", GgufWriter(0, 1)
                                            .text("k")
                                            .number(std::uint32_t{9})
                                            .number(std::uint32_t{12})
                                            .number(huge)
                                            .data(64)},
      {"a string longer than the file",
       GgufWriter(0, 1).text("k").number(std::uint32_t{8}).number(huge).data(64)},
      {"an alignment of zero", GgufWriter(0, 1)
                                   .text("general.alignment")
                                   .number(std::uint32_t{4})
                                   .number(std::uint32_t{0})
                                   .data(64)},
      {"an alignment of three", GgufWriter(0, 1)
                                    .text("general.alignment")
                                    .number(std::uint32_t{4})
                                    .number(std::uint32_t{3})
                                    .data(64)},
  };
  for (const Case& one : cases) {
    const Layout layout = checked_layout(one.file);
    EXPECT_EQ(layout.format, Format::opaque) << one.rule;
    EXPECT_NE(layout.reason, "") << one.rule;
  }
}

TEST(Gguf, AnyBytesOfADamagedFileHaveALayout) {
  GgufWriter writer(1, 1);
  writer.text("k").number(std::uint32_t{9}).number(std::uint32_t{8}).number(std::uint64_t{1});
  writer.text("v").tensor("w", {32}, 2, 0);
  const Buffer file = writer.data(18);
  ASSERT_EQ(checked_layout(file).format, Format::gguf);
  for (std::size_t length = 0; length < file.size(); ++length) {
    checked_layout(Buffer(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(length)));
  }
  for (std::size_t at = 0; at < file.size(); ++at) {
    for (const unsigned flip : {1U, 0x80U, 0xffU}) {
      Buffer damaged = file;
      damaged[at] ^= static_cast<std::byte>(flip);
      checked_layout(damaged);
    }
  }
}

}  // namespace
}  // namespace wfs
