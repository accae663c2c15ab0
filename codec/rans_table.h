// The tables of the range coder (rANS): how often each symbol occurs among 2^P slots, as it is stored
// and as the decoder looks it up. The format is docs/FORMAT.md, "Tables and streams". Functions
// without state.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "base/wire.h"

namespace wfs {

inline constexpr unsigned rans_states = 64;                     // interleaved in one stream
inline constexpr std::uint32_t rans_low = std::uint32_t{1} << 15;  // a state is in [low, 2^31)
inline constexpr unsigned planes_table_bits = 11;               // P of a range-coded plane
inline constexpr unsigned delta_table_bits = 10;                // P of every table of a delta
inline constexpr unsigned rans_symbols = 256;

// Frequencies[s] of the 2^P slots stand for symbol s. A table that is used sums up to 2^P.
using Frequencies = std::array<std::uint16_t, rans_symbols>;

// Requires: the frequencies sum up to 2^bits.
void append_table(Buffer& to, const Frequencies& frequencies, unsigned bits);

// Throws: Errc::corrupt unless a table of 2^bits slots stands there.
Frequencies take_table(Cursor& from, unsigned bits);

// The greatest symbol that occurs; 0 when none does.
unsigned greatest_symbol(const Frequencies& frequencies) noexcept;

// What a decoder finds in the entry of a slot: the place within the symbol's slots in the lowest bits,
// above it what the symbol stands for (9 bits), highest the frequency: 2^P for a symbol that fills
// the table.
inline constexpr unsigned entry_meaning_shift = 11;
inline constexpr unsigned entry_frequency_shift = 20;
inline constexpr std::uint32_t entry_place_mask = (1U << entry_meaning_shift) - 1;
// Entries behind the last slot that may be overwritten.
inline constexpr std::size_t decode_table_padding = 32;

using Meanings = std::array<std::uint16_t, rans_symbols>;

// The symbols themselves.
extern const Meanings plain_meanings;

// Requires: the frequencies sum up to slots; entries.size() == slots + decode_table_padding.
void fill_decode_table(const Frequencies& frequencies, const Meanings& meanings,
                       std::span<std::uint32_t> entries);

}  // namespace wfs
