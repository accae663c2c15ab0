// The encoder's streams, read by the oracle.
#include "codec/rans_encode.h"

#include <gtest/gtest.h>

#include "codec/encode_delta.h"
#include "codec/encode_planes.h"
#include "codec/simd.h"
#include "tests/codec/contents.h"
#include "tests/codec/reference_rans.h"

namespace wfs {
namespace {

// Runs with each kind of vectors.
template <class Work>
void with_every_kind(Work work) {
  for (const std::string_view kind : simd_kinds()) {
    SCOPED_TRACE(kind);
    force_simd(kind);
    work();
  }
  force_simd("");
}

constexpr std::size_t sizes[] = {8, 63, 64, 65, 127, 128, 129, 1000, 8191, 8192, 8194, 70'003};

TEST(RansEncode, TheOracleReadsPlanes) {
  with_every_kind([] {
    Random random(50);
    for (const std::size_t size : sizes) {
      for (const unsigned width : {1U, 2U, 4U, 8U}) {
        Buffer plain(size);
        for (std::byte& byte : plain) {  // few enough symbols for a stream to pay
          byte = static_cast<std::byte>(random.below(2 + random.below(9)));
        }
        const auto rotation = width > 1 ? Rotation::upper_half : Rotation::none;
        Buffer payload;
        ASSERT_TRUE(append_planes(payload, plain, {width, rotation}, 2 * size + 999));
        EXPECT_EQ(reference::planes_plain(payload, size), plain) << size << " by " << width;
      }
    }
  });
}

DeltaChoice tokens_choice(TokenShape shape, Offsets offsets) {
  DeltaChoice choice;
  choice.tokens.shape = shape;
  choice.tokens.offsets = offsets;
  return choice;
}

TEST(RansEncode, TheOracleReadsTokensOfEveryShapeAndOffset) {
  with_every_kind([] {
    Random random(51);
    for (const std::size_t size : {8U, 65U, 129U, 255U, 8194U}) {
      const Buffer weights = bytes_of(random.weights(size / 4 + 1));
      for (Buffer plain : {weights, special_floats(random, size), random.bytes(size)}) {
        plain.resize(size);
        for (const Buffer& base : bases_of(random, plain)) {
          for (const TokenShape shape :
               {TokenShape{1, 3}, TokenShape{1, 7}, TokenShape{2, 7}, TokenShape{2, 10},
                TokenShape{2, 15}, TokenShape{4, 23}, TokenShape{4, 31}}) {
            for (const Offsets offsets :
                 {Offsets{Offsets::Kind::constant, 0}, Offsets{Offsets::Kind::constant, 117},
                  Offsets{Offsets::Kind::relative, -3}, Offsets{Offsets::Kind::relative, 250}}) {
              const Buffer payload =
                  encode_delta(plain, base, Dtype::opaque, tokens_choice(shape, offsets));
              ASSERT_EQ(reference::delta_plain(payload, base), plain)
                  << size << " by " << shape.width << ", " << shape.shift << ", " << offsets.origin;
            }
          }
        }
      }
    }
  });
}

TEST(RansEncode, TheOracleReadsPlanesOfDifferencesAndGroups) {
  with_every_kind([] {
    Random random(52);
    for (const std::size_t size : sizes) {
      const Buffer plain = random.bytes(size);
      for (const Buffer& base : bases_of(random, plain)) {
        DeltaChoice choice;
        choice.form = DeltaForm::planes;
        for (const unsigned width : {1U, 2U, 4U, 8U}) {
          choice.width = width;
          const Buffer payload = encode_delta(plain, base, Dtype::opaque, choice);
          EXPECT_EQ(reference::delta_plain(payload, base), plain) << size << " by " << width;
        }
        choice.form = DeltaForm::groups;
        for (const Dtype dtype : {Dtype::q4_0, Dtype::q8_0, Dtype::q2_k, Dtype::q8_k}) {
          for (const auto operation : {GroupOperation::difference, GroupOperation::exclusive_or}) {
            choice.operation = operation;
            const Buffer payload = encode_delta(plain, base, dtype, choice);
            EXPECT_EQ(reference::delta_plain(payload, base), plain) << size << name_of(dtype);
          }
        }
      }
    }
  });
}

// The quotients of the encoder are floats: these are the states and frequencies where they are
// least exact. Long runs of one symbol bring states everywhere.
TEST(RansEncode, EveryFrequencyIsDividedExactly) {
  with_every_kind([] {
    Random random(53);
    for (unsigned frequency = 1; frequency < 1U << delta_table_bits;
         frequency += 1 + frequency / 9) {
      Frequencies frequencies{};
      frequencies[3] = static_cast<std::uint16_t>(frequency);
      frequencies[200] = static_cast<std::uint16_t>((1U << delta_table_bits) - frequency);
      const reference::Table oracle{delta_table_bits, frequencies};
      KeyTable table;
      clear(table, delta_table_bits);
      set_class(table, 0, frequencies, 1);
      std::vector<std::uint16_t> keys(64 * 40);
      for (std::uint16_t& key : keys) key = random.below(8) == 0 ? 200 : 3;
      RansEncoder encoder;
      encoder.push_keys(keys, table);
      Buffer stream;
      encoder.append_stream(stream);
      Cursor cursor(stream);
      reference::StreamReader reader(cursor);
      for (std::size_t i = 0; i < keys.size(); ++i) {
        ASSERT_EQ(reader.symbol(i, oracle), keys[keys.size() - 1 - i]) << frequency << " at " << i;
      }
      reader.finish();
    }
  });
}

}  // namespace
}  // namespace wfs
