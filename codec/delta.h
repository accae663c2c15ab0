// A block as what differs from a base. Numbers are compared as ordered integers: negative floats are
// mirrored, so that neighbours among the floats are neighbours among the integers, and the sign of
// the difference goes into its lowest bit (zigzag). Functions without state.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace wfs {

// The first byte of a payload of Encoding::delta. The numbers are stored in packs and never change.
enum class DeltaForm : std::uint8_t {
  tokens = 0,  // range-coded lengths and bits of the differences, in context of the base
  planes = 1,  // u8 width, then the differences as a payload of Encoding::planes
  groups = 2,  // range-coded bytes in context of their place in a group of quants
};

// Requires: width 1, 2, 4 or 8; equal lengths. Bytes behind the last whole number are subtracted one by one.
void subtract(Bytes plain, Bytes base, unsigned width, MutableBytes differences);
// The inverse; `plain` may be `differences`.
void add(Bytes differences, Bytes base, unsigned width, MutableBytes plain);

}  // namespace wfs
