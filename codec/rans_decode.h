// Decodes the streams of the range coder with the widest vectors the machine has; every width gives
// the same bytes. Payloads may be hostile: damage gives Errc::corrupt or other bytes, and nothing
// outside of the payload, the base and the result is read or written.
//
// A stream is read segment after segment, in the order of the format; each function below reads one.
// Any thread; a stream belongs to one.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "codec/planes.h"
#include "codec/rans_table.h"

namespace wfs {

inline constexpr std::size_t rans_group = 64;  // one number for each state
// What decoding a group may read behind its first word: three phases, and the rest of a vector.
inline constexpr std::size_t rans_slack = 3 * 2 * rans_group + 64;

inline constexpr std::size_t delta_classes = 8;
inline constexpr std::size_t planes_table_size = std::size_t{1} << planes_table_bits;
inline constexpr std::size_t delta_table_size = std::size_t{1} << delta_table_bits;
using PlaneTable = std::array<std::uint32_t, planes_table_size + decode_table_padding>;
using ClassTables =
    std::array<std::uint32_t, delta_classes * delta_table_size + decode_table_padding>;

// What a token stands for, for a table of tokens: how many bits follow it, and above those bits, what
// stands before them. Requires: width 2 or 4.
unsigned token_meaning(unsigned symbol, unsigned width) noexcept;

// The states and the words that are left. As long as rans_slack bytes of words are left, they are read
// where they are; the last ones from a padded copy.
struct RansStream {
  // Throws: Errc::corrupt when no stream stands there.
  explicit RansStream(Cursor& from);
  RansStream(const RansStream&) = delete;
  RansStream& operator=(const RansStream&) = delete;

  // Throws: Errc::corrupt unless everything is used and every state is what it began from.
  void expect_end() const;
  // Goes on in the copy. Throws: Errc::corrupt when it was there already, and its words are used up.
  void enter_tail();

  alignas(64) std::array<std::uint32_t, rans_states> states;
  const std::uint8_t* next;   // the first word that is not used
  const std::uint8_t* limit;  // from here or before, a group can be decoded
  const std::uint8_t* end;    // of the words

 private:
  bool in_tail_ = false;
  std::array<std::uint8_t, 2 * rans_slack> tail_;
};

// A plane of bytes, or the front of one. Requires: bytes.size() is that of the plane, or a multiple of
// rans_group; the same for all functions below.
void decode_plane(RansStream& stream, const PlaneTable& table, MutableBytes bytes);

// The highest plane, and by it the numbers: below[k] is plane k of the others.
// Requires: one or three planes below.
void decode_highest_plane(RansStream& stream, const PlaneTable& table,
                          std::span<const std::byte* const> below, Rotation rotation,
                          MutableBytes numbers);

// Bytes of which each has a class, 0 to 7, whose table it is coded by: table j is at j * delta_table_size.
void decode_classes(RansStream& stream, std::span<const std::uint32_t> tables, Bytes classes,
                    MutableBytes bytes);

// The exponent of a number is what stands above `shift` bits of its mantissa.
struct TokenShape {
  unsigned width;
  unsigned shift;
};

// Numbers of two or four bytes as tokens and bits. There is an offset for every 128 numbers.
// Requires: width 2 or 4, tables of token_meaning; a base of equal length.
void decode_tokens(RansStream& stream, const ClassTables& tables, TokenShape shape, Bytes offsets,
                   Bytes base, MutableBytes numbers);

}  // namespace wfs
