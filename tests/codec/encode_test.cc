#include "codec/encode.h"

#include <gtest/gtest.h>

#include "codec/decode.h"
#include "codec/simd.h"
#include "codec/split.h"
#include "tests/codec/contents.h"

namespace wfs {
namespace {

EncodedBlock expect_round_trip(Bytes plain, Dtype dtype, Bytes base = {}) {
  EncodedBlock block = encode(plain, dtype, base);
  EXPECT_LE(block.payload.size(), plain.size());
  Buffer decoded(plain.size(), std::byte{0xa5});
  const bool is_delta = block.encoding == Encoding::delta;
  decode(block.encoding, block.payload, is_delta ? base : Bytes{}, decoded);
  EXPECT_TRUE(std::equal(decoded.begin(), decoded.end(), plain.begin(), plain.end()))
      << name_of(dtype) << ", " << plain.size() << " bytes, " << name_of(block.encoding);
  return block;
}

double ratio_of(const EncodedBlock& block, const Buffer& plain) {
  return static_cast<double>(block.payload.size()) / static_cast<double>(plain.size());
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

TEST(Encode, EveryBlockOfEveryTypeDecodesAgainstEveryBase) {
  Random random(25);
  for (const std::size_t size :
       {0U, 1U, 2U, 3U, 7U, 63U, 64U, 65U, 127U, 128U, 129U, 255U, 257U, 1000U, 4095U, 4097U}) {
    for (const Buffer& plain : contents_of(random, size)) {
      for (const Buffer& base : bases_of(random, plain)) {
        for (std::uint8_t number = 0; number < dtype_count; ++number) {
          expect_round_trip(plain, static_cast<Dtype>(number), base);
        }
      }
    }
  }
}

TEST(Encode, FullBlocksOfEveryWidthDecodeAgainstEveryBase) {
  Random random(26);
  for (const std::size_t size : {block_size_max - 1, block_size_max}) {
    for (const Buffer& plain : contents_of(random, size)) {
      for (const Buffer& base : bases_of(random, plain)) {
        for (const Dtype dtype : {Dtype::opaque, Dtype::f64, Dtype::f32, Dtype::bf16,
                                  Dtype::f8_e4m3, Dtype::i64, Dtype::q6_k}) {
          expect_round_trip(plain, dtype, base);
        }
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
  EXPECT_EQ(block.encoding, Encoding::planes);
  EXPECT_LT(block.payload.size() * 100, plain.size() * 71);
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

// Each figure is what the differences cost at their entropy, and a little.
TEST(Encode, SmallMovesOfWeightsAreSmallDeltas) {
  Random random(27);
  const auto base = random.weights(block_size_max / 2);
  const auto plain = moved(random, base, 4e-5F);
  struct Case {
    Dtype dtype;
    Buffer (*convert)(const std::vector<float>&);
    double ratio;
  };
  for (const auto& [dtype, convert, most] :
       {Case{Dtype::f32, bytes_of, 0.555}, Case{Dtype::bf16, as_bf16, 0.126},
        Case{Dtype::f16, as_f16, 0.290}}) {
    Buffer bytes = convert(plain);
    Buffer from = convert(base);
    bytes.resize(block_size_max);
    from.resize(block_size_max);
    const EncodedBlock block = expect_round_trip(bytes, dtype, from);
    EXPECT_EQ(block.encoding, Encoding::delta) << name_of(dtype);
    EXPECT_LT(ratio_of(block, bytes), most) << name_of(dtype);
    // Of unknown type, the width is found.
    const EncodedBlock opaque = expect_round_trip(bytes, Dtype::opaque, from);
    EXPECT_EQ(opaque.encoding, Encoding::delta) << name_of(dtype);
    EXPECT_LT(ratio_of(opaque, bytes), 1.02 * most) << name_of(dtype);
  }
}

TEST(Encode, PrunedWeightsAreADeltaOfTheDenseOnes) {
  Random random(28);
  const auto base = random.weights(block_size_max / 2);
  auto plain = base;
  for (float& weight : plain) {
    if (std::fabs(weight) < 0.0135F) weight = 0;
  }
  const EncodedBlock block = expect_round_trip(as_bf16(plain), Dtype::bf16, as_bf16(base));
  EXPECT_EQ(block.encoding, Encoding::delta);
  EXPECT_LT(ratio_of(block, as_bf16(plain)), 0.335);
}

TEST(Encode, ADeltaIsTakenOnlyWhereItIsWorthItsBase) {
  Random random(29);
  const auto weights = random.weights(block_size_max / 2);
  const Buffer plain = as_bf16(weights);
  const EncodedBlock alone = encode(plain, Dtype::bf16);
  EXPECT_EQ(encode(plain, Dtype::bf16, as_bf16(random.weights(weights.size()))).payload,
            alone.payload);
  for (const float distance : {1e-4F, 1e-3F, 3e-3F, 6e-3F, 1e-2F, 2e-2F}) {
    const Buffer base = as_bf16(moved(random, weights, distance));
    const EncodedBlock block = expect_round_trip(plain, Dtype::bf16, base);
    if (block.encoding == Encoding::delta) {
      EXPECT_LE(ratio_of(block, plain), 1.02 * delta_worth * ratio_of(alone, plain)) << distance;
    } else {
      EXPECT_EQ(block.payload, alone.payload) << distance;
      EXPECT_GT(distance, 1e-3F);
    }
  }
}

// What fits the first of some neighbours is taken for the others: whether they are like it, or not at all.
TEST(Encode, NeighboursThatShareASearchComeBackExactly) {
  Random random(33);
  for (const Dtype dtype : {Dtype::bf16, Dtype::f32}) {
    EncodeAdvice advice;
    double together = 0;
    double apart = 0;
    for (int i = 0; i < 12; ++i) {
      const auto weights = random.weights(block_size_max / 4);
      const float distance = i % 4 < 2 ? 1e-5F : i % 4 == 2 ? 3e-2F : 1e-3F;
      const auto later = moved(random, weights, distance);
      const Buffer plain = dtype == Dtype::bf16 ? as_bf16(later) : bytes_of(later);
      const Buffer near = dtype == Dtype::bf16 ? as_bf16(weights) : bytes_of(weights);
      const Buffer far = random.bytes(plain.size());
      BlockEncoder encoder(plain, dtype, &advice);
      Bytes used;
      EncodedBlock block;
      for (const Bytes base : {Bytes(far), Bytes(near)}) {
        if (block.encoding == Encoding::delta || encoder.skips_base()) continue;
        if (auto payload = encoder.against(base)) {
          block = {Encoding::delta, *std::move(payload)};
          used = base;
        }
      }
      if (block.encoding != Encoding::delta) block = encoder.alone();
      Buffer decoded(plain.size());
      decode(block.encoding, block.payload, used, decoded);
      ASSERT_TRUE(decoded == plain) << name_of(dtype) << ", block " << i;
      together += static_cast<double>(block.payload.size());
      apart += static_cast<double>(encode(plain, dtype, near).payload.size());
      if (i % 4 == 1) {
        EXPECT_LT(together, 1.02 * apart) << name_of(dtype) << ", block " << i;
      }
      if (i % 4 == 3) {  // the next ones are of another tensor
        advice = {};
        together = apart = 0;
      }
    }
  }
}

// A group of Q8_0: a scale of 2 bytes, 32 quants.
TEST(Encode, MovesOfQuantsAreSmallDeltas) {
  Random random(30);
  Buffer plain;
  Buffer base;
  while (base.size() + 34 <= block_size_max) {
    append_le(base, static_cast<std::uint16_t>(0x1400 + random.below(0x300)));
    for (int i = 0; i < 32; ++i) append_le(base, static_cast<std::uint8_t>(random.below(255)));
  }
  plain = base;
  for (std::size_t i = 0; i < plain.size(); ++i) {
    if (i % 34 == 0 || random.below(12) == 0) {
      plain[i] = static_cast<std::byte>(std::to_integer<unsigned>(plain[i]) + random.below(2));
    }
  }
  const EncodedBlock block = expect_round_trip(plain, Dtype::q8_0, base);
  EXPECT_EQ(block.encoding, Encoding::delta);
  EXPECT_LT(ratio_of(block, plain), 0.055);
}

// Moments of weights that were not trained for long: whole rows are zero.
TEST(Encode, RepeatedRowsAreFoundInPlanes) {
  Random random(31);
  Buffer plain = bytes_of(random.weights(block_size_max / 4));
  const Buffer row(plain.begin(), plain.begin() + 1536);
  for (std::size_t at = 0; at + 1536 <= plain.size(); at += 2 * 1536) {
    std::copy(row.begin(), row.end(), plain.begin() + static_cast<std::ptrdiff_t>(at));
  }
  EXPECT_LT(ratio_of(expect_round_trip(plain, Dtype::f32), plain), 0.46);
}

TEST(Encode, EveryKindOfVectorsGivesTheSameBytes) {
  Random random(32);
  struct Block {
    Dtype dtype;
    Buffer plain, base;
  };
  std::vector<Block> blocks;
  const auto weights = random.weights(block_size_max / 2);
  const auto later = moved(random, weights, 4e-5F);
  for (const std::size_t size : {std::size_t{1}, std::size_t{130}, std::size_t{4097},
                                 std::size_t{50'001}, std::size_t{block_size_max}}) {
    const auto add = [&](Dtype dtype, Buffer plain, Buffer base) {
      plain.resize(size);
      base.resize(size);
      blocks.push_back({dtype, std::move(plain), std::move(base)});
    };
    add(Dtype::f32, bytes_of(later), bytes_of(weights));
    add(Dtype::bf16, as_bf16(later), as_bf16(weights));
    add(Dtype::f16, as_f16(later), as_f16(weights));
    add(Dtype::opaque, bytes_of(later), bytes_of(weights));
    add(Dtype::f64, bytes_of(later), bytes_of(weights));
    for (const Dtype dtype : {Dtype::f32, Dtype::f16, Dtype::bf16, Dtype::i32, Dtype::f8_e5m2}) {
      const Buffer special = special_floats(random, size);
      add(dtype, special, bases_of(random, special)[1]);
      add(dtype, random.bytes(size), random.bytes(size));
    }
    const Buffer quants = random.bytes(size);
    for (const Dtype dtype : {Dtype::q4_0, Dtype::q6_k, Dtype::i8, Dtype::f8_e4m3}) {
      add(dtype, quants, bases_of(random, quants)[1]);
    }
  }
  for (const Block& block : blocks) {
    for (const Bytes base : {Bytes(block.base), Bytes()}) {
      force_simd("");
      const EncodedBlock expected = encode(block.plain, block.dtype, base);
      for (const std::string_view kind : simd_kinds()) {
        force_simd(kind);
        const EncodedBlock encoded = encode(block.plain, block.dtype, base);
        EXPECT_EQ(encoded.encoding, expected.encoding) << kind;
        EXPECT_TRUE(encoded.payload == expected.payload)
            << kind << ", " << name_of(block.dtype) << ", " << block.plain.size();
      }
    }
  }
  force_simd("");
}

}  // namespace
}  // namespace wfs
