// Numbers as byte planes: plane k holds byte k of every number, lowest first, so that bytes of one
// statistic lie together. In floats, the upper 16 bits are rotated left by one before, which makes
// the highest plane exponent bits only and puts the sign behind the mantissa bits of the next.
//
// Payload of Encoding::planes: u8 width (2, 4 or 8), with planes_rotated added for floats; for each
// plane u8 PlaneForm and u32 length; the planes; the bytes of the block behind its last whole
// number. Functions without state.
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
};

enum class Rotation : std::uint8_t { none, upper_half };

// Writes the planes of the whole numbers in `plain` one after the other.
// Requires: width 2, 4 or 8; planes.size() == plain.size() / width * width.
void split_planes(Bytes plain, unsigned width, Rotation rotation, MutableBytes planes);

// The inverse; planes[k] points at plain.size() / planes.size() bytes. Bytes behind the last whole
// number are left alone. Requires: 2, 4 or 8 planes.
void merge_planes(std::span<const std::byte* const> planes, Rotation rotation, MutableBytes plain);

}  // namespace wfs
