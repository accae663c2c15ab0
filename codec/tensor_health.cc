#include "codec/tensor_health.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "base/error.h"

// Sums are kept in lanes, so that the compiler may vectorise them without reordering additions.
namespace wfs {
namespace {

constexpr std::size_t batch = 1024;
constexpr std::size_t lanes = 8;

struct Sums {
  std::uint64_t nan = 0;
  std::uint64_t inf = 0;
  double min = std::numeric_limits<double>::infinity();
  double max = -std::numeric_limits<double>::infinity();
  double squares = 0;
};

// The parts of IEEE 754 numbers that tell their kinds apart.
template <class Float>
struct Ieee;
template <>
struct Ieee<float> {
  using Bits = std::uint32_t;
  using Signed = std::int32_t;
  static constexpr Bits infinity = 0x7f80'0000;
};
template <>
struct Ieee<double> {
  using Bits = std::uint64_t;
  using Signed = std::int64_t;
  static constexpr Bits infinity = 0x7ff0'0000'0000'0000;
};

// Requires: count <= batch.
template <class Float>
Sums sum_floats(const typename Ieee<Float>::Bits* bits, std::size_t count) {
  using Bits = typename Ieee<Float>::Bits;
  using Signed = typename Ieee<Float>::Signed;
  constexpr Bits infinity = Ieee<Float>::infinity;
  constexpr Bits magnitude = static_cast<Bits>(~Bits{0}) >> 1;
  constexpr Signed none_low = std::numeric_limits<Signed>::max();
  constexpr Signed none_high = std::numeric_limits<Signed>::min();

  Bits nan = 0;
  Bits inf = 0;
  Signed low = none_low;
  Signed high = none_high;
  std::array<Float, batch> finite;
  for (std::size_t i = 0; i < count; ++i) {
    const Bits absolute = bits[i] & magnitude;
    nan += absolute > infinity;
    inf += absolute == infinity;
    const bool is_finite = absolute < infinity;
    // An integer that is ordered as the float is.
    const auto value = static_cast<Signed>(bits[i]);
    const Signed order = value ^ static_cast<Signed>((value >> (sizeof(Bits) * 8 - 1)) &
                                                     static_cast<Signed>(magnitude));
    low = std::min(low, is_finite ? order : none_low);
    high = std::max(high, is_finite ? order : none_high);
    const Bits kept = is_finite ? bits[i] : 0;
    std::memcpy(&finite[i], &kept, sizeof kept);
  }
  std::array<double, lanes> squares{};
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    for (std::size_t k = 0; k < lanes; ++k) {
      const double value = finite[i + k];
      squares[k] += value * value;
    }
  }
  for (; i < count; ++i) squares[0] += double{finite[i]} * double{finite[i]};

  const auto value_of = [](Signed order) {
    const Signed value = order ^ static_cast<Signed>((order >> (sizeof(Bits) * 8 - 1)) &
                                                     static_cast<Signed>(magnitude));
    Float number;
    std::memcpy(&number, &value, sizeof value);
    return static_cast<double>(number);
  };
  Sums sums;
  sums.nan = nan;
  sums.inf = inf;
  if (low != none_low) sums.min = value_of(low);
  if (high != none_high) sums.max = value_of(high);
  for (const double lane : squares) sums.squares += lane;
  return sums;
}

void widen_bf16(const std::uint16_t* from, std::size_t count, std::uint32_t* to) {
  for (std::size_t i = 0; i < count; ++i) to[i] = std::uint32_t{from[i]} << 16;
}

void widen_f16(const std::uint16_t* from, std::size_t count, std::uint32_t* to) {
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t half = from[i];
    const std::uint32_t sign = (half & 0x8000) << 16;
    const std::uint32_t absolute = (half & 0x7fff) << 13;
    // Normal numbers get another bias, infinities and NaN the highest exponent.
    const std::uint32_t normal = absolute + (absolute >= 0x0f80'0000 ? 0x7000'0000U : 0x3800'0000U);
    // Subnormal ones are the mantissa over 2^24, which the unit exchanges exactly.
    const float subnormal = static_cast<float>(static_cast<std::int32_t>(half & 0x3ff)) * 0x1p-24F;
    std::uint32_t subnormal_bits;
    std::memcpy(&subnormal_bits, &subnormal, sizeof subnormal);
    to[i] = sign | (absolute < 0x0080'0000 ? subnormal_bits : normal);
  }
}

template <class Integer>
Sums sum_integers(Bytes bytes) {
  Integer low = std::numeric_limits<Integer>::max();
  Integer high = std::numeric_limits<Integer>::min();
  std::array<double, lanes> squares{};
  const std::size_t count = bytes.size() / sizeof(Integer);
  std::array<Integer, batch> values;
  std::memcpy(values.data(), bytes.data(), bytes.size());
  for (std::size_t i = 0; i < count; ++i) {
    low = std::min(low, values[i]);
    high = std::max(high, values[i]);
  }
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    for (std::size_t k = 0; k < lanes; ++k) {
      const auto value = static_cast<double>(values[i + k]);
      squares[k] += value * value;
    }
  }
  for (; i < count; ++i) squares[0] += static_cast<double>(values[i]) * static_cast<double>(values[i]);
  Sums sums;
  if (count > 0) {
    sums.min = static_cast<double>(low);
    sums.max = static_cast<double>(high);
  }
  for (const double lane : squares) sums.squares += lane;
  return sums;
}

// Requires: at most a batch of elements.
Sums sum_batch(Dtype dtype, Bytes bytes) {
  std::array<std::uint32_t, batch> wide;
  std::array<std::uint16_t, batch> narrow;
  switch (dtype) {
    case Dtype::f64: {
      std::array<std::uint64_t, batch> bits;
      std::memcpy(bits.data(), bytes.data(), bytes.size());
      return sum_floats<double>(bits.data(), bytes.size() / 8);
    }
    case Dtype::f32:
      std::memcpy(wide.data(), bytes.data(), bytes.size());
      return sum_floats<float>(wide.data(), bytes.size() / 4);
    case Dtype::bf16:
      std::memcpy(narrow.data(), bytes.data(), bytes.size());
      widen_bf16(narrow.data(), bytes.size() / 2, wide.data());
      return sum_floats<float>(wide.data(), bytes.size() / 2);
    case Dtype::f16:
      std::memcpy(narrow.data(), bytes.data(), bytes.size());
      widen_f16(narrow.data(), bytes.size() / 2, wide.data());
      return sum_floats<float>(wide.data(), bytes.size() / 2);
    case Dtype::i64: return sum_integers<std::int64_t>(bytes);
    case Dtype::i32: return sum_integers<std::int32_t>(bytes);
    case Dtype::i16: return sum_integers<std::int16_t>(bytes);
    case Dtype::i8: return sum_integers<std::int8_t>(bytes);
    case Dtype::u64: return sum_integers<std::uint64_t>(bytes);
    case Dtype::u32: return sum_integers<std::uint32_t>(bytes);
    case Dtype::u16: return sum_integers<std::uint16_t>(bytes);
    case Dtype::u8: return sum_integers<std::uint8_t>(bytes);
    default: expects(false, "a type that is measured"); return {};
  }
}

}  // namespace

bool HealthMeter::measures(Dtype dtype) noexcept {
  switch (dtype) {
    case Dtype::f64:
    case Dtype::f32:
    case Dtype::f16:
    case Dtype::bf16:
    case Dtype::i64:
    case Dtype::i32:
    case Dtype::i16:
    case Dtype::i8:
    case Dtype::u64:
    case Dtype::u32:
    case Dtype::u16:
    case Dtype::u8: return true;
    default: return false;
  }
}

HealthMeter::HealthMeter(Dtype dtype) : dtype_(dtype) {
  expects(measures(dtype), "a type that is measured");
}

void HealthMeter::add(Bytes elements) {
  const std::size_t width = width_of(dtype_);
  expects(elements.size() % width == 0, "whole elements");
  count_ += elements.size() / width;
  while (!elements.empty()) {
    const Bytes part = elements.first(std::min(elements.size(), batch * width));
    elements = elements.subspan(part.size());
    const Sums sums = sum_batch(dtype_, part);
    nan_ += sums.nan;
    inf_ += sums.inf;
    min_ = std::min(min_, sums.min);
    max_ = std::max(max_, sums.max);
    squares_ += sums.squares;
  }
}

void HealthMeter::merge(const HealthMeter& other) {
  expects(dtype_ == other.dtype_, "meters of one type");
  nan_ += other.nan_;
  inf_ += other.inf_;
  count_ += other.count_;
  min_ = std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
  squares_ += other.squares_;
}

Health HealthMeter::finish() const {
  const bool any = min_ <= max_;
  return {nan_, inf_, any ? min_ : 0, any ? max_ : 0, std::sqrt(squares_), count_};
}

}  // namespace wfs
