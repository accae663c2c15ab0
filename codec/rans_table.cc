#include "codec/rans_table.h"

#include <algorithm>
#include <numeric>

// Compiles this file once more for each kind of vectors the architecture has.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "codec/rans_table.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace wfs {
namespace HWY_NAMESPACE {
namespace {

// Gives how many slots were filled; stops before it fills more than `slots`. Each symbol's are filled in
// whole steps, the surplus of which the next symbol overwrites: most symbols take one. The compiler
// vectorises a step.
std::uint32_t fill_kernel(const std::uint16_t* frequencies, const std::uint16_t* meanings,
                          std::uint32_t slots, std::uint32_t* HWY_RESTRICT to) {
  constexpr std::uint32_t step = decode_table_padding;
  std::uint32_t filled = 0;
  for (std::size_t symbol = 0; symbol < rans_symbols; ++symbol) {
    const std::uint32_t frequency = frequencies[symbol];
    if (frequency == 0) continue;
    if (frequency > slots - filled) break;
    const std::uint32_t entry =
        frequency << entry_frequency_shift | std::uint32_t{meanings[symbol]} << entry_meaning_shift;
    for (std::uint32_t place = 0; place < frequency; place += step) {
      for (std::uint32_t k = 0; k < step; ++k) to[filled + place + k] = entry + place + k;
    }
    filled += frequency;
    if (filled == slots) break;
  }
  return filled;
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace wfs
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace wfs {
namespace {

HWY_EXPORT(fill_kernel);

constexpr unsigned short_form_max = 127;  // greater frequencies take two bytes

unsigned sum_of(const Frequencies& frequencies) {
  return std::accumulate(frequencies.begin(), frequencies.end(), 0U);
}

}  // namespace

unsigned greatest_symbol(const Frequencies& frequencies) noexcept {
  unsigned greatest = rans_symbols - 1;
  while (greatest > 0 && frequencies[greatest] == 0) --greatest;
  return greatest;
}

void append_table(Buffer& to, const Frequencies& frequencies, unsigned bits) {
  expects(sum_of(frequencies) == 1U << bits, "a table fills its slots");
  const unsigned greatest = greatest_symbol(frequencies);
  append_le(to, static_cast<std::uint8_t>(greatest));
  for (unsigned symbol = 0; symbol <= greatest;) {
    const unsigned frequency = frequencies[symbol];
    if (frequency == 0) {
      unsigned run = 1;
      while (frequencies[symbol + run] == 0) ++run;
      append_le(to, std::uint8_t{0});
      append_le(to, static_cast<std::uint8_t>(run));
      symbol += run;
      continue;
    }
    if (frequency > short_form_max) {
      append_le(to, static_cast<std::uint8_t>(0x80 | frequency >> 8));
    }
    append_le(to, static_cast<std::uint8_t>(frequency));
    ++symbol;
  }
}

Frequencies take_table(Cursor& from, unsigned bits) {
  Frequencies frequencies{};
  const unsigned greatest = from.number<std::uint8_t>();
  unsigned left = 1U << bits;
  for (unsigned symbol = 0; symbol <= greatest;) {
    unsigned frequency = from.number<std::uint8_t>();
    if (frequency == 0) {
      const unsigned run = from.number<std::uint8_t>();
      if (run == 0 || run > greatest - symbol) fail(Errc::corrupt, "a table with a wrong run");
      symbol += run;
      continue;
    }
    if (frequency > short_form_max) {
      frequency = (frequency & 0x7f) << 8 | from.number<std::uint8_t>();
    }
    if (frequency == 0 || frequency > left) fail(Errc::corrupt, "a table with a wrong frequency");
    left -= frequency;
    frequencies[symbol++] = static_cast<std::uint16_t>(frequency);
  }
  if (left != 0) fail(Errc::corrupt, "a table that does not fill its slots");
  return frequencies;
}

const Meanings plain_meanings = [] {
  Meanings meanings{};
  std::iota(meanings.begin(), meanings.end(), std::uint16_t{0});
  return meanings;
}();

void fill_decode_table(const Frequencies& frequencies, const Meanings& meanings,
                       std::span<std::uint32_t> entries) {
  const auto slots = static_cast<std::uint32_t>(entries.size() - decode_table_padding);
  const std::uint32_t filled = HWY_DYNAMIC_DISPATCH(fill_kernel)(
      frequencies.data(), meanings.data(), slots, entries.data());
  expects(filled == slots, "a table fills its slots");
}

}  // namespace wfs
#endif  // HWY_ONCE
