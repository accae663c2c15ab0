#include "index/block_base.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "base/error.h"
#include "index/convert.h"

namespace wfs {
namespace {

BlockId id(unsigned number) {
  BlockId id;
  id.hash.bytes[0] = static_cast<std::byte>(number);
  return id;
}

BlockRef ref(unsigned number, std::uint32_t length) {
  BlockRef ref;
  ref.id = id(number);
  ref.plain_length = length;
  return ref;
}

std::shared_ptr<const Buffer> bytes_of_block(const BlockRef& ref) {
  Buffer bytes(ref.plain_length);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::byte>(std::to_integer<unsigned>(ref.id.hash.bytes[0]) * 16 + i % 16);
  }
  return std::make_shared<const Buffer>(std::move(bytes));
}

TEST(BlockBase, TheDescriptionInAPackComesBack) {
  BlockBase base;
  base.reason = BaseReason::similar;
  base.from = Dtype::f32;
  base.to = Dtype::bf16;
  base.skip = 70'000;
  base.position = 513;
  for (const unsigned further : {0u, 1u, 255u}) {
    base.blocks.clear();
    for (unsigned i = 0; i <= further; ++i) base.blocks.push_back(ref(i, 10));
    Buffer payload = bytes_of_base(base);
    EXPECT_EQ(payload.size(), 10 + further * 16);
    EXPECT_LE(payload.size(), base_names_bytes_max);
    const std::size_t length = payload.size();
    payload.resize(length + 5);
    const BaseNames names = base_names_of(id(0), payload);
    EXPECT_EQ(names.bytes, length);
    EXPECT_EQ(names.base.reason, base.reason);
    EXPECT_EQ(names.base.from, base.from);
    EXPECT_EQ(names.base.to, base.to);
    EXPECT_EQ(names.base.skip, base.skip);
    EXPECT_EQ(names.base.position, base.position);
    ASSERT_EQ(names.blocks.size(), base.blocks.size());
    for (unsigned i = 0; i <= further; ++i) EXPECT_EQ(names.blocks[i], id(i));
    for (std::size_t cut = 0; cut < length; ++cut) {
      EXPECT_THROW(base_names_of(id(0), Bytes(payload).first(cut)), Error) << cut;
    }
  }
}

TEST(BlockBase, TheDescriptionInARowComesBack) {
  BlockBase base;
  base.reason = BaseReason::sibling;
  base.skip = 12;
  base.position = 3;
  const std::vector<std::int64_t> numbers = {7, 1'000'000'000'000, 1};
  const Buffer row = row_of_base(base, numbers);
  const BaseNumbers read = base_numbers_of(row);
  EXPECT_EQ(read.blocks, numbers);
  EXPECT_EQ(read.base.reason, base.reason);
  EXPECT_EQ(read.base.skip, 12u);
  EXPECT_EQ(read.base.position, 3u);
  for (std::size_t cut = 0; cut < row.size(); ++cut) {
    if (cut == 17 || cut == 25) continue;  // that many blocks fewer
    EXPECT_THROW(base_numbers_of(Bytes(row).first(cut)), Error) << cut;
  }
}

TEST(BlockBase, AnUnknownMeaningIsCorrupt) {
  BlockBase base;
  base.blocks.push_back(ref(1, 10));
  struct Case {
    std::size_t at;
    unsigned value;
  };
  for (const Case wrong : {Case{0, 0}, {0, 5}, {1, 1}, {1, 200}, {2, 2}, {2, 255}}) {
    Buffer pack = bytes_of_base(base);
    Buffer row = row_of_base(base, {1});
    pack[wrong.at] = row[wrong.at] = static_cast<std::byte>(wrong.value);
    for (const auto& parse : {std::function([&] { base_names_of(id(1), pack); }),
                              std::function([&] { base_numbers_of(row); })}) {
      try {
        parse();
        ADD_FAILURE() << wrong.at << " " << wrong.value;
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), Errc::corrupt);
      }
    }
  }
}

TEST(BlockBase, BytesAreTakenFromNeighboursAndFilledUpWithZeros) {
  BlockBase base;
  base.blocks = {ref(1, 10), ref(2, 4), ref(3, 6)};
  struct Case {
    std::uint32_t skip, length;
  };
  Buffer all;
  for (const BlockRef& block : base.blocks) {
    const auto bytes = bytes_of_block(block);
    all.insert(all.end(), bytes->begin(), bytes->end());
  }
  for (const Case& one : {Case{0, 10}, {0, 3}, {2, 8}, {2, 9}, {9, 11}, {0, 20}, {3, 30}, {12, 5},
                          {40, 4}, {0, 0}}) {
    base.skip = one.skip;
    Buffer expected(one.skip < all.size() ? all.begin() + one.skip : all.end(), all.end());
    expected.resize(one.length);
    EXPECT_EQ(base_bytes(base, one.length, bytes_of_block), expected) << one.skip << ' ' << one.length;
  }
}

TEST(BlockBase, OnlyTheBlocksThatAreNeededAreLoaded) {
  BlockBase base;
  base.blocks = {ref(1, 10), ref(2, 10), ref(3, 10)};
  unsigned loaded = 0;
  base_bytes(base, 12, [&](const BlockRef& block) {
    ++loaded;
    return bytes_of_block(block);
  });
  EXPECT_EQ(loaded, 2u);
}

TEST(BlockBase, AConversionTakesAsManyNumbers) {
  BlockBase base;
  base.from = Dtype::f32;
  base.to = Dtype::bf16;
  EXPECT_EQ(source_length(base, 100), 200u);
  EXPECT_EQ(source_length(base, 101), 204u);
  base.from = Dtype::f16;
  base.to = Dtype::f32;
  EXPECT_EQ(source_length(base, 100), 50u);
  base.from = base.to;
  EXPECT_EQ(source_length(base, 100), 100u);
  const std::vector<float> numbers = {1.5f, -2.f, 0.f, 3.f};
  base.from = Dtype::f32;
  base.to = Dtype::bf16;
  base.blocks = {ref(1, 16)};
  const Buffer bytes = base_bytes(base, 9, [&](const BlockRef&) {
    Buffer plain(16);
    std::memcpy(plain.data(), numbers.data(), 16);
    return std::make_shared<const Buffer>(plain);
  });
  const std::vector<std::uint8_t> expected = {0xc0, 0x3f, 0x00, 0xc0, 0, 0, 0x40, 0x40, 0};
  ASSERT_EQ(bytes.size(), expected.size());
  EXPECT_EQ(std::memcmp(bytes.data(), expected.data(), expected.size()), 0);
}

float float_of_half(unsigned half) {
  const int exponent = static_cast<int>(half >> 10 & 31);
  const float mantissa = static_cast<float>(half & 1023);
  const float sign = (half & 0x8000) != 0 ? -1.f : 1.f;
  if (exponent == 31) return mantissa != 0 ? std::nanf("") : sign * HUGE_VALF;
  if (exponent == 0) return sign * std::ldexp(mantissa, -24);
  return sign * std::ldexp(1024.f + mantissa, exponent - 25);
}

template <class To>
To converted(Dtype from, Dtype to, std::uint32_t bits) {
  Buffer in(4);
  std::memcpy(in.data(), &bits, 4);
  Buffer out(sizeof(To));
  convert(from, in, to, out);
  To number;
  std::memcpy(&number, out.data(), sizeof number);
  return number;
}

TEST(Convert, EveryHalfIsTheFloatItStandsForAndComesBack) {
  for (unsigned half = 0; half < 0x10000; ++half) {
    const auto bits = converted<std::uint32_t>(Dtype::f16, Dtype::f32, half);
    const float expected = float_of_half(half);
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(std::bit_cast<float>(bits))) << half;
      EXPECT_TRUE(std::isnan(float_of_half(
          converted<std::uint16_t>(Dtype::f32, Dtype::f16, bits)))) << half;
      continue;
    }
    ASSERT_EQ(bits, std::bit_cast<std::uint32_t>(expected)) << half;
    ASSERT_EQ(converted<std::uint16_t>(Dtype::f32, Dtype::f16, bits), half);
  }
}

// Bits of the nearest half, ties to even, by trying: slow and plain.
unsigned nearest_half(float number) {
  const unsigned sign = std::signbit(number) ? 0x8000 : 0;
  const double size = std::fabs(static_cast<double>(number));
  if (size >= 65520) return sign | 0x7c00;
  unsigned low = 0, high = 0x7bff;
  while (low < high) {  // the greatest half that is not above
    const unsigned middle = (low + high + 1) / 2;
    if (static_cast<double>(float_of_half(middle)) <= size) low = middle; else high = middle - 1;
  }
  if (low == 0x7bff) return sign | low;
  const double below = size - static_cast<double>(float_of_half(low));
  const double above = static_cast<double>(float_of_half(low + 1)) - size;
  const bool up = above < below || (above == below && (low & 1) != 0);
  return sign | (low + (up ? 1 : 0));
}

TEST(Convert, FloatsAreRoundedToTheNearestEven) {
  const auto seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  for (int i = 0; i < 300'000; ++i) {
    auto bits = static_cast<std::uint32_t>(random());
    if (i % 3 == 0) bits = (bits & 0x8fffffff) | 0x30000000;  // where halves are
    if (i % 5 == 0) bits &= 0xfffff000;                        // ties
    const float number = std::bit_cast<float>(bits);
    const auto half = converted<std::uint16_t>(Dtype::f32, Dtype::f16, bits);
    const auto brain = converted<std::uint16_t>(Dtype::f32, Dtype::bf16, bits);
    if (std::isnan(number)) {
      EXPECT_TRUE(std::isnan(float_of_half(half))) << bits;
      EXPECT_TRUE((brain & 0x7fff) > 0x7f80) << bits;
      continue;
    }
    ASSERT_EQ(half, nearest_half(number)) << bits;
    const std::uint32_t rest = bits & 0xffff;
    const bool up = rest > 0x8000 || (rest == 0x8000 && (bits & 0x10000) != 0);
    ASSERT_EQ(brain, static_cast<std::uint16_t>((bits >> 16) + (up ? 1 : 0))) << bits;
    ASSERT_EQ(converted<std::uint32_t>(Dtype::bf16, Dtype::f32, brain),
              static_cast<std::uint32_t>(brain) << 16);
  }
}

}  // namespace
}  // namespace wfs
