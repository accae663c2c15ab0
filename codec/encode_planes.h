// Blocks as byte planes (docs/FORMAT.md, "Planes"): each plane in the form its bytes ask for. Any
// thread; works in the scratch of its thread.
#pragma once

#include "base/bytes.h"
#include "codec/planes.h"

namespace wfs {

struct PlaneShape {
  unsigned width = 1;
  Rotation rotation = Rotation::none;
};

// Appends the payload to `to` and gives true, or leaves `to` alone when that would make it longer
// than `length_max`. `repeated` becomes the share of repetitions in the plane with fewest of them.
// Requires: at least one whole number.
bool append_planes(Buffer& to, Bytes plain, PlaneShape shape, std::size_t length_max,
                   double* repeated = nullptr);

// Bits of a byte of `sample` as planes, each with its own histogram.
double bits_as_planes(Bytes sample, PlaneShape shape);

}  // namespace wfs
