#include "codec/decode.h"

#include <gtest/gtest.h>

#include "codec/encode.h"
#include "codec/planes.h"
#include "codec/split.h"
#include "codec/zstd.h"
#include "tests/codec/samples.h"

namespace wfs {
namespace {

// Whether the payload is refused; the bytes around the block must stay as they were in any case.
bool is_refused(Encoding encoding, const Buffer& payload, std::size_t size) {
  constexpr std::size_t margin = 64;
  Buffer plain(size + 2 * margin, std::byte{0x5a});
  bool refused = false;
  try {
    decode(encoding, payload, {}, MutableBytes(plain).subspan(margin, size));
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::corrupt) << error.what();
    refused = true;
  }
  for (std::size_t i = 0; i < margin; ++i) {
    EXPECT_EQ(plain[i], std::byte{0x5a});
    EXPECT_EQ(plain[margin + size + i], std::byte{0x5a});
  }
  return refused;
}

Buffer bytes_from(std::initializer_list<int> values) {
  Buffer bytes;
  for (const int value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

TEST(Decode, PayloadsOfTheWrongLengthAreRefused) {
  EXPECT_FALSE(is_refused(Encoding::raw, Buffer(4), 4));
  EXPECT_TRUE(is_refused(Encoding::raw, Buffer(5), 4));
  EXPECT_TRUE(is_refused(Encoding::raw, Buffer(3), 4));
  EXPECT_FALSE(is_refused(Encoding::raw, {}, 0));
  for (const std::size_t size : {0U, 3U, 5U, 16U}) {
    EXPECT_TRUE(is_refused(Encoding::fill, Buffer(size), 32)) << size;
  }
  EXPECT_TRUE(is_refused(Encoding::fill, Buffer(4), 3));
  EXPECT_FALSE(is_refused(Encoding::fill, Buffer(4), 7));
  for (const Encoding encoding : {Encoding::zstd, Encoding::planes}) {
    EXPECT_TRUE(is_refused(encoding, {}, 0));
    EXPECT_TRUE(is_refused(encoding, {}, 100));
  }
  EXPECT_TRUE(is_refused(static_cast<Encoding>(4), Buffer(4), 4));
  EXPECT_TRUE(is_refused(static_cast<Encoding>(255), Buffer(4), 4));
}

TEST(Decode, PlanesMustFitTheirBlock) {
  const Buffer good = bytes_from({2, 0, 2, 0, 0, 0, 1, 1, 0, 0, 0, 1, 2, 9, 77});
  ASSERT_FALSE(is_refused(Encoding::planes, good, 5));
  Buffer plain(5);
  decode(Encoding::planes, good, {}, plain);
  EXPECT_EQ(plain, bytes_from({1, 9, 2, 9, 77}));

  const auto with = [&](std::size_t at, int value) {
    Buffer changed = good;
    changed[at] = static_cast<std::byte>(value);
    return changed;
  };
  EXPECT_TRUE(is_refused(Encoding::planes, with(0, 3), 5)) << "an unknown width";
  EXPECT_TRUE(is_refused(Encoding::planes, with(0, 0), 5)) << "no width";
  EXPECT_TRUE(is_refused(Encoding::planes, with(1, 7), 5)) << "an unknown form";
  EXPECT_TRUE(is_refused(Encoding::planes, with(1, 2), 5)) << "not zstd";
  EXPECT_TRUE(is_refused(Encoding::planes, with(2, 3), 5)) << "a plane too long";
  EXPECT_TRUE(is_refused(Encoding::planes, with(5, 255), 5)) << "a plane of gigabytes";
  EXPECT_TRUE(is_refused(Encoding::planes, with(7, 2), 5)) << "a fill of two bytes";
  EXPECT_TRUE(is_refused(Encoding::planes, good, 4)) << "bytes left over";
  EXPECT_TRUE(is_refused(Encoding::planes, good, 6)) << "a block too long";
  EXPECT_TRUE(is_refused(Encoding::planes, good, 1)) << "a block without a number";
  EXPECT_TRUE(is_refused(Encoding::planes, good, 0)) << "no block";
}

TEST(Decode, OneZstdFrameMustFillTheBlock) {
  const std::string text(1000, 'z');
  Buffer frame(2000);
  frame.resize(zstd_compress(as_bytes(text), frame, ZstdEffort::fast));
  ASSERT_FALSE(is_refused(Encoding::zstd, frame, 1000));
  EXPECT_TRUE(is_refused(Encoding::zstd, frame, 999));
  EXPECT_TRUE(is_refused(Encoding::zstd, frame, 1001));
  Buffer two = frame;
  two.insert(two.end(), frame.begin(), frame.end());
  EXPECT_TRUE(is_refused(Encoding::zstd, two, 2000)) << "two frames";
  Buffer skippable = bytes_from({0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0});
  EXPECT_TRUE(is_refused(Encoding::zstd, skippable, 0)) << "a frame of user data";
  skippable.insert(skippable.end(), frame.begin(), frame.end());
  EXPECT_TRUE(is_refused(Encoding::zstd, skippable, 1000)) << "user data before the frame";
}

std::vector<EncodedBlock> sample_blocks(Random& random, std::vector<std::size_t>& sizes) {
  std::vector<EncodedBlock> blocks;
  const auto add = [&](const Buffer& plain, Dtype dtype) {
    blocks.push_back(encode(plain, dtype));
    sizes.push_back(plain.size());
  };
  add(bytes_of(random.weights(600)), Dtype::f32);
  add(as_bf16(random.weights(1201)), Dtype::bf16);
  Buffer integers;
  for (int i = 0; i < 500; ++i) append_le(integers, std::uint64_t{random.below(1000)});
  add(integers, Dtype::i64);
  std::string text;
  for (int i = 0; i < 200; ++i) text += cat("word ", random.below(20), ' ');
  const Bytes letters = as_bytes(text);
  add(Buffer(letters.begin(), letters.end()), Dtype::opaque);
  add(Buffer(100, std::byte{3}), Dtype::u8);
  return blocks;
}

TEST(Decode, TruncatedPayloadsAreRefused) {
  Random random(31);
  std::vector<std::size_t> sizes;
  const auto blocks = sample_blocks(random, sizes);
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    for (std::size_t length = 0; length < blocks[i].payload.size(); ++length) {
      Buffer payload = blocks[i].payload;
      payload.resize(length);
      EXPECT_TRUE(is_refused(blocks[i].encoding, payload, sizes[i])) << i << " cut to " << length;
    }
  }
}

TEST(Decode, FlippedBitsGiveBytesOrAreRefused) {
  Random random(32);
  std::vector<std::size_t> sizes;
  const auto blocks = sample_blocks(random, sizes);
  std::size_t refused = 0;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    for (int k = 0; k < 3000; ++k) {
      Buffer payload = blocks[i].payload;
      for (std::size_t flips = 1 + random.below(3); flips > 0; --flips) {
        // Every other one in the first bytes, where the lengths are.
        const std::size_t end =
            random.below(2) == 0 ? payload.size() : std::min<std::size_t>(60, payload.size());
        payload[random.below(end)] ^= static_cast<std::byte>(1U << random.below(8));
      }
      refused += is_refused(blocks[i].encoding, payload, sizes[i]);
      is_refused(static_cast<Encoding>(random.below(5)), payload, random.below(5000));
    }
  }
  EXPECT_GT(refused, 0U);
}

}  // namespace
}  // namespace wfs
