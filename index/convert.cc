#include "index/convert.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "codec/half.h"

namespace wfs {
namespace {

struct F32 {
  using Bits = std::uint32_t;
  static std::uint32_t widen(Bits bits) noexcept { return bits; }
  static Bits narrow(std::uint32_t bits) noexcept { return bits; }
};

struct Bf16 {
  using Bits = std::uint16_t;
  static std::uint32_t widen(Bits bits) noexcept { return f32_of_bf16(bits); }
  static Bits narrow(std::uint32_t bits) noexcept { return bf16_of_f32(bits); }
};

struct F16 {
  using Bits = std::uint16_t;
  static std::uint32_t widen(Bits bits) noexcept { return f32_of_f16(bits); }
  static Bits narrow(std::uint32_t bits) noexcept { return f16_of_f32(bits); }
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

}  // namespace

bool convertible(Dtype type) noexcept {
  return type == Dtype::f32 || type == Dtype::f16 || type == Dtype::bf16;
}

bool convertible(Dtype from, Dtype to) noexcept { return convertible(from) && convertible(to); }

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
