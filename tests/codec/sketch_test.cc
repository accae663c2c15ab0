#include "codec/sketch.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/codec/samples.h"

namespace wfs {
namespace {

Segment segment_of(const Buffer& bytes, Dtype dtype, std::uint64_t columns = 64) {
  return {{0, bytes.size()}, Tensor{"weight", dtype, {columns}}};
}

std::optional<Sketch> first_sketch(const Buffer& bytes, Dtype dtype) {
  const Segment segment = segment_of(bytes, dtype);
  const auto places = sketch_places(segment);
  if (places.empty()) return std::nullopt;
  return sketch_of(MemorySource(bytes), segment, places.front());
}

int equal_bands(const Sketch& a, const Sketch& b) {
  int equal = 0;
  for (unsigned i = 0; i < sketch_bands; ++i) {
    equal += (a.valid & b.valid & 1u << i) != 0 && a.bands[i] == b.bands[i];
  }
  return equal;
}

constexpr std::size_t whole = sketch_span_max;

}  // namespace

TEST(Sketch, PlacesAreTheStartAndTheMiddleOfLongTensors) {
  struct Case {
    std::uint64_t elements;
    std::vector<SketchPlace> places;
  };
  const std::vector<Case> cases = {
      {16383, {}},
      {16384, {{0, 16384}}},
      {40000, {{0, 32768}}},
      {131072, {{0, 131072}}},
      {262143, {{0, 131072}}},
      {262144, {{0, 131072}, {131072, 131072}}},
      {1'000'000, {{0, 131072}, {3 * 131072, 131072}}},
  };
  for (const Case& at : cases) {
    const Segment segment{{40, 2 * at.elements + 1}, Tensor{"", Dtype::bf16, {}}};
    EXPECT_EQ(sketch_places(segment), at.places) << at.elements;
  }
}

TEST(Sketch, TypesWithoutValuesHaveNoPlaces) {
  for (const Dtype dtype : {Dtype::opaque, Dtype::i8, Dtype::i64, Dtype::boolean, Dtype::c64,
                            Dtype::q4_k, Dtype::f4, Dtype::quantised}) {
    EXPECT_TRUE(sketch_places({{0, 1 << 20}, Tensor{"", dtype, {}}}).empty()) << name_of(dtype);
  }
  EXPECT_TRUE(sketch_places({{0, 1 << 20}, std::nullopt}).empty());
}

// Stored sketches meet those of later programs.
TEST(Sketch, IsTheSameForEver) {
  std::vector<float> values(sketch_span_min);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>(static_cast<int>(i * 40503u % 65536) - 32768);
  }
  const auto sketch = first_sketch(bytes_of(values), Dtype::f32);
  ASSERT_TRUE(sketch);
  EXPECT_EQ(sketch->valid, 0xff);
  Buffer bytes;
  for (const auto band : sketch->bands) append_le(bytes, band);
  for (const auto sample : sketch->samples) append_le(bytes, sample);
  std::uint64_t sum = 0;
  for (const std::byte byte : bytes) sum = sum * 1099511628211u + std::to_integer<unsigned>(byte);
  EXPECT_EQ(sum, 1551595634771346047u);
}

TEST(Sketch, CastsLookTheSame) {
  Random random(1);
  const auto values = random.weights(whole);
  const auto original = first_sketch(bytes_of(values), Dtype::f32);
  ASSERT_TRUE(original);
  EXPECT_EQ(first_sketch(as_bf16(values), Dtype::bf16), original);
  std::vector<double> wide(values.begin(), values.end());
  Buffer bytes(wide.size() * 8);
  std::memcpy(bytes.data(), wide.data(), bytes.size());
  EXPECT_EQ(first_sketch(bytes, Dtype::f64), original);
  const auto half = first_sketch(as_f16(values), Dtype::f16);
  ASSERT_TRUE(half);
  EXPECT_GE(equal_bands(*half, *original), 6);
  EXPECT_LT(distance(half->samples, original->samples), 0.5);
}

TEST(Sketch, ReadsEightBitFloats) {
  Random random(2);
  struct Case {
    Dtype dtype;
    int mantissa_bits, bias;
  };
  for (const Case& at : {Case{Dtype::f8_e4m3, 3, 7}, Case{Dtype::f8_e5m2, 2, 15},
                         Case{Dtype::f8_e4m3_fnuz, 3, 8}, Case{Dtype::f8_e5m2_fnuz, 2, 16}}) {
    Buffer bytes(whole);
    std::vector<float> values(whole);
    for (std::size_t i = 0; i < whole; ++i) {
      const auto bits = static_cast<int>(random.below(0x70));  // below what is no number
      const int exponent = bits >> at.mantissa_bits;
      const int mantissa = bits & ((1 << at.mantissa_bits) - 1);
      const bool minus = bits != 0 && random.below(2) == 1;
      values[i] = exponent == 0
                      ? std::ldexp(static_cast<float>(mantissa), 1 - at.bias - at.mantissa_bits)
                      : std::ldexp(static_cast<float>(mantissa + (1 << at.mantissa_bits)),
                                   exponent - at.bias - at.mantissa_bits);
      if (minus) values[i] = -values[i];
      bytes[i] = static_cast<std::byte>(bits | (minus ? 0x80 : 0));
    }
    EXPECT_EQ(first_sketch(bytes, at.dtype), first_sketch(bytes_of(values), Dtype::f32))
        << name_of(at.dtype);
  }
}

TEST(Sketch, ConstantsAndNumbersThatAreNoneHaveNone) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  for (const float value : {0.0F, -0.0F, 1.0F, nan, inf, -inf}) {
    std::vector<float> values(whole, value);
    EXPECT_FALSE(first_sketch(bytes_of(values), Dtype::f32)) << value;
    for (std::size_t i = 0; i < whole; i += 40) values[i] = static_cast<float>(i);
    EXPECT_FALSE(first_sketch(bytes_of(values), Dtype::f32)) << value << ", few others";
  }
}

TEST(Sketch, ReadsAnyBytesOfAnyType) {
  Random random(3);
  for (std::uint8_t number = 0; number < dtype_count; ++number) {
    const Dtype dtype = *dtype_of_number(number);
    for (int round = 0; round < 4; ++round) {
      Buffer bytes = random.bytes(16384 + random.below(300'000));
      if (round == 1) std::fill(bytes.begin(), bytes.end(), std::byte{0xff});
      const Segment segment = segment_of(bytes, dtype);
      for (const SketchPlace& place : sketch_places(segment)) {
        const auto sketch = sketch_of(MemorySource(bytes), segment, place);
        if (!sketch) continue;
        for (const std::uint16_t sample : sketch->samples) {
          EXPECT_NE(sample & 0x7f80, 0x7f80) << name_of(dtype);
        }
        EXPECT_EQ(distance(sketch->samples, sketch->samples), 0) << name_of(dtype);
      }
    }
  }
}

TEST(Sketch, UnrelatedWeightsAreFarAndChangedOnesNear) {
  Random random(4);
  const auto values = random.weights(whole);
  const auto original = first_sketch(bytes_of(values), Dtype::f32);
  const auto unrelated = first_sketch(bytes_of(random.weights(whole)), Dtype::f32);
  auto tuned = values;
  for (std::size_t i = 0; i < whole; ++i) tuned[i] += 0.05F * random.weights(1)[0];
  const auto near = first_sketch(bytes_of(tuned), Dtype::f32);
  ASSERT_TRUE(original && unrelated && near);
  EXPECT_GT(distance(original->samples, unrelated->samples), distance_far);
  EXPECT_LT(sign_agreement(original->samples, unrelated->samples), 0.75);
  EXPECT_FALSE(is_related(original->samples, unrelated->samples));
  EXPECT_LT(distance(original->samples, near->samples), distance_near);
  EXPECT_GT(sign_agreement(original->samples, near->samples), 0.9);
  EXPECT_TRUE(is_related(original->samples, near->samples));
  EXPECT_GE(equal_bands(*original, *near), 4);
}

TEST(Sketch, PrunedWeightsStayRelatedAndUnrelatedPrunedOnesDoNot) {
  Random random(5);
  auto pruned = [](std::vector<float> values, float below) {
    for (float& value : values) value = std::fabs(value) < below ? 0 : value;
    return *first_sketch(bytes_of(values), Dtype::f32);
  };
  const auto values = random.weights(whole);
  const auto others = random.weights(whole);
  const auto original = *first_sketch(bytes_of(values), Dtype::f32);
  for (const float below : {0.0135F, 0.0256F}) {  // 50 and 80 %
    const Sketch sparse = pruned(values, below);
    EXPECT_TRUE(is_related(original.samples, sparse.samples)) << below;
    EXPECT_TRUE(is_related(sparse.samples, original.samples)) << below;
    EXPECT_GE(equal_bands(original, sparse), 1) << below;
    const Sketch foreign = pruned(others, below);
    EXPECT_FALSE(is_related(original.samples, foreign.samples)) << below;
    EXPECT_FALSE(is_related(sparse.samples, foreign.samples)) << below;
  }
}

// Scales of norms and squared gradients: alike wherever one looks.
TEST(Sketch, ValuesOfOneSignAndSizeAreNotRelatedByThat) {
  Random random(6);
  auto around_one = [&] {
    auto values = random.weights(whole);
    for (float& value : values) value += 1;
    return values;
  };
  const auto values = around_one();
  const auto a = first_sketch(bytes_of(values), Dtype::f32);
  const auto b = first_sketch(bytes_of(around_one()), Dtype::f32);
  auto tuned = values;
  for (float& value : tuned) value *= 1.0003F;
  const auto c = first_sketch(bytes_of(tuned), Dtype::f32);
  ASSERT_TRUE(a && b && c);
  EXPECT_LT(distance(a->samples, b->samples), distance_near);
  EXPECT_FALSE(is_related(a->samples, b->samples));
  EXPECT_EQ(sign_agreement(a->samples, b->samples), 0.5);
  EXPECT_TRUE(is_related(a->samples, c->samples));
}

}  // namespace wfs
