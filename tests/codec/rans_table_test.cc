#include "codec/rans_table.h"

#include <gtest/gtest.h>

#include "tests/codec/reference_rans.h"
#include "tests/codec/samples.h"

namespace wfs {
namespace {

Buffer bytes_from(std::initializer_list<unsigned> values) {
  Buffer bytes;
  for (const unsigned value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

TEST(RansTable, ATableComesBack) {
  Random random(41);
  for (int round = 0; round < 200; ++round) {
    std::array<std::uint32_t, 256> counts{};
    const std::size_t symbols = 1 + random.below(256);
    for (std::size_t i = 0; i < symbols; ++i) {
      counts[random.below(256)] += 1 + static_cast<std::uint32_t>(random.below(1U << i % 20));
    }
    for (const unsigned bits : {delta_table_bits, planes_table_bits}) {
      const Frequencies frequencies = reference::normalised(counts, bits);
      Buffer stored;
      append_table(stored, frequencies, bits);
      append_le(stored, std::uint8_t{77});
      Cursor cursor(stored);
      EXPECT_EQ(take_table(cursor, bits), frequencies);
      EXPECT_EQ(cursor.number<std::uint8_t>(), 77);
    }
  }
}

TEST(RansTable, TheBytesOfATableAreThoseOfTheFormat) {
  Frequencies frequencies{};
  frequencies[2] = 127;
  frequencies[3] = 128;
  frequencies[7] = 1024 - 255;
  Buffer stored;
  append_table(stored, frequencies, 10);
  EXPECT_EQ(stored, bytes_from({7, 0, 2, 127, 0x80, 128, 0, 3, 0x83, 1}));

  Frequencies one{};
  one[255] = 2048;
  stored.clear();
  append_table(stored, one, 11);
  EXPECT_EQ(stored, bytes_from({255, 0, 255, 0x88, 0}));
  std::vector<std::uint32_t> entries(2048 + decode_table_padding);
  fill_decode_table(one, plain_meanings, entries);
  EXPECT_EQ(entries[2047], 2047U | 255U << 11 | 2048U << 20);
}

TEST(RansTable, BadTablesAreRefused) {
  const std::initializer_list<std::pair<const char*, Buffer>> cases = {
      {"nothing", {}},
      {"no frequency", bytes_from({0})},
      {"too few slots", bytes_from({0, 0x83, 0xff})},
      {"too many slots", bytes_from({0, 0x84, 1})},
      {"too many in the second", bytes_from({1, 0x84, 0, 1})},
      {"a run of none", bytes_from({1, 0, 0, 0x84, 0})},
      {"a run over the greatest symbol", bytes_from({1, 0, 2, 0x84, 0})},
      {"a frequency of none in two bytes", bytes_from({1, 0x80, 0, 0x84, 0})},
      {"half a frequency", bytes_from({0, 0x84})},
  };
  for (const auto& [name, stored] : cases) {
    Cursor cursor(stored);
    try {
      take_table(cursor, 10);
      ADD_FAILURE() << name;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Errc::corrupt) << name;
    }
  }
}

// The oracle against itself, so that what is compared with it can rely on it.
TEST(RansReference, PayloadsComeBack) {
  Random random(42);
  for (const std::size_t size : {8U, 63U, 64U, 127U, 128U, 129U, 260U, 1000U, 5003U}) {
    const Buffer plain = as_bf16(random.weights(size / 2 + 1));
    const Bytes block = Bytes(plain).first(size);
    Buffer base(block.begin(), block.end());
    for (std::size_t i = 0; i < size; i += 3) base[i] ^= static_cast<std::byte>(random.below(16));
    for (const unsigned width : {1U, 2U, 4U, 8U}) {
      const std::vector<unsigned> forms(width, 3);
      const Buffer planes = reference::planes_payload(block, width, width > 1, forms);
      EXPECT_EQ(reference::planes_plain(planes, size), Buffer(block.begin(), block.end()));
      const Buffer delta = reference::delta_planes_payload(block, base, width, forms);
      EXPECT_EQ(reference::delta_plain(delta, base), Buffer(block.begin(), block.end()));
      if (width == 8) continue;
      for (const auto offsets : {reference::Offsets::constant, reference::Offsets::varying}) {
        for (const unsigned shift : {8 * width - 1, 8 * width - 5}) {
          const Buffer tokens = reference::tokens_payload(block, base, {width, shift}, offsets);
          EXPECT_EQ(reference::delta_plain(tokens, base), Buffer(block.begin(), block.end()))
              << width << " x " << size;
        }
      }
    }
    const std::array<std::uint8_t, 5> classes = {0, 7, 2, 2, 3};
    for (const auto operation :
         {reference::Operation::difference, reference::Operation::exclusive_or}) {
      const Buffer groups = reference::groups_payload(block, base, operation, classes);
      EXPECT_EQ(reference::delta_plain(groups, base), Buffer(block.begin(), block.end()));
    }
  }
}

}  // namespace
}  // namespace wfs
