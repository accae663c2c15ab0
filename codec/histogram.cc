#include "codec/histogram.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace wfs {
namespace {

struct Used {
  std::uint32_t count;
  std::uint16_t symbol;
  std::uint16_t frequency;
};

// Gives the slots that rounding left over to, or takes those it spent too much from, the symbols
// whose cost gains most or loses least.
void settle(std::span<Used> used, int left) {
  for (; left > 0; --left) {
    Used* best = used.data();
    for (Used& other : used) {
      const auto gain = std::uint64_t{other.count} * (2U * best->frequency + 1);
      if (gain > std::uint64_t{best->count} * (2U * other.frequency + 1)) best = &other;
    }
    ++best->frequency;
  }
  for (; left < 0; ++left) {
    Used* best = nullptr;
    for (Used& other : used) {
      if (other.frequency < 2) continue;
      if (best == nullptr || std::uint64_t{other.count} * (2U * best->frequency - 1) <
                                 std::uint64_t{best->count} * (2U * other.frequency - 1)) {
        best = &other;
      }
    }
    --best->frequency;
  }
}

}  // namespace

const Logarithms logarithms;

Logarithms::Logarithms() {
  for (std::size_t i = 0; i < of.size(); ++i) {
    of[i] = std::log2(1.0F + (static_cast<float>(i) + 0.5F) / static_cast<float>(of.size()));
  }
  products[0] = 0;
  for (std::size_t n = 1; n < products.size(); ++n) {
    products[n] = static_cast<float>(n) * std::log2(static_cast<float>(n));
  }
}

Counts count_bytes(Bytes bytes) {
  // Four in turn, so that equal neighbours do not wait for one another.
  std::array<Counts, 4> counts{};
  const auto* from = reinterpret_cast<const std::uint8_t*>(bytes.data());
  std::size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) {
    const auto word = load_le<std::uint64_t>(bytes.data() + i);
    for (unsigned k = 0; k < 8; ++k) ++counts[k % 4].data()[(word >> (8 * k)) & 0xff];
  }
  for (; i < bytes.size(); ++i) ++counts[0][from[i]];
  for (std::size_t s = 0; s < rans_symbols; ++s) {
    counts[0][s] += counts[1][s] + counts[2][s] + counts[3][s];
  }
  return counts[0];
}

double entropy_bits(std::span<const std::uint32_t> counts) noexcept {
  std::uint32_t total = 0;
  double sum = 0;
  for (const std::uint32_t count : counts) {
    total += count;
    if (count > 1) sum += n_log_n(count);
  }
  const double bits = n_log_n(total) - sum;
  return bits > 0 ? bits : 0;
}

double sampled_entropy_bits(std::span<const std::uint32_t> counts) noexcept {
  const auto used = std::count_if(counts.begin(), counts.end(), [](auto n) { return n != 0; });
  return used == 0 ? 0 : entropy_bits(counts) + 0.7213 * static_cast<double>(used - 1);
}

Frequencies normalise(const Counts& counts, unsigned bits) {
  // Written without branches: which symbols occur is not to be foreseen.
  std::array<Used, rans_symbols + 1> all;
  std::size_t size = 0;
  std::uint32_t total = 0;
  for (std::size_t s = 0; s < rans_symbols; ++s) {
    all.data()[size] = {counts[s], static_cast<std::uint16_t>(s), 1};
    size += counts[s] != 0;
    total += counts[s];
  }
  const std::uint32_t slots = 1U << bits;
  expects(size > 0 && size < slots, "a table has symbols, and a slot for each");
  const std::span<Used> used(all.data(), size);
  // Symbols below one slot get one; the others share the rest.
  std::uint32_t shared = 0;
  std::uint32_t left = slots;
  const std::uint32_t one_slot = total >> bits;
  for (const Used& one : used) {
    const bool shares = one.count > one_slot;
    left -= !shares;
    shared += shares ? one.count : 0;
  }
  const double scale = static_cast<double>(left) / static_cast<double>(shared);
  int rest = static_cast<int>(slots);
  for (Used& one : used) {
    const auto share = static_cast<std::uint32_t>(one.count * scale + 0.5);
    const bool shares = one.count > one_slot && share > 1;
    one.frequency = static_cast<std::uint16_t>(shares ? share : 1);
    rest -= one.frequency;
  }
  settle(used, rest);
  Frequencies frequencies{};
  for (const Used& one : used) frequencies[one.symbol] = one.frequency;
  return frequencies;
}

}  // namespace wfs
