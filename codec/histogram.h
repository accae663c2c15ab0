// Counts of symbols, what they cost at their entropy, and frequencies of a table made of them. The
// same counts give the same frequencies on every machine. Functions without state.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "codec/rans_table.h"

namespace wfs {

using Counts = std::array<std::uint32_t, rans_symbols>;

Counts count_bytes(Bytes bytes);

// log2 of 1 to 2 in steps, each at its middle, and n * log2(n) of what is small.
struct Logarithms {
  static constexpr unsigned bits = 10;
  std::array<float, std::size_t{1} << bits> of;
  std::array<float, 1024> products;

  Logarithms();
};
extern const Logarithms logarithms;

// n * log2(n), to about a thousandth.
inline double n_log_n(std::uint32_t n) noexcept {
  if (n < logarithms.products.size()) return static_cast<double>(logarithms.products.data()[n]);
  const auto whole = static_cast<unsigned>(std::bit_width(n)) - 1;
  const std::uint32_t behind = (n << (31 - whole)) & 0x7fff'ffff;
  // Powers of two are exact: nothing but one symbol costs nothing.
  const float part = logarithms.of.data()[behind >> (31 - Logarithms::bits)];
  const float log = static_cast<float>(whole) + (behind == 0 ? 0.0F : part);
  return static_cast<double>(n) * static_cast<double>(log);
}

// Bits of all symbols together, at the entropy of their counts.
double entropy_bits(std::span<const std::uint32_t> counts) noexcept;

// The same of a sample, which shows less entropy than there is: with Miller's correction (G. Miller,
// "Note on the bias of information estimates", 1955).
double sampled_entropy_bits(std::span<const std::uint32_t> counts) noexcept;

// Every symbol that occurs gets at least one slot. Requires: some symbol occurs, and fewer than
// 2^bits do.
Frequencies normalise(const Counts& counts, unsigned bits);

}  // namespace wfs
