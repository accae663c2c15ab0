// Blocks as byte planes (docs/FORMAT.md, "Planes"): each plane in the form its bytes ask for. Any
// thread; works in the scratch of its thread.
#pragma once

#include <array>

#include "base/bytes.h"
#include "codec/estimate.h"
#include "codec/planes.h"

namespace wfs {

struct PlaneShape {
  unsigned width = 1;
  Rotation rotation = Rotation::none;
};

// What is guessed of each plane before it is coded. A neighbour of the same tensor has about the same.
struct PlaneGuesses {
  bool are_known = false;
  std::array<Estimate, planes_width_max> of;
};

// Appends the payload to `to` and gives true, or leaves `to` alone when that would make it longer
// than `length_max`. `repeated` becomes the share of repetitions in the plane with fewest of them.
// `guesses`, if any, are taken as they are when they are known, and else made.
// Requires: at least one whole number.
bool append_planes(Buffer& to, Bytes plain, PlaneShape shape, std::size_t length_max,
                   double* repeated = nullptr, PlaneGuesses* guesses = nullptr);

// Bits of a byte of `sample` as planes, each with its own histogram.
double bits_as_planes(Bytes sample, PlaneShape shape);

}  // namespace wfs
