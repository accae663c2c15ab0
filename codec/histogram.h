// Counts of symbols, what they cost at their entropy, and frequencies of a table made of them. The
// same counts give the same frequencies on every machine. Functions without state.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "codec/rans_table.h"

namespace wfs {

using Counts = std::array<std::uint32_t, rans_symbols>;

Counts count_bytes(Bytes bytes);

// n * log2(n), to about a thousandth.
double n_log_n(std::uint32_t n) noexcept;

// Bits of all symbols together, at the entropy of their counts.
double entropy_bits(std::span<const std::uint32_t> counts) noexcept;

// Every symbol that occurs gets at least one slot. Requires: some symbol occurs, and fewer than 2^bits do.
Frequencies normalise(const Counts& counts, unsigned bits);

}  // namespace wfs
