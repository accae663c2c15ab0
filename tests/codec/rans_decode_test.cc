// The decoder of every kind of vectors against the oracle.
#include "codec/rans_decode.h"

#include <gtest/gtest.h>

#include <memory>

#include "codec/decode.h"
#include "codec/simd.h"
#include "codec/split.h"
#include "tests/codec/reference_rans.h"
#include "tests/codec/samples.h"

namespace wfs {
namespace {

struct Sample {
  std::string name;
  Encoding encoding;
  Buffer payload;
  Buffer base;
  Buffer plain;
};

// Numbers of a width and others near them, as bytes: a tenth far away, some equal.
std::pair<Buffer, Buffer> near_numbers(Random& random, unsigned width, std::size_t size) {
  Buffer plain;
  while (plain.size() < size) {
    const auto weights = random.weights(64);
    append_bytes(plain, width == 4 ? bytes_of(weights) : as_bf16(weights));
  }
  plain.resize(size);
  Buffer base = plain;
  for (std::size_t i = 0; i < size / width; ++i) {
    std::uint64_t number = reference::number_at(plain, width, i);
    const std::size_t kind = random.below(20);
    if (kind < 2) number = random();
    if (kind >= 8) number += random.below(1U << random.below(7 * width / 2 + 3)) - 2;
    reference::put_number(base, width, i, number);
  }
  return {plain, base};
}

void add_planes(std::vector<Sample>& samples, Random& random, std::size_t size) {
  for (const unsigned width : {1U, 2U, 4U, 8U}) {
    if (size < width) continue;
    const auto [plain, base] = near_numbers(random, width, size);
    const std::vector<std::vector<unsigned>> choices = {
        {3, 3, 3, 3, 3, 3, 3, 3}, {0, 0, 0, 3, 0, 3, 0, 3}, {3, 0, 3, 0, 0, 3, 0, 0},
        {0, 3, 0, 3, 0, 0, 0, 0}};
    for (const auto& forms : choices) {
      for (const bool rotates : {false, true}) {
        if (rotates && width == 1) continue;
        samples.push_back({cat("planes ", width, " of ", size), Encoding::planes,
                           reference::planes_payload(plain, width, rotates, forms), {}, plain});
      }
      samples.push_back({cat("delta planes ", width, " of ", size), Encoding::delta,
                         reference::delta_planes_payload(plain, base, width, forms), base, plain});
    }
  }
}

void add_tokens(std::vector<Sample>& samples, Random& random, std::size_t size) {
  for (const reference::TokenShape shape : {reference::TokenShape{1, 2}, {1, 3}, {1, 7}, {2, 7},
                                            {2, 10}, {2, 15}, {4, 23}, {4, 31}, {4, 0}}) {
    if (size < shape.width) continue;
    const auto [plain, base] = near_numbers(random, shape.width, size);
    for (const auto offsets : {reference::Offsets::constant, reference::Offsets::varying}) {
      samples.push_back({cat("tokens ", shape.width, " shift ", shape.shift, " of ", size),
                         Encoding::delta, reference::tokens_payload(plain, base, shape, offsets),
                         base, plain});
    }
  }
}

void add_groups(std::vector<Sample>& samples, Random& random, std::size_t size) {
  for (const std::size_t period : {1U, 18U, 34U, 64U, 1024U}) {
    std::vector<std::uint8_t> classes(period);
    for (auto& j : classes) j = static_cast<std::uint8_t>(random.below(8));
    const auto [plain, base] = near_numbers(random, 1, size);
    for (const auto operation :
         {reference::Operation::difference, reference::Operation::exclusive_or}) {
      samples.push_back({cat("groups of ", period, " of ", size), Encoding::delta,
                         reference::groups_payload(plain, base, operation, classes), base, plain});
    }
  }
}

std::vector<Sample> samples_of(Random& random, std::initializer_list<std::size_t> sizes) {
  std::vector<Sample> samples;
  for (const std::size_t size : sizes) {
    add_planes(samples, random, size);
    add_tokens(samples, random, size);
    if (size > 0) add_groups(samples, random, size);
  }
  return samples;
}

// Each kind of vectors in turn, and in the end the best again.
template <class Check>
void with_every_kind(const Check& check) {
  for (const std::string_view kind : simd_kinds()) {
    SCOPED_TRACE(kind);
    force_simd(kind);
    check();
  }
  force_simd({});
}

// The block, or nothing when the payload is refused. Each piece of memory ends with its bytes, so
// that a sanitizer sees the first one read too far.
std::optional<Buffer> decoded(Encoding encoding, Bytes payload, Bytes base, std::size_t size,
                              std::size_t wanted) {
  const auto exact = [](Bytes bytes) {
    auto memory = std::make_unique<std::byte[]>(bytes.size());
    std::copy(bytes.begin(), bytes.end(), memory.get());
    return memory;
  };
  const auto own_payload = exact(payload);
  const auto own_base = exact(base);
  const auto plain = exact(Buffer(size, std::byte{0x5a}));
  try {
    decode_front(encoding, {own_payload.get(), payload.size()}, {own_base.get(), base.size()},
                 {plain.get(), size}, wanted);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::corrupt) << error.what();
    return std::nullopt;
  }
  return Buffer(plain.get(), plain.get() + size);
}

std::optional<Buffer> decoded(const Sample& sample) {
  const std::size_t size = sample.plain.size();
  return decoded(sample.encoding, sample.payload, sample.base, size, size);
}

TEST(RansDecode, EveryKindOfVectorsGivesTheBytes) {
  Random random(51);
  const auto samples =
      samples_of(random, {1,   2,   7,   8,    63,   64,   65,   126,  127,  128,  129,  130,
                          254, 255, 256, 257,  258,  260,  504,  511,  512,  513,  520,  1000,
                          1024, 1031, 4096, 4100, 9000, 40'003, block_size_max});
  with_every_kind([&] {
    for (const Sample& sample : samples) {
      const auto plain = decoded(sample);
      ASSERT_TRUE(plain.has_value()) << sample.name;
      ASSERT_TRUE(*plain == sample.plain) << sample.name;
    }
  });
}

TEST(RansDecode, TheFrontOfABlockIsThatOfTheWhole) {
  Random random(52);
  const auto samples = samples_of(random, {1000, 4103, 20'000});
  with_every_kind([&] {
    for (const Sample& sample : samples) {
      const std::size_t size = sample.plain.size();
      for (const std::size_t wanted : {std::size_t{0}, std::size_t{1}, random.below(size), size}) {
        const auto plain =
            decoded(sample.encoding, sample.payload, sample.base, size, wanted);
        ASSERT_TRUE(plain.has_value()) << sample.name;
        ASSERT_TRUE(std::equal(plain->begin(), plain->begin() + static_cast<std::ptrdiff_t>(wanted),
                               sample.plain.begin()))
            << sample.name << ", the first " << wanted;
      }
    }
  });
}

TEST(RansDecode, OnlyTheFrontOfTheBaseIsNeeded) {
  Random random(53);
  constexpr std::size_t size = 20'000;
  for (const Sample& sample : samples_of(random, {size})) {
    if (sample.encoding != Encoding::delta) continue;
    for (int round = 0; round < 40; ++round) {
      const std::size_t wanted = round == 0 ? 4096 : random.below(size);
      Buffer base = sample.base;
      const std::size_t right = (wanted + front_step - 1) / front_step * front_step;
      for (std::size_t i = right; i < size; ++i) base[i] = static_cast<std::byte>(random.below(256));
      if (right >= size) continue;
      const auto plain = decoded(sample.encoding, sample.payload, base, size, wanted);
      ASSERT_TRUE(plain.has_value()) << sample.name << ", the first " << wanted;
      EXPECT_TRUE(std::equal(plain->begin(), plain->begin() + static_cast<std::ptrdiff_t>(wanted),
                             sample.plain.begin()))
          << sample.name << ", the first " << wanted;
    }
  }
}

TEST(RansDecode, EveryTruncationIsRefused) {
  Random random(54);
  const auto samples = samples_of(random, {67, 520, 1500});
  with_every_kind([&] {
    for (const Sample& sample : samples) {
      for (std::size_t length = 0; length < sample.payload.size(); ++length) {
        if (length > 700 && random.below(8) != 0) continue;
        const Bytes cut = Bytes(sample.payload).first(length);
        const std::size_t size = sample.plain.size();
        ASSERT_FALSE(decoded(sample.encoding, cut, sample.base, size, size).has_value())
            << sample.name << " cut to " << length;
      }
    }
  });
}

TEST(RansDecode, FlippedBitsAreRefusedOrGiveWhatTheOracleGives) {
  Random random(55);
  const auto samples = samples_of(random, {67, 520, 3001});
  std::size_t refused = 0;
  for (const Sample& sample : samples) {
    for (int round = 0; round < 60; ++round) {
      Buffer payload = sample.payload;
      for (std::size_t flips = 1 + random.below(3); flips > 0; --flips) {
        const std::size_t end = random.below(2) == 0 ? payload.size() : 80;
        payload[random.below(std::min(end, payload.size()))] ^=
            static_cast<std::byte>(1U << random.below(8));
      }
      const std::size_t size = sample.plain.size();
      std::optional<Buffer> expected;
      bool is_absent = false;
      try {
        expected = reference::plain_of(sample.encoding, payload, sample.base, size);
      } catch (const reference::AbsentSymbol&) {
        is_absent = true;
      } catch (const Error& error) {
        ASSERT_EQ(error.code(), Errc::corrupt);
      }
      refused += expected.has_value() ? 0 : 1;
      bool is_first = is_absent;
      with_every_kind([&] {
        const auto plain = decoded(sample.encoding, payload, sample.base, size, size);
        if (std::exchange(is_first, false)) expected = plain;
        ASSERT_TRUE(plain == expected) << sample.name << ", round " << round;
        decoded(sample.encoding, payload, sample.base, size, random.below(size));
      });
    }
  }
  EXPECT_GT(refused, 100U);
}

TEST(RansDecode, AStreamOfOtherLengthIsRefused) {
  Random random(56);
  const auto [plain, base] = near_numbers(random, 4, 8192);
  const std::vector<unsigned> forms(4, 3);
  const Buffer tokens =
      reference::tokens_payload(plain, base, {4, 23}, reference::Offsets::constant);
  const Buffer planes = reference::planes_payload(plain, 4, true, forms);
  for (const Buffer& payload : {tokens, planes}) {
    const Encoding encoding = &payload == &tokens ? Encoding::delta : Encoding::planes;
    // The number of words is the one that, with the states and words, reaches to the end.
    std::size_t at = 0;
    while (at + 260 + 2 * std::size_t{load_le<std::uint32_t>(payload.data() + at)} !=
           payload.size()) {
      ++at;
    }
    const auto words = load_le<std::uint32_t>(payload.data() + at);
    for (const int change : {-300, -3, -2, -1, 1, 2, 300}) {
      Buffer changed = payload;
      store_le(changed.data() + at, static_cast<std::uint32_t>(static_cast<int>(words) + change));
      changed.resize(static_cast<std::size_t>(static_cast<int>(payload.size()) + 2 * change));
      with_every_kind([&] {
        EXPECT_FALSE(decoded(encoding, changed, base, 8192, 8192).has_value()) << change;
      });
    }
  }
}

TEST(RansDecode, ABaseOfAnotherLengthIsRefused) {
  Random random(57);
  for (const Sample& sample : samples_of(random, {520})) {
    if (sample.encoding != Encoding::delta) continue;
    for (const std::size_t length : {0U, 519U, 521U}) {
      EXPECT_FALSE(
          decoded(sample.encoding, sample.payload, Buffer(length), 520, 520).has_value())
          << sample.name;
    }
    const Bytes base = Bytes(sample.base).first(519);
    EXPECT_FALSE(decoded(sample.encoding, sample.payload, base, 519, 519).has_value())
        << sample.name;
  }
}

TEST(Simd, AKindThatIsForcedIsUsed) {
  const auto kinds = simd_kinds();
  ASSERT_FALSE(kinds.empty());
  EXPECT_TRUE(kinds.back() == "portable" || kinds.back() == "neon") << kinds.back();
  for (const std::string_view kind : kinds) {
    force_simd(kind);
    EXPECT_EQ(simd_kind(), kind);
  }
  EXPECT_THROW(force_simd("abacus"), Error);
  force_simd({});
  EXPECT_EQ(simd_kind(), kinds.front());
}

}  // namespace
}  // namespace wfs
