#include "codec/estimate.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/wire.h"
#include "codec/histogram.h"

namespace wfs {
namespace {

// The sample: one cache line out of every eight, which meets every row of a tensor; all of what is
// short. Repetitions are looked for in some of them.
constexpr std::size_t piece = 64;
constexpr std::size_t stride = 8 * piece;
constexpr std::size_t stride_of_repeats = 4 * stride;
constexpr std::size_t whole_max = 8 * 1024;

class SampledCounts {
 public:
  // Four histograms in turn, so that equal neighbours do not wait for one another.
  void add(Bytes bytes) {
    total_ += bytes.size();
    std::size_t i = 0;
    for (; i + 8 <= bytes.size(); i += 8) {
      const auto word = load_le<std::uint64_t>(bytes.data() + i);
      for (unsigned k = 0; k < 8; ++k) ++counts_[k % 4].data()[(word >> (8 * k)) & 0xff];
    }
    for (; i < bytes.size(); ++i) ++counts_[0][std::to_integer<std::size_t>(bytes[i])];
  }

  double bits() {
    for (std::size_t s = 0; s < rans_symbols; ++s) {
      counts_[0][s] += counts_[1][s] + counts_[2][s] + counts_[3][s];
    }
    return std::min(8.0, sampled_entropy_bits(counts_[0]) / static_cast<double>(total_));
  }

 private:
  std::array<Counts, 4> counts_{};
  std::size_t total_ = 0;
};

class RepeatFinder {
 public:
  // Looks at every other place of a piece.
  void add(Bytes bytes) {
    for (std::size_t i = 0; i + 8 <= bytes.size(); i += 2) {
      const auto word = load_le<std::uint64_t>(bytes.data() + i);
      std::uint64_t& slot = seen_[(word * 0x9e37'79b9'7f4a'7c15) >> 54];
      repeats_ += slot == word;
      slot = word;
      ++places_;
    }
  }

  double share() const { return places_ == 0 ? 0 : double(repeats_) / double(places_); }

 private:
  std::array<std::uint64_t, 1024> seen_{};
  std::size_t repeats_ = 0;
  std::size_t places_ = 0;
};

}  // namespace

Estimate estimate(Bytes bytes) {
  if (bytes.empty()) return {};
  SampledCounts counts;
  RepeatFinder repeats;
  if (bytes.size() <= whole_max) {
    counts.add(bytes);
    repeats.add(bytes);
  } else {
    for (std::size_t at = 0; at < bytes.size(); at += stride) {
      counts.add(bytes.subspan(at, std::min(piece, bytes.size() - at)));
    }
    for (std::size_t at = 0; at < bytes.size(); at += stride_of_repeats) {
      repeats.add(bytes.subspan(at, std::min(4 * piece, bytes.size() - at)));
    }
  }
  return {counts.bits(), repeats.share()};
}

std::size_t take_sample(Bytes bytes, MutableBytes to) {
  if (bytes.size() <= to.size()) {
    if (!bytes.empty()) std::memcpy(to.data(), bytes.data(), bytes.size());
    return bytes.size();
  }
  constexpr std::size_t length = 4 * piece;
  const std::size_t pieces = to.size() / length;
  const std::size_t distance = bytes.size() / pieces / 8 * 8;
  // Not always the same place of a stride, which may be the length of a row.
  const auto place = [&](std::size_t k) {
    return bytes.data() + (k * distance + k * 776 % (distance - length + 8)) / 8 * 8;
  };
  for (std::size_t k = 0; k < pieces; ++k) {
    for (std::size_t i = 0; i < length; i += piece) __builtin_prefetch(place(k) + i);
  }
  for (std::size_t k = 0; k < pieces; ++k) std::memcpy(to.data() + k * length, place(k), length);
  return pieces * length;
}

}  // namespace wfs
