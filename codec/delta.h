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

// What stands in the groups of a delta: the numbers are stored as well.
enum class GroupOperation : std::uint8_t {
  difference = 0,    // x - base
  exclusive_or = 1,  // x ^ base
};

// How many tokens there are for numbers of 1, 2 or 4 bytes: no symbol is that great.
unsigned token_count(unsigned width) noexcept;

// Requires: width 1, 2, 4 or 8; equal lengths. Bytes behind the last whole number are subtracted one by one.
void subtract(Bytes plain, Bytes base, unsigned width, MutableBytes differences);
// The inverse; `plain` may be `differences`.
void add(Bytes differences, Bytes base, unsigned width, MutableBytes plain);


// The bytes that `coded` stands for against the base; `plain` may be `coded`. Requires: equal lengths.
void combine(Bytes coded, Bytes base, GroupOperation operation, MutableBytes plain);

}  // namespace wfs
