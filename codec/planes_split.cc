#include <cstring>

#include "base/error.h"
#include "codec/planes.h"

// Compiles this file once more for each kind of vectors the architecture has. The inner loops have
// no calls, no branches and restricted pointers: the compiler vectorises them.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "codec/planes_split.cc"
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace wfs {
namespace HWY_NAMESPACE {
namespace {

constexpr std::size_t piece = 1024;  // numbers between two requests for what comes next
constexpr std::size_t ahead = 4096;  // bytes

template <Rotation rotation, class Number>
HWY_INLINE Number load_rotated(const std::uint8_t* from) {
  Number number;
  std::memcpy(&number, from, sizeof number);
  if constexpr (rotation == Rotation::none) return number;
  constexpr unsigned shift = sizeof(Number) * 8 - 16;  // of the upper half
  constexpr Number upper = static_cast<Number>(Number{0xffff} << shift);
  constexpr Number lowest = static_cast<Number>(Number{1} << shift);
  const auto moved = static_cast<Number>((number << 1) & static_cast<Number>(upper ^ lowest));
  const auto sign = static_cast<Number>((number >> 15) & lowest);
  return static_cast<Number>((number & static_cast<Number>(~upper)) | moved | sign);
}

template <Rotation rotation>
void split_piece(const std::uint8_t* __restrict from, std::size_t count,
                 std::uint8_t* __restrict p0, std::uint8_t* __restrict p1) {
  for (std::size_t i = 0; i < count; ++i) {
    const auto number = load_rotated<rotation, std::uint16_t>(from + 2 * i);
    p0[i] = static_cast<std::uint8_t>(number);
    p1[i] = static_cast<std::uint8_t>(number >> 8);
  }
}

template <Rotation rotation>
void split_piece(const std::uint8_t* __restrict from, std::size_t count,
                 std::uint8_t* __restrict p0, std::uint8_t* __restrict p1,
                 std::uint8_t* __restrict p2, std::uint8_t* __restrict p3) {
  for (std::size_t i = 0; i < count; ++i) {
    const auto number = load_rotated<rotation, std::uint32_t>(from + 4 * i);
    p0[i] = static_cast<std::uint8_t>(number);
    p1[i] = static_cast<std::uint8_t>(number >> 8);
    p2[i] = static_cast<std::uint8_t>(number >> 16);
    p3[i] = static_cast<std::uint8_t>(number >> 24);
  }
}

template <Rotation rotation>
void split_piece8(const std::uint8_t* __restrict from, std::size_t count, std::size_t distance,
                  std::uint8_t* __restrict to) {
  for (unsigned k = 0; k < 8; ++k) {
    for (std::size_t i = 0; i < count; ++i) {
      const auto number = load_rotated<rotation, std::uint64_t>(from + 8 * i);
      to[k * distance + i] = static_cast<std::uint8_t>(number >> (8 * k));
    }
  }
}

template <Rotation rotation>
void split_as(const std::uint8_t* from, unsigned width, std::size_t count, std::uint8_t* to) {
  const std::size_t bytes = count * width;
  for (std::size_t done = 0; done < count; done += piece) {
    const std::size_t length = std::min(piece, count - done);
    for (std::size_t at = 0; at < piece * width; at += 64) {
      const std::size_t wanted = done * width + ahead + at;
      if (wanted < bytes) hwy::Prefetch(from + wanted);
    }
    const std::uint8_t* const start = from + done * width;
    std::uint8_t* const p = to + done;
    if (width == 2) split_piece<rotation>(start, length, p, p + count);
    if (width == 4) {
      split_piece<rotation>(start, length, p, p + count, p + 2 * count, p + 3 * count);
    }
    if (width == 8) split_piece8<rotation>(start, length, count, p);
  }
}

void split_kernel(const std::uint8_t* from, unsigned width, std::size_t count, std::uint8_t* to) {
  split_as<Rotation::none>(from, width, count, to);
}
void split_rotated_kernel(const std::uint8_t* from, unsigned width, std::size_t count,
                          std::uint8_t* to) {
  split_as<Rotation::upper_half>(from, width, count, to);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace wfs
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace wfs {
namespace {

HWY_EXPORT(split_kernel);
HWY_EXPORT(split_rotated_kernel);

}  // namespace

void split_planes(Bytes plain, unsigned width, Rotation rotation, MutableBytes planes) {
  const std::size_t count = plain.size() / width;
  expects(width == 1 || width == 2 || width == 4 || width == 8, "numbers of 1, 2, 4 or 8 bytes");
  expects(planes.size() == count * width, "the planes hold all whole numbers");
  const auto* const from = reinterpret_cast<const std::uint8_t*>(plain.data());
  auto* const to = reinterpret_cast<std::uint8_t*>(planes.data());
  if (width == 1) {
    if (count != 0) std::memcpy(to, from, count);
  } else if (rotation == Rotation::none) {
    HWY_DYNAMIC_DISPATCH(split_kernel)(from, width, count, to);
  } else {
    HWY_DYNAMIC_DISPATCH(split_rotated_kernel)(from, width, count, to);
  }
}

}  // namespace wfs
#endif  // HWY_ONCE
