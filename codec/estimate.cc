#include "codec/estimate.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "base/wire.h"

namespace wfs {
namespace {

// The sample: one piece out of every four, all of what is short.
constexpr std::size_t piece = 512;
constexpr std::size_t stride = 4 * piece;
constexpr std::size_t whole_max = 8 * 1024;

// Adds to four histograms in turn, so that equal neighbours do not wait for one another.
using Histograms = std::array<std::array<std::uint32_t, 256>, 4>;

void count_bytes(Bytes bytes, Histograms& histograms) {
  std::size_t i = 0;
  for (; i + 4 <= bytes.size(); i += 4) {
    for (std::size_t k = 0; k < 4; ++k) ++histograms[k][std::to_integer<std::size_t>(bytes[i + k])];
  }
  for (; i < bytes.size(); ++i) ++histograms[0][std::to_integer<std::size_t>(bytes[i])];
}

double entropy_of(const Histograms& histograms, std::size_t total) {
  double sum = 0;
  unsigned used = 0;
  for (std::size_t value = 0; value < 256; ++value) {
    const std::uint32_t count =
        histograms[0][value] + histograms[1][value] + histograms[2][value] + histograms[3][value];
    if (count == 0) continue;
    ++used;
    sum += count * std::log2(static_cast<double>(count));
  }
  const auto all = static_cast<double>(total);
  // A sample shows less entropy than there is: Miller's correction.
  const double bias = (used - 1) / (2 * all * 0.6931471805599453);
  return std::min(8.0, std::log2(all) - sum / all + bias);
}

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
  Histograms histograms{};
  RepeatFinder repeats;
  std::size_t total = 0;
  const auto add = [&](Bytes sample) {
    count_bytes(sample, histograms);
    total += sample.size();
  };
  if (bytes.size() <= whole_max) {
    add(bytes);
    repeats.add(bytes);
  } else {
    for (std::size_t at = 0; at < bytes.size(); at += stride) {
      const Bytes sample = bytes.subspan(at, std::min(piece, bytes.size() - at));
      add(sample);
      if (at / stride % 2 == 0) repeats.add(sample);
    }
  }
  return {entropy_of(histograms, total), repeats.share()};
}

}  // namespace wfs
