#include "codec/histogram.h"

#include <gtest/gtest.h>

#include <numeric>

#include "codec/estimate.h"
#include "codec/quant_groups.h"
#include "tests/codec/samples.h"

namespace wfs {
namespace {

double cost_of(const Counts& counts, const Frequencies& frequencies, unsigned bits) {
  double cost = 0;
  for (std::size_t s = 0; s < rans_symbols; ++s) {
    if (counts[s] != 0) cost += counts[s] * (bits - std::log2(static_cast<double>(frequencies[s])));
  }
  return cost;
}

TEST(Histogram, FrequenciesFillTheTableAndLeaveNoSymbolOut) {
  Random random(40);
  for (int round = 0; round < 2000; ++round) {
    Counts counts{};
    const std::size_t used = 1 + random.below(rans_symbols);
    const std::size_t spread = random.below(18);
    for (std::size_t i = 0; i < used; ++i) {
      counts[random.below(rans_symbols)] =
          1 + static_cast<std::uint32_t>(random.below(std::size_t{1} << random.below(spread + 1)));
    }
    for (const unsigned bits : {delta_table_bits, planes_table_bits}) {
      const Frequencies frequencies = normalise(counts, bits);
      EXPECT_EQ(std::accumulate(frequencies.begin(), frequencies.end(), 0U), 1U << bits);
      for (std::size_t s = 0; s < rans_symbols; ++s) {
        EXPECT_EQ(frequencies[s] != 0, counts[s] != 0);
      }
    }
  }
}

TEST(Histogram, FrequenciesCostLittleMoreThanTheEntropy) {
  Random random(41);
  for (const double deviation : {1.0, 4.0, 20.0}) {
    std::normal_distribution<double> normal(128, deviation);
    Counts counts{};
    for (int i = 0; i < 100'000; ++i) {
      ++counts[static_cast<std::size_t>(std::clamp(normal(random), 0.0, 255.0))];
    }
    const double entropy = entropy_bits(counts);
    const Frequencies frequencies = normalise(counts, delta_table_bits);
    EXPECT_LT(cost_of(counts, frequencies, delta_table_bits), 1.01 * entropy) << deviation;
  }
}

TEST(Histogram, EntropyIsThatOfTheDefinition) {
  Random random(42);
  for (const std::uint32_t n : {0U, 1U, 2U, 3U, 1000U, 1023U, 1024U, 1025U, 65'536U, 262'143U}) {
    const double exact = n == 0 ? 0 : n * std::log2(static_cast<double>(n));
    EXPECT_NEAR(n_log_n(n), exact, 0.001 * exact) << n;
  }
  EXPECT_EQ(entropy_bits(Counts{}), 0);
  Counts one{};
  one[7] = 12'345;
  EXPECT_NEAR(entropy_bits(one), 0, 1e-6);
  Counts even{};
  even.fill(64);
  EXPECT_NEAR(entropy_bits(even), 8.0 * 64 * 256, 1);
}

TEST(Histogram, BytesAreCounted) {
  Random random(43);
  for (const std::size_t size : {0U, 1U, 7U, 8U, 9U, 1000U}) {
    const Buffer bytes = random.bytes(size);
    Counts expected{};
    for (const std::byte byte : bytes) ++expected[std::to_integer<std::size_t>(byte)];
    EXPECT_EQ(count_bytes(bytes), expected) << size;
  }
}

TEST(Estimate, SamplesComeFromInsideAndKeepTheirAlignment) {
  Random random(44);
  for (const std::size_t size : {0U, 5U, 8192U, 8193U, 8200U, 30'001U, 262'144U}) {
    Buffer bytes(size);
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i % 8);
    Buffer sample(8192, std::byte{99});
    const std::size_t length = take_sample(bytes, sample);
    EXPECT_EQ(length, std::min<std::size_t>(size, 8192));
    for (std::size_t i = 0; i < length; ++i) {
      ASSERT_EQ(sample[i], static_cast<std::byte>(i % 8)) << size << " at " << i;
    }
  }
}

TEST(QuantGroups, EveryTypeWithGroupsHasAClassForEachByte) {
  for (std::uint8_t number = 0; number < dtype_count; ++number) {
    const auto dtype = static_cast<Dtype>(number);
    const auto classes = group_classes_of(dtype);
    EXPECT_EQ(classes.size(), group_bytes_of(dtype) > 1 ? group_bytes_of(dtype) : 0)
        << name_of(dtype);
  }
  EXPECT_EQ(group_classes_of(Dtype::q8_0)[1], 1);
  EXPECT_EQ(group_classes_of(Dtype::q8_0)[2], 2);
  EXPECT_EQ(group_classes_of(Dtype::q8_0)[33], 2);
}

}  // namespace
}  // namespace wfs
