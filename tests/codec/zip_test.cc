#include <gtest/gtest.h>

#include "codec/layout.h"
#include "tests/codec/samples.h"

namespace wfs {
namespace {

constexpr std::string_view npy_header =
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n";

TEST(Zip, StoragesOfAPyTorchArchiveAreTensorsOfUnknownType) {
  for (const Zip64 zip64 : {Zip64::no, Zip64::yes}) {
    ZipWriter writer(zip64);
    writer.add("model/data.pkl", as_bytes("pickle"));
    writer.add("model/data/0", Buffer(100, std::byte{1}));
    writer.add("model/data/12", Buffer(8, std::byte{2}));
    writer.add("model/data/13", {});
    writer.add("model/data/x", Buffer(5));
    writer.add("model/version", as_bytes("3\n"));
    const Buffer file = writer.finish();
    const Layout layout = layout_of(MemorySource(file));
    EXPECT_EQ(layout.format, Format::torch_zip) << layout.reason;
    expect_covers(layout, file.size());
    const Segment first = segment_of(layout, "model/data/0");
    EXPECT_EQ(*first.tensor, (Tensor{"model/data/0", Dtype::opaque, {100}}));
    EXPECT_EQ(first.range.length, 100U);
    EXPECT_EQ(file[first.range.offset], std::byte{1});
    EXPECT_NE(file[first.range.offset - 1], std::byte{1});
    EXPECT_EQ(segment_of(layout, "model/data/12").range.length, 8U);
    ASSERT_EQ(layout.empty_tensors.size(), 1U);
    EXPECT_EQ(layout.empty_tensors[0].name, "model/data/13");
    for (const Segment& segment : layout.segments) {
      EXPECT_FALSE(segment.tensor && segment.tensor->name == "model/data/x");
    }
  }
}

TEST(Zip, ArraysOfAnNpzHaveTheirTypesAndShapes) {
  ZipWriter writer;
  writer.add("weight.npy", npy_file(npy_header, Buffer(8)));
  writer.add("packed.npy", Buffer(20), 8);
  writer.add("odd.npy",
             npy_file("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", Buffer(8)));
  const Buffer file = writer.finish("a comment");
  const Layout layout = layout_of(MemorySource(file));
  EXPECT_EQ(layout.format, Format::npz) << layout.reason;
  expect_covers(layout, file.size());
  EXPECT_EQ(*segment_of(layout, "weight").tensor, (Tensor{"weight", Dtype::f32, {2}}));
  int tensors = 0;
  for (const Segment& segment : layout.segments) tensors += segment.tensor.has_value();
  EXPECT_EQ(tensors, 1);
}

TEST(Zip, ACompressedOrEncryptedStorageIsOpaque) {
  ZipWriter writer;
  writer.add("m/data.pkl", as_bytes("pickle"));
  writer.add("m/data/0", Buffer(64), /*method=*/8);
  writer.add("m/data/1", Buffer(64), /*method=*/0, /*flags=*/1);
  const Buffer file = writer.finish();
  const Layout layout = layout_of(MemorySource(file));
  EXPECT_EQ(layout.format, Format::torch_zip);
  expect_covers(layout, file.size());
  for (const Segment& segment : layout.segments) EXPECT_FALSE(segment.tensor);
}

TEST(Zip, OtherArchivesAreOpaqueWithAReason) {
  ZipWriter writer;
  writer.add("word/document.xml", as_bytes("<xml>"));
  const Buffer file = writer.finish();
  const Layout layout = layout_of(MemorySource(file));
  EXPECT_EQ(layout.format, Format::opaque);
  EXPECT_NE(layout.reason, "");
  EXPECT_EQ(layout.segments.size(), 1U);
}

TEST(Zip, AnyBytesOfADamagedArchiveHaveALayout) {
  ZipWriter writer(Zip64::yes);
  writer.add("model/data.pkl", as_bytes("pickle"));
  writer.add("model/data/0", Buffer(100));
  const Buffer file = writer.finish();
  for (std::size_t length = 0; length <= file.size(); ++length) {
    const Bytes part = Bytes(file).first(length);
    expect_covers(layout_of(MemorySource(part)), length);
  }
  for (std::size_t at = 0; at < file.size(); ++at) {
    for (const unsigned flip : {1U, 0x80U, 0xffU}) {
      Buffer damaged = file;
      damaged[at] ^= static_cast<std::byte>(flip);
      expect_covers(layout_of(MemorySource(damaged)), damaged.size());
    }
  }
}

TEST(Zip, TwoMembersWithTheSameBytesAreRefused) {
  ZipWriter writer;
  writer.add("m/data.pkl", as_bytes("pickle"));
  writer.add("m/data/0", Buffer(64));
  writer.add("m/data/1", Buffer(64));
  Buffer file = writer.finish();
  // The last entry of the directory starts 46 + 8 bytes before the end record; its offset is at 42.
  const std::size_t entry = file.size() - 22 - 54;
  store_le(file.data() + entry + 42, load_le<std::uint32_t>(file.data() + entry - 54 + 42));
  EXPECT_EQ(layout_of(MemorySource(file)).format, Format::opaque);
}

}  // namespace
}  // namespace wfs
