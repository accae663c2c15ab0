// Numbers of 16 bits, f16 and bf16, as the bits of an f32 and back: IEEE 754 round to nearest even; a NaN
// stays a NaN. The same bits on every machine, as deltas are decoded against them. All without branches and
// with signed numbers, so that compilers turn loops into vector code; the sign is taken off first: what is
// compared is never negative. Functions without state; any thread.
#pragma once

#include <bit>
#include <cstdint>

namespace wfs {

// `yes` where `below` is less than `bound`, else `no`: by a mask, as compilers make branches of conditions.
// Requires: the difference of both fits.
inline std::int32_t where_less(std::int32_t below, std::int32_t bound, std::int32_t yes,
                               std::int32_t no) noexcept {
  const std::int32_t mask = (below - bound) >> 31;
  return (yes & mask) | (no & ~mask);
}

inline std::uint32_t f32_of_bf16(std::uint16_t bits) noexcept {
  return static_cast<std::uint32_t>(bits) << 16;
}

inline std::uint16_t bf16_of_f32(std::uint32_t bits) noexcept {
  const std::uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  const std::uint32_t nan = (bits >> 16) | 0x40;
  return static_cast<std::uint16_t>(
      static_cast<std::int32_t>(bits & 0x7fffffff) > 0x7f800000 ? nan : rounded);
}

inline std::uint32_t f32_of_f16(std::uint16_t bits) noexcept {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000) << 16;
  const std::int32_t shifted = (bits & 0x7fff) << 13;
  constexpr std::int32_t exponent_max = 0x7c00 << 13;
  constexpr std::int32_t rebias = (127 - 15) << 23;
  const std::int32_t normal = shifted + rebias;
  const std::int32_t special = shifted + (rebias + ((128 - 16) << 23));
  // A subnormal is a multiple of 2^-24: as the mantissa of 2^-14, less that.
  const float subnormal =
      std::bit_cast<float>(shifted + (113 << 23)) - std::bit_cast<float>(113 << 23);
  std::int32_t wide = where_less(shifted, exponent_max, normal, special);
  wide = where_less(shifted, 1 << 23, std::bit_cast<std::int32_t>(subnormal), wide);
  return static_cast<std::uint32_t>(wide) | sign;
}

inline std::uint16_t f16_of_f32(std::uint32_t bits) noexcept {
  const std::uint32_t sign = (bits >> 16) & 0x8000;
  const auto size = static_cast<std::int32_t>(bits & 0x7fffffff);
  constexpr std::int32_t infinite = 255 << 23;
  constexpr std::int32_t too_large = (127 + 16) << 23;
  constexpr std::int32_t normal_min = 113 << 23;
  constexpr std::int32_t magic = ((127 - 15) + (23 - 10) + 1) << 23;
  // Adding 0.5 leaves no bits below 2^-24: the processor rounds to its multiples.
  const float sum =
      std::bit_cast<float>(where_less(size, normal_min, size, 0)) + std::bit_cast<float>(magic);
  const std::int32_t subnormal = std::bit_cast<std::int32_t>(sum) - magic;
  const std::int32_t normal = (size - ((127 - 15) << 23) + 0xfff + ((size >> 13) & 1)) >> 13;
  const std::int32_t special = where_less(infinite, size, 0x7e00, 0x7c00);
  std::int32_t half = where_less(size, normal_min, subnormal, normal);
  half = where_less(size, too_large, half, special);
  return static_cast<std::uint16_t>(static_cast<std::uint32_t>(half) | sign);
}

// A bf16 as an integer that is greater for a greater number.
inline int ordered_bf16(std::uint16_t bits) noexcept {
  const int magnitude = bits & 0x7fff;
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

}  // namespace wfs
