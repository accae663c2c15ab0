// The tables of the range coder (rANS): how often each symbol occurs among 2^P slots, as it is stored
// and as the decoder looks it up. The format is docs/FORMAT.md, "Tables and streams". Functions
// without state.
#pragma once

#include <array>
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

// One entry a slot: frequency | place within the symbol's slots << 12 | symbol << 24. A symbol that
// fills the table has frequency 2^P, which fits. Requires: the frequencies sum up to entries.size().
void fill_decode_table(const Frequencies& frequencies, std::span<std::uint32_t> entries);

}  // namespace wfs
