#include "index/convert.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/error.h"

namespace wfs {
namespace {

// All without branches and with signed numbers, so that compilers turn the loops into vector code. The sign is
// taken off first: what is compared is never negative.

// `yes` where `below` is less than `bound`, else `no`: by a mask, as compilers make branches of conditions.
// Requires: the difference of both fits.
std::int32_t where_less(std::int32_t below, std::int32_t bound, std::int32_t yes,
                        std::int32_t no) noexcept {
  const std::int32_t mask = (below - bound) >> 31;
  return (yes & mask) | (no & ~mask);
}

struct F32 {
  using Bits = std::uint32_t;
  static std::uint32_t widen(Bits bits) noexcept { return bits; }
  static Bits narrow(std::uint32_t bits) noexcept { return bits; }
};

struct Bf16 {
  using Bits = std::uint16_t;
  static std::uint32_t widen(Bits bits) noexcept { return static_cast<std::uint32_t>(bits) << 16; }
  static Bits narrow(std::uint32_t bits) noexcept {
    const std::uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    const std::uint32_t nan = (bits >> 16) | 0x40;
    return static_cast<Bits>(static_cast<std::int32_t>(bits & 0x7fffffff) > 0x7f800000 ? nan : rounded);
  }
};

struct F16 {
  using Bits = std::uint16_t;

  static std::uint32_t widen(Bits bits) noexcept {
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

  static Bits narrow(std::uint32_t bits) noexcept {
    const std::uint32_t sign = (bits >> 16) & 0x8000;
    const auto size = static_cast<std::int32_t>(bits & 0x7fffffff);
    constexpr std::int32_t infinite = 255 << 23;
    constexpr std::int32_t too_large = (127 + 16) << 23;
    constexpr std::int32_t normal_min = 113 << 23;
    constexpr std::int32_t magic = ((127 - 15) + (23 - 10) + 1) << 23;
    // Adding 0.5 leaves no bits below 2^-24: the processor rounds to its multiples.
    const float sum = std::bit_cast<float>(where_less(size, normal_min, size, 0)) +
                      std::bit_cast<float>(magic);
    const std::int32_t subnormal = std::bit_cast<std::int32_t>(sum) - magic;
    const std::int32_t normal = (size - ((127 - 15) << 23) + 0xfff + ((size >> 13) & 1)) >> 13;
    const std::int32_t special = where_less(infinite, size, 0x7e00, 0x7c00);
    std::int32_t half = where_less(size, normal_min, subnormal, normal);
    half = where_less(size, too_large, half, special);
    return static_cast<Bits>(static_cast<std::uint32_t>(half) | sign);
  }
};

template <class From, class To>
void convert_all(Bytes from, MutableBytes to) {
  const std::size_t count = to.size() / sizeof(typename To::Bits);
  const std::byte* in = from.data();
  std::byte* out = to.data();
  for (std::size_t i = 0; i < count; ++i) {
    typename From::Bits number;
    std::memcpy(&number, in + i * sizeof number, sizeof number);
    const typename To::Bits converted = To::narrow(From::widen(number));
    std::memcpy(out + i * sizeof converted, &converted, sizeof converted);
  }
}

template <class From>
void convert_from(Bytes from, Dtype to_type, MutableBytes to) {
  switch (to_type) {
    case Dtype::f32: return convert_all<From, F32>(from, to);
    case Dtype::f16: return convert_all<From, F16>(from, to);
    default: return convert_all<From, Bf16>(from, to);
  }
}

bool is_known(Dtype type) noexcept {
  return type == Dtype::f32 || type == Dtype::f16 || type == Dtype::bf16;
}

}  // namespace

bool convertible(Dtype from, Dtype to) noexcept { return is_known(from) && is_known(to); }

void convert(Dtype from_type, Bytes from, Dtype to_type, MutableBytes to) {
  expects(convertible(from_type, to_type), "only floats are converted");
  const std::size_t count = to.size() / width_of(to_type);
  expects(from.size() / width_of(from_type) >= count, "there are as many numbers to convert");
  switch (from_type) {
    case Dtype::f32: convert_from<F32>(from, to_type, to); break;
    case Dtype::f16: convert_from<F16>(from, to_type, to); break;
    default: convert_from<Bf16>(from, to_type, to); break;
  }
  const MutableBytes rest = to.subspan(count * width_of(to_type));
  std::fill(rest.begin(), rest.end(), std::byte{0});
}

}  // namespace wfs
