// What decoding one segment works on, and the plain loops over one group of it: the portable path, and
// for every path the last group when it is short. Requires that stream.next <= stream.limit, so that
// no group reads too far. Inside rans_decode.cc only.
#pragma once

#include <algorithm>
#include <cstring>

#include "codec/rans_decode.h"

namespace wfs {

enum class RansKind : std::uint8_t { plane, highest2, highest4, classes, tokens2, tokens4 };

struct RansWork {
  RansKind kind{};
  const std::uint32_t* tables = nullptr;
  std::array<const std::uint8_t*, 3> below{};  // of a highest plane
  Rotation rotation = Rotation::none;
  const std::uint8_t* classes = nullptr;
  const std::uint8_t* offsets = nullptr;  // of tokens
  unsigned shift = 0;
  const std::uint8_t* base = nullptr;
  std::uint8_t* to = nullptr;
  std::size_t group = 0;       // the next to decode
  std::size_t groups_end = 0;
};

// Bits of the entry of a token that say how many bits follow it.
template <class Number>
inline constexpr unsigned length_bits = sizeof(Number) == 2 ? 4 : 5;

// How to spread the first words of a vector over the words whose bits are set: the byte of each
// byte, or 0x80 for zero.
inline constexpr auto spread_words = [] {
  std::array<std::array<std::uint8_t, 16>, 256> spread{};
  for (unsigned bits = 0; bits < 256; ++bits) {
    std::uint8_t byte = 0;
    for (unsigned word = 0; word < 8; ++word) {
      const bool wanted = (bits >> word & 1) != 0;
      for (unsigned k = 0; k < 2; ++k) spread[bits][2 * word + k] = wanted ? byte++ : 0x80;
    }
  }
  return spread;
}();

namespace scalar {

inline std::uint32_t next_word(RansStream& stream) {
  std::uint16_t word;
  std::memcpy(&word, stream.next, sizeof word);
  stream.next += sizeof word;
  return word;
}

inline void refill(RansStream& stream, std::uint32_t& x) {
  if (x < rans_low) x = x << 16 | next_word(stream);
}

// Gives what the symbol stands for.
template <unsigned bits>
std::uint32_t symbol(RansStream& stream, std::size_t i, const std::uint32_t* table) {
  std::uint32_t& x = stream.states[i];
  const std::uint32_t entry = table[x & ((1U << bits) - 1)];
  x = (entry >> entry_frequency_shift) * (x >> bits) + (entry & entry_place_mask);
  refill(stream, x);
  return entry >> entry_meaning_shift & 0x1ff;
}

inline std::uint32_t low_bits(RansStream& stream, std::size_t i, std::uint32_t count) {
  std::uint32_t& x = stream.states[i];
  const std::uint32_t bits = x & ((1U << count) - 1);
  x >>= count;
  refill(stream, x);
  return bits;
}

inline void plane_group(RansStream& stream, const RansWork& work, std::size_t count) {
  std::uint8_t* const to = work.to + work.group * rans_group;
  for (std::size_t i = 0; i < count; ++i) {
    to[i] = static_cast<std::uint8_t>(symbol<planes_table_bits>(stream, i, work.tables));
  }
}

inline void classes_group(RansStream& stream, const RansWork& work, std::size_t count) {
  const std::size_t from = work.group * rans_group;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t* const table = work.tables + work.classes[from + i] * delta_table_size;
    work.to[from + i] = static_cast<std::uint8_t>(symbol<delta_table_bits>(stream, i, table));
  }
}

template <class Number>
void highest_group(RansStream& stream, const RansWork& work, std::size_t count) {
  constexpr unsigned half = sizeof(Number) * 8 - 16;
  const std::size_t from = work.group * rans_group;
  for (std::size_t i = 0; i < count; ++i) {
    std::uint32_t number = symbol<planes_table_bits>(stream, i, work.tables);
    for (std::size_t k = sizeof(Number) - 1; k-- > 0;) {
      number = number << 8 | work.below[k][from + i];
    }
    if (work.rotation == Rotation::upper_half) {
      const std::uint32_t upper = number >> half;
      number = (number & ((1U << half) - 1)) | (upper >> 1 | (upper & 1) << 15) << half;
    }
    const auto stored = static_cast<Number>(number);
    std::memcpy(work.to + (from + i) * sizeof stored, &stored, sizeof stored);
  }
}

template <class Number>
Number mirrored(Number number) {
  constexpr unsigned last = sizeof(Number) * 8 - 1;
  const auto negative = static_cast<Number>(0U - (static_cast<std::uint32_t>(number) >> last));
  return static_cast<Number>(number ^ (negative & static_cast<Number>((1ULL << last) - 1)));
}

template <class Number>
void tokens_group(RansStream& stream, const RansWork& work, std::size_t count) {
  constexpr Number magnitude = static_cast<Number>(static_cast<Number>(~Number{0}) >> 1);
  const std::uint8_t* const base = work.base + work.group * rans_group * sizeof(Number);
  std::uint8_t* const to = work.to + work.group * rans_group * sizeof(Number);
  const auto offset = static_cast<std::int32_t>(work.offsets[work.group / 2]);
  std::array<std::uint32_t, rans_group> tokens;
  std::array<std::uint32_t, rans_group> low;
  const auto length = [&](std::size_t i) { return tokens[i] & ((1U << length_bits<Number>) - 1); };

  for (std::size_t i = 0; i < count; ++i) {
    Number old;
    std::memcpy(&old, base + i * sizeof old, sizeof old);
    const auto exponent = static_cast<std::int32_t>((old & magnitude) >> work.shift);
    const auto j = static_cast<std::size_t>(std::clamp(exponent - offset, 0, 7));
    tokens[i] = symbol<delta_table_bits>(stream, i, work.tables + j * delta_table_size);
  }
  for (std::size_t i = 0; i < count; ++i) low[i] = low_bits(stream, i, length(i) & 15);
  for (std::size_t i = 0; i < count; ++i) {
    if (length(i) >= 16) low[i] = low[i] << 16 | next_word(stream);
  }
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t z = (tokens[i] >> length_bits<Number>) << length(i) | low[i];
    const std::uint32_t d = (z >> 1) ^ (0U - (z & 1));
    Number old;
    std::memcpy(&old, base + i * sizeof old, sizeof old);
    const Number number = mirrored(static_cast<Number>(mirrored(old) + d));
    std::memcpy(to + i * sizeof number, &number, sizeof number);
  }
}

// Decodes the first `count` numbers of the next group.
inline void group(RansStream& stream, const RansWork& work, std::size_t count) {
  switch (work.kind) {
    case RansKind::plane: return plane_group(stream, work, count);
    case RansKind::highest2: return highest_group<std::uint16_t>(stream, work, count);
    case RansKind::highest4: return highest_group<std::uint32_t>(stream, work, count);
    case RansKind::classes: return classes_group(stream, work, count);
    case RansKind::tokens2: return tokens_group<std::uint16_t>(stream, work, count);
    case RansKind::tokens4: return tokens_group<std::uint32_t>(stream, work, count);
  }
}

}  // namespace scalar
}  // namespace wfs
