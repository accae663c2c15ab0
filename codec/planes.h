// Numbers as byte planes: plane k holds byte k of every number, lowest first, so that bytes of one
// statistic lie together. In floats, the upper 16 bits are rotated left by one before, which makes
// the highest plane exponent bits only and puts the sign behind the mantissa bits of the next.
//
// What a payload of Encoding::planes holds stands in docs/FORMAT.md. Functions without state.
#pragma once

#include <span>

#include "base/bytes.h"

namespace wfs {

inline constexpr std::uint8_t planes_rotated = 0x80;
inline constexpr std::size_t planes_width_max = 8;
inline constexpr std::size_t plane_entry_size = 5;

enum class PlaneForm : std::uint8_t {
  raw = 0,
  fill = 1,  // one byte, repeated
  zstd = 2,  // one zstd frame
  rans = 3,  // range coded: its table; the symbols are in the stream behind the planes
};

enum class Rotation : std::uint8_t { none, upper_half };

// Writes the planes of the whole numbers in `plain` one after the other.
// Requires: width 1, 2, 4 or 8, and no rotation for 1; planes.size() == plain.size() / width * width.
void split_planes(Bytes plain, unsigned width, Rotation rotation, MutableBytes planes);

// The inverse; planes[k] points at plain.size() / planes.size() bytes. Bytes behind the last whole
// number are left alone. Requires: 1, 2, 4 or 8 planes; one is not rotated.
void merge_planes(std::span<const std::byte* const> planes, Rotation rotation, MutableBytes plain);

}  // namespace wfs
