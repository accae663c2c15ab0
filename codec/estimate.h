// Cheap guesses of how bytes will compress, from a part of them. Functions without state.
#pragma once

#include "base/bytes.h"

namespace wfs {

struct Estimate {
  double bits = 8;      // entropy of a byte on its own
  double repeated = 0;  // share of places whose 8 bytes were seen shortly before
};

Estimate estimate(Bytes bytes);

// Bytes of this entropy are stored as they are.
inline constexpr double noise_bits = 7.95;
// From this share of repeats on, looking for them pays.
inline constexpr double repeats_worth = 0.03;

// Copies pieces of `bytes`, from all over it and at multiples of 8, to the start of `to`, and gives
// how many bytes that were; all of them when they are not more than fit.
std::size_t take_sample(Bytes bytes, MutableBytes to);

}  // namespace wfs
