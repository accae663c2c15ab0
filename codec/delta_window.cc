#include "codec/delta_window.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "codec/histogram.h"

namespace wfs {
namespace {

constexpr std::size_t lengths = SampledLengths::lengths;
constexpr double relative_group_bits = 1;  // of an offset that is no constant, about
// A varying offset costs a step of the decoder for every group: it has to be worth it.
constexpr double relative_worth = 0.998;

using Row = std::array<std::uint32_t, lengths>;

double cost_of(const Row& row) {
  double sum = 0;
  std::uint32_t total = 0;
  std::uint32_t used = 0;
  for (const std::uint32_t count : row) {
    if (count == 0) continue;
    sum += n_log_n(count);
    total += count;
    ++used;
  }
  // A sample shows less entropy than there is: Miller's correction. And a table has its price.
  return total == 0 ? 0 : n_log_n(total) - sum + 0.72 * (used - 1);
}

struct Window {
  int origin = 0;
  double bits = 0;
  double bits_alone = 0;
};

// The best of all windows of classes over the exponents: everything up to its first, six on their
// own, and everything from its last.
Window best_window(std::span<const std::uint16_t> sampled) {
  const std::size_t exponents = sampled.size() / lengths;
  std::size_t first = exponents;
  std::size_t last = 0;
  std::array<Row, SampledLengths::exponents> rows;
  constexpr std::array<std::uint16_t, lengths> none{};
  for (std::size_t e = 0; e < exponents; ++e) {
    const auto from = sampled.subspan(e * lengths, lengths);
    if (std::memcmp(from.data(), none.data(), sizeof none) == 0) {
      if (first <= e) rows[e].fill(0);
      continue;
    }
    std::copy(from.begin(), from.end(), rows[e].begin());
    first = std::min(first, e);
    last = e;
  }
  if (first == exponents) return {};

  // Few numbers lie far out: a window neither starts nor ends there.
  std::array<std::uint32_t, SampledLengths::exponents> numbers{};
  std::uint32_t total = 0;
  for (std::size_t e = first; e <= last; ++e) {
    for (const std::uint32_t count : rows[e]) numbers[e] += count;
    total += numbers[e];
  }
  const auto merge = [&](std::size_t from, std::size_t to) {
    for (std::size_t l = 0; l < lengths; ++l) rows[to][l] += rows[from][l];
    numbers[to] += numbers[from];
  };
  for (; first < last && 256 * numbers[first] < total; ++first) merge(first, first + 1);
  for (; first < last && 256 * numbers[last] < total; --last) merge(last, last - 1);

  std::array<double, SampledLengths::exponents> own{}, up_to{}, from{};
  Row sum{};
  for (std::size_t e = first; e <= last; ++e) {
    own[e] = cost_of(rows[e]);
    for (std::size_t l = 0; l < lengths; ++l) sum[l] += rows[e][l];
    up_to[e] = cost_of(sum);
  }
  Window best{static_cast<int>(first), up_to[last], up_to[last]};
  sum = {};
  for (std::size_t e = last + 1; e-- > first;) {
    for (std::size_t l = 0; l < lengths; ++l) sum[l] += rows[e][l];
    from[e] = cost_of(sum);
  }
  for (std::size_t e = first; e <= last; ++e) {
    double bits = up_to[e];
    constexpr std::size_t behind = delta_classes - 1;
    for (std::size_t k = 1; k < behind && e + k <= last; ++k) bits += own[e + k];
    if (e + behind <= last) bits += from[e + behind];
    if (bits < best.bits) best = {static_cast<int>(e), bits, best.bits_alone};
  }
  return best;
}

// Bits behind the first bit of the differences: no table changes them.
double low_bits(const SampledLengths& sampled) {
  std::uint64_t sum = 0;
  for (std::size_t e = 0; e < SampledLengths::relatives; ++e) {
    for (std::size_t length = 2; length < lengths; ++length) {
      sum += sampled.relative[e * lengths + length] * (length - 1);
    }
  }
  return static_cast<double>(sum);
}

}  // namespace

DeltaPlan plan_tokens(Bytes plain, Bytes base, TokenShape shape) {
  thread_local SampledLengths sampled;
  sample_lengths(plain, base, shape, sampled);
  const auto numbers = static_cast<double>(sampled.numbers);
  const double low = low_bits(sampled);
  const Window constant = best_window(sampled.constant);
  DeltaPlan plan{shape, {Offsets::Kind::constant, constant.origin}};
  plan.bits = (constant.bits + low) / numbers;
  plan.bits_alone = (constant.bits_alone + low) / numbers;
  // Only floats of 2 and 4 bytes have a mean difference.
  const bool has_mean = (shape.width == 4 && shape.shift == 23) ||
                        (shape.width == 2 && (shape.shift == 7 || shape.shift == 10));
  if (!has_mean) return plan;
  const Window relative = best_window(sampled.relative);
  const double bits = (relative.bits + low) / numbers + relative_group_bits / offset_group;
  if (bits < relative_worth * plan.bits) {
    plan.bits = bits;
    plan.offsets = {Offsets::Kind::relative, relative.origin - SampledLengths::relative_zero};
  }
  return plan;
}

}  // namespace wfs
