#include "codec/encode.h"

#include <gtest/gtest.h>

#include <limits>

#include "codec/decode.h"
#include "codec/split.h"
#include "tests/codec/samples.h"

namespace wfs {
namespace {

EncodedBlock expect_round_trip(Bytes plain, Dtype dtype) {
  EncodedBlock block = encode(plain, dtype);
  EXPECT_LE(block.payload.size(), plain.size());
  Buffer decoded(plain.size(), std::byte{0xa5});
  decode(block.encoding, block.payload, {}, decoded);
  EXPECT_TRUE(std::equal(decoded.begin(), decoded.end(), plain.begin(), plain.end()))
      << name_of(dtype) << ", " << plain.size() << " bytes, " << name_of(block.encoding);
  return block;
}

// Bytes of every kind that a tensor may hold.
std::vector<Buffer> contents_of(Random& random, std::size_t size) {
  std::vector<Buffer> contents = {random.bytes(size), Buffer(size), Buffer(size, std::byte{0xff})};
  Buffer weights = bytes_of(random.weights(size / 4 + 1));
  weights.resize(size);
  contents.push_back(weights);
  weights = as_bf16(random.weights(size / 2 + 1));
  weights.resize(size);
  contents.push_back(weights);

  const std::vector<float> odd = {-0.0F,
                                  0.0F,
                                  std::numeric_limits<float>::infinity(),
                                  -std::numeric_limits<float>::infinity(),
                                  std::numeric_limits<float>::denorm_min(),
                                  1.0F,
                                  -1e-40F};
  Buffer special;
  while (special.size() < size) {
    const auto nan = static_cast<std::uint32_t>(0x7f80'0001 + random.below(0x7f'fffe));
    append_le(special, random.below(3) == 0 ? nan | 0x8000'0000 : nan);
    append_bytes(special, bytes_of({odd[random.below(odd.size())]}));
  }
  special.resize(size);
  contents.push_back(special);

  Buffer pattern(size);
  const Buffer period = random.bytes(8);
  for (std::size_t i = 0; i < size; ++i) pattern[i] = period[i % 8];
  contents.push_back(pattern);
  if (size > 0) {
    pattern[random.below(size)] ^= std::byte{1};
    contents.push_back(pattern);
  }
  Buffer small(size);
  for (std::byte& byte : small) byte = static_cast<std::byte>(random.below(3));
  contents.push_back(small);
  return contents;
}

TEST(Encode, EveryBlockOfEveryTypeDecodesToItsBytes) {
  Random random(17);
  std::vector<std::size_t> sizes = {255, 256, 257, 1000, 4097, 30'001, 65'536};
  for (std::size_t size = 0; size <= 70; ++size) sizes.push_back(size);
  for (const std::size_t size : sizes) {
    for (const Buffer& plain : contents_of(random, size)) {
      for (std::uint8_t number = 0; number < dtype_count; ++number) {
        expect_round_trip(plain, static_cast<Dtype>(number));
      }
    }
  }
}

TEST(Encode, BlocksOfTheFullSizeDecodeToTheirBytes) {
  Random random(18);
  for (const std::size_t size : {block_size_max - 3, block_size_max - 1, block_size_max}) {
    for (const Buffer& plain : contents_of(random, size)) {
      for (const Dtype dtype :
           {Dtype::opaque, Dtype::f64, Dtype::f32, Dtype::bf16, Dtype::i16, Dtype::u8}) {
        expect_round_trip(plain, dtype);
      }
    }
  }
}

TEST(Encode, EqualElementsAreOnePattern) {
  struct Case {
    std::size_t period;
    Encoding encoding;
  };
  for (const auto& [period, encoding] : {Case{1, Encoding::fill}, Case{2, Encoding::fill},
                                         Case{4, Encoding::fill}, Case{8, Encoding::fill}}) {
    Buffer plain(block_size_max);
    for (std::size_t i = 0; i < plain.size(); ++i)
      plain[i] = static_cast<std::byte>(i % period + 1);
    const EncodedBlock block = expect_round_trip(plain, Dtype::f32);
    EXPECT_EQ(block.encoding, encoding);
    EXPECT_EQ(block.payload.size(), period);
  }
}

TEST(Encode, RandomBytesStayRaw) {
  Random random(19);
  const Buffer plain = random.bytes(block_size_max);
  for (const Dtype dtype : {Dtype::opaque, Dtype::f32, Dtype::bf16, Dtype::u8, Dtype::i64}) {
    EXPECT_EQ(expect_round_trip(plain, dtype).encoding, Encoding::raw) << name_of(dtype);
  }
}

TEST(Encode, TextIsCompressed) {
  Random random(20);
  std::string text;
  while (text.size() < 100'000)
    text += cat("\"token_", random.below(5000), "\": ", random.below(100), ", ");
  const EncodedBlock block = expect_round_trip(as_bytes(text), Dtype::opaque);
  EXPECT_EQ(block.encoding, Encoding::zstd);
  EXPECT_LT(block.payload.size() * 2, text.size());
}

// The figures are those of an order-0 coder on the exponents of normal numbers, and a little.
TEST(Encode, WeightsReachTheSizeThatTheirExponentsAllow) {
  Random random(21);
  const auto ratio = [](const Buffer& plain, Dtype dtype) {
    const EncodedBlock block = expect_round_trip(plain, dtype);
    EXPECT_EQ(block.encoding, Encoding::planes) << name_of(dtype);
    return static_cast<double>(block.payload.size()) / static_cast<double>(plain.size());
  };
  const auto weights = random.weights(block_size_max / 4);
  const auto narrow = random.weights(block_size_max / 2);
  EXPECT_LT(ratio(bytes_of(weights), Dtype::f32), 0.836);
  EXPECT_LT(ratio(as_bf16(narrow), Dtype::bf16), 0.670);
  EXPECT_LT(ratio(as_f16(narrow), Dtype::f16), 0.86);
  // A storage of unknown type takes the same forms.
  EXPECT_LT(ratio(bytes_of(weights), Dtype::opaque), 0.836);
  EXPECT_LT(ratio(as_bf16(narrow), Dtype::opaque), 0.670);
}

TEST(Encode, EightBitFloatsTakeTheirEntropy) {
  Random random(24);
  const Buffer halves = as_f16(random.weights(block_size_max));
  Buffer plain;  // e5m2 is the upper byte of f16
  for (std::size_t i = 1; i < halves.size(); i += 2) plain.push_back(halves[i]);
  const EncodedBlock block = expect_round_trip(plain, Dtype::f8_e5m2);
  EXPECT_EQ(block.encoding, Encoding::zstd);
  EXPECT_LT(block.payload.size() * 100, plain.size() * 72);
}

TEST(Encode, SmallIntegersTakeTheBytesTheyNeed) {
  Random random(22);
  Buffer plain;
  for (int i = 0; i < 20'000; ++i) append_le(plain, std::uint64_t{random.below(50'000)});
  const EncodedBlock block = expect_round_trip(plain, Dtype::i64);
  EXPECT_LT(block.payload.size() * 100, plain.size() * 27);
}

TEST(Encode, TheSameBytesGiveTheSamePayload) {
  Random random(23);
  const Buffer plain = as_bf16(random.weights(50'000));
  const EncodedBlock first = encode(plain, Dtype::bf16);
  encode(random.bytes(100'000), Dtype::opaque);
  EXPECT_EQ(encode(plain, Dtype::bf16).payload, first.payload);
}

}  // namespace
}  // namespace wfs
