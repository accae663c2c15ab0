#include "codec/tensor_health.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/codec/samples.h"

namespace wfs {
namespace {

template <class Number>
Buffer buffer_of(const std::vector<Number>& numbers) {
  Buffer bytes(numbers.size() * sizeof(Number));
  std::memcpy(bytes.data(), numbers.data(), bytes.size());
  return bytes;
}

Health health_of(Dtype dtype, Bytes bytes) {
  HealthMeter meter(dtype);
  meter.add(bytes);
  return meter.finish();
}

TEST(HealthMeter, FindsWhatIsNotFiniteAndMeasuresTheRest) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> numbers = {3, -4, nan, inf, -inf, 0, -nan, -0.0F};
  const auto expect_found = [](const Health& health, const char* type) {
    EXPECT_EQ(health.count, 8U) << type;
    EXPECT_EQ(health.nan, 2U) << type;
    EXPECT_EQ(health.inf, 2U) << type;
    EXPECT_EQ(health.min, -4) << type;
    EXPECT_EQ(health.max, 3) << type;
    EXPECT_EQ(health.l2, 5) << type;
  };
  expect_found(health_of(Dtype::f32, buffer_of(numbers)), "f32");
  expect_found(
      health_of(Dtype::f64, buffer_of(std::vector<double>(numbers.begin(), numbers.end()))), "f64");
  const std::vector<std::uint16_t> bf16 = {0x4040, 0xc080, 0x7fc0, 0x7f80,
                                           0xff80, 0,      0xff81, 0x8000};
  expect_found(health_of(Dtype::bf16, buffer_of(bf16)), "bf16");
  const std::vector<std::uint16_t> f16 = {0x4200, 0xc400, 0x7e00, 0x7c00,
                                          0xfc00, 0,      0xfc01, 0x8000};
  expect_found(health_of(Dtype::f16, buffer_of(f16)), "f16");
}

TEST(HealthMeter, EveryHalfHasItsValue) {
  for (std::uint32_t bits = 0; bits < 0x7c00; ++bits) {
    const int exponent = static_cast<int>(bits >> 10);
    const double value = exponent == 0 ? std::ldexp(bits & 0x3ff, -24)
                                       : std::ldexp(1024 + (bits & 0x3ff), exponent - 25);
    const auto number = static_cast<std::uint16_t>(bits);
    const Health health =
        health_of(Dtype::f16,
                  buffer_of<std::uint16_t>({number, static_cast<std::uint16_t>(number | 0x8000)}));
    ASSERT_EQ(health.max, value) << bits;
    ASSERT_EQ(health.min, -value) << bits;
  }
}

TEST(HealthMeter, IntegersHaveTheirRange) {
  EXPECT_EQ(health_of(Dtype::i8, buffer_of<std::int8_t>({-128, 127, 0})).min, -128);
  EXPECT_EQ(health_of(Dtype::u8, buffer_of<std::uint8_t>({200, 7})).max, 200);
  EXPECT_EQ(health_of(Dtype::i16, buffer_of<std::int16_t>({-3, -4})).max, -3);
  EXPECT_EQ(health_of(Dtype::u16, buffer_of<std::uint16_t>({3, 4})).l2, 5);
  EXPECT_EQ(health_of(Dtype::i32, buffer_of<std::int32_t>({-5})).max, -5);
  EXPECT_EQ(health_of(Dtype::u32, buffer_of<std::uint32_t>({4294967295U})).max, 4294967295.0);
  EXPECT_EQ(health_of(Dtype::i64, buffer_of<std::int64_t>({-1, 5})).min, -1);
  EXPECT_EQ(health_of(Dtype::u64, buffer_of<std::uint64_t>({1, 5})).count, 2U);
}

TEST(HealthMeter, NothingOrNothingFiniteHasNoRange) {
  for (const Buffer& bytes :
       {Buffer{}, buffer_of<float>({std::numeric_limits<float>::infinity()})}) {
    const Health health = health_of(Dtype::f32, bytes);
    EXPECT_EQ(health.min, 0);
    EXPECT_EQ(health.max, 0);
    EXPECT_EQ(health.l2, 0);
  }
}

TEST(HealthMeter, PiecesAndMergedMetersMeasureTheWhole) {
  Random random(41);
  const auto weights = random.weights(10'007);
  const Buffer bytes = bytes_of(weights);
  double squares = 0;
  for (const float weight : weights) squares += double{weight} * double{weight};
  const Health whole = health_of(Dtype::f32, bytes);
  EXPECT_NEAR(whole.l2, std::sqrt(squares), 1e-9);
  EXPECT_EQ(whole.min, *std::min_element(weights.begin(), weights.end()));
  EXPECT_EQ(whole.max, *std::max_element(weights.begin(), weights.end()));

  HealthMeter meter(Dtype::f32);
  HealthMeter other(Dtype::f32);
  for (std::size_t at = 0, step = 4; at < bytes.size(); at += step, step += 4) {
    auto& next = step % 8 == 0 ? meter : other;
    next.add(Bytes(bytes).subspan(at, std::min(step, bytes.size() - at)));
  }
  meter.merge(other);
  EXPECT_EQ(meter.finish().count, whole.count);
  EXPECT_EQ(meter.finish().min, whole.min);
  EXPECT_EQ(meter.finish().max, whole.max);
  EXPECT_NEAR(meter.finish().l2, whole.l2, 1e-9);
}

TEST(HealthMeter, MeasuresNumbersOnly) {
  EXPECT_TRUE(HealthMeter::measures(Dtype::bf16));
  EXPECT_TRUE(HealthMeter::measures(Dtype::u64));
  for (const Dtype dtype :
       {Dtype::opaque, Dtype::quantised, Dtype::c64, Dtype::f4, Dtype::boolean}) {
    EXPECT_FALSE(HealthMeter::measures(dtype)) << name_of(dtype);
  }
}

}  // namespace
}  // namespace wfs
