#include "codec/planes.h"

#include <cstring>

#include "base/error.h"

// The inner loops have no calls, no branches and restricted pointers: the compiler vectorises them.
namespace wfs {
namespace {

// How far the upper 16 bits of a number are from its end.
template <class Number>
constexpr unsigned half_shift = sizeof(Number) * 8 - 16;

template <Rotation rotation, class Number>
Number rotate_back(Number number) {
  if constexpr (rotation == Rotation::none) return number;
  constexpr Number upper = static_cast<Number>(Number{0xffff} << half_shift<Number>);
  constexpr Number highest = static_cast<Number>(Number{1} << (sizeof(Number) * 8 - 1));
  const auto moved = static_cast<Number>((number >> 1) & static_cast<Number>(upper ^ highest));
  const auto sign = static_cast<Number>((number << 15) & highest);
  return static_cast<Number>((number & static_cast<Number>(~upper)) | moved | sign);
}

template <Rotation rotation>
void merge2(const std::uint8_t* __restrict p0, const std::uint8_t* __restrict p1, std::size_t count,
            std::uint8_t* __restrict to) {
  for (std::size_t i = 0; i < count; ++i) {
    const auto number = rotate_back<rotation>(static_cast<std::uint16_t>(p0[i] | p1[i] << 8));
    std::memcpy(to + 2 * i, &number, sizeof number);
  }
}

template <Rotation rotation>
void merge4(const std::uint8_t* __restrict p0, const std::uint8_t* __restrict p1,
            const std::uint8_t* __restrict p2, const std::uint8_t* __restrict p3, std::size_t count,
            std::uint8_t* __restrict to) {
  for (std::size_t i = 0; i < count; ++i) {
    const auto number =
        rotate_back<rotation>(std::uint32_t{p0[i]} | std::uint32_t{p1[i]} << 8 |
                              std::uint32_t{p2[i]} << 16 | std::uint32_t{p3[i]} << 24);
    std::memcpy(to + 4 * i, &number, sizeof number);
  }
}

template <Rotation rotation>
void merge8(const std::byte* const* planes, std::size_t count, std::uint8_t* __restrict to) {
  for (std::size_t i = 0; i < count; ++i) {
    std::uint64_t number = 0;
    for (unsigned k = 0; k < 8; ++k)
      number |= std::to_integer<std::uint64_t>(planes[k][i]) << 8 * k;
    number = rotate_back<rotation>(number);
    std::memcpy(to + 8 * i, &number, sizeof number);
  }
}

template <Rotation rotation>
void merge_as(std::span<const std::byte* const> planes, std::size_t count, std::uint8_t* to) {
  const auto plane = [&](std::size_t k) {
    return reinterpret_cast<const std::uint8_t*>(planes[k]);
  };
  switch (planes.size()) {
    case 1:
      if (count != 0) std::memcpy(to, plane(0), count);
      return;
    case 2:
      return merge2<rotation>(plane(0), plane(1), count, to);
    case 4:
      return merge4<rotation>(plane(0), plane(1), plane(2), plane(3), count, to);
    case 8:
      return merge8<rotation>(planes.data(), count, to);
    default:
      expects(false, "numbers of 1, 2, 4 or 8 bytes");
  }
}

}  // namespace

void merge_planes(std::span<const std::byte* const> planes, Rotation rotation, MutableBytes plain) {
  const std::size_t count = plain.size() / planes.size();
  auto* const to = reinterpret_cast<std::uint8_t*>(plain.data());
  if (rotation == Rotation::none) {
    merge_as<Rotation::none>(planes, count, to);
  } else {
    merge_as<Rotation::upper_half>(planes, count, to);
  }
}

}  // namespace wfs
