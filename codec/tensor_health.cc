#include "codec/tensor_health.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "codec/half.h"

// Compiles this file once more for each kind of vectors the architecture has. Sums are kept in lanes, so
// that the compiler may vectorise them without reordering additions.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "codec/tensor_health.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace wfs {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using Wide = hn::ScalableTag<double>;

constexpr std::size_t batch = 1024;
constexpr std::size_t lanes = 8;

// The parts of IEEE 754 numbers that tell their kinds apart.
template <class Float>
struct Ieee;
template <>
struct Ieee<float> {
  using Bits = std::uint32_t;
  static constexpr Bits infinity = 0x7f80'0000;
};
template <>
struct Ieee<double> {
  using Bits = std::uint64_t;
  static constexpr Bits infinity = 0x7ff0'0000'0000'0000;
};

// Adds range and squares of numbers that are all finite.
template <class Number>
void add_finite(const Number* numbers, std::size_t count, HealthSums& sums) {
  std::array<Number, lanes> low;
  std::array<Number, lanes> high;
  std::array<double, lanes> squares{};
  low.fill(numbers[0]);
  high.fill(numbers[0]);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    for (std::size_t k = 0; k < lanes; ++k) {
      const Number number = numbers[i + k];
      low[k] = number < low[k] ? number : low[k];
      high[k] = number > high[k] ? number : high[k];
      squares[k] += static_cast<double>(number) * static_cast<double>(number);
    }
  }
  for (; i < count; ++i) {
    low[0] = std::min(low[0], numbers[i]);
    high[0] = std::max(high[0], numbers[i]);
    squares[0] += static_cast<double>(numbers[i]) * static_cast<double>(numbers[i]);
  }
  sums.min = std::min(sums.min, static_cast<double>(*std::min_element(low.begin(), low.end())));
  sums.max = std::max(sums.max, static_cast<double>(*std::max_element(high.begin(), high.end())));
  for (const double lane : squares) sums.squares += lane;
}

// Sums up numbers that are all finite; says so when one is not. Requires: whole vectors.
bool sum_finite(const float* numbers, std::size_t count, HealthSums& sums) {
  const Wide wide;
  const hn::Rebind<float, Wide> d;
  const hn::RebindToUnsigned<decltype(d)> bits;
  auto low = hn::LoadU(d, numbers);
  auto high = low;
  auto largest = hn::Zero(bits);
  auto squares = hn::Zero(wide);
  for (std::size_t i = 0; i < count; i += hn::Lanes(d)) {
    const auto number = hn::LoadU(d, numbers + i);
    low = hn::Min(low, number);
    high = hn::Max(high, number);
    largest = hn::Max(largest, hn::BitCast(bits, hn::Abs(number)));
    const auto widened = hn::PromoteTo(wide, number);
    squares = hn::MulAdd(widened, widened, squares);
  }
  if (hn::GetLane(hn::MaxOfLanes(bits, largest)) >= Ieee<float>::infinity) return false;
  sums.min = static_cast<double>(hn::GetLane(hn::MinOfLanes(d, low)));
  sums.max = static_cast<double>(hn::GetLane(hn::MaxOfLanes(d, high)));
  sums.squares = hn::GetLane(hn::SumOfLanes(wide, squares));
  return true;
}

// Requires: 0 < count <= batch.
template <class Float>
HealthSums sum_floats(const typename Ieee<Float>::Bits* bits, std::size_t count) {
  using Bits = typename Ieee<Float>::Bits;
  constexpr Bits infinity = Ieee<Float>::infinity;
  constexpr Bits magnitude = static_cast<Bits>(~Bits{0}) >> 1;
  HealthSums sums;
  std::array<Float, batch> numbers;
  std::memcpy(numbers.data(), bits, count * sizeof(Float));
  if constexpr (sizeof(Float) == 4) {
    const bool whole = count % hn::Lanes(Wide()) == 0;
    if (whole && sum_finite(numbers.data(), count, sums)) return sums;
  }
  Bits odd = 0;
  for (std::size_t i = 0; i < count; ++i) odd += (bits[i] & magnitude) >= infinity ? 1U : 0U;
  if (odd > 0) {  // seldom: takes them out one by one
    std::size_t kept = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const Bits absolute = bits[i] & magnitude;
      sums.nan += absolute > infinity;
      sums.inf += absolute == infinity;
      numbers[kept] = numbers[i];
      kept += absolute < infinity;
    }
    count = kept;
  }
  if (count > 0) add_finite(numbers.data(), count, sums);
  return sums;
}

template <auto f32_of_half>
HealthSums sum_halves(Bytes bytes) {
  std::array<std::uint16_t, batch> halves;
  std::array<std::uint32_t, batch> wide;
  std::memcpy(halves.data(), bytes.data(), bytes.size());
  const std::size_t count = bytes.size() / sizeof(halves[0]);
  for (std::size_t i = 0; i < count; ++i) wide[i] = f32_of_half(halves[i]);
  return sum_floats<float>(wide.data(), count);
}

template <class Integer>
HealthSums sum_integers(Bytes bytes) {
  std::array<Integer, batch> numbers;
  std::memcpy(numbers.data(), bytes.data(), bytes.size());
  HealthSums sums;
  add_finite(numbers.data(), bytes.size() / sizeof(Integer), sums);
  return sums;
}

// Requires: one to a batch of elements.
HealthSums sum_batch(Dtype dtype, Bytes bytes) {
  switch (dtype) {
    case Dtype::f64: {
      std::array<std::uint64_t, batch> bits;
      std::memcpy(bits.data(), bytes.data(), bytes.size());
      return sum_floats<double>(bits.data(), bytes.size() / 8);
    }
    case Dtype::f32: {
      std::array<std::uint32_t, batch> bits;
      std::memcpy(bits.data(), bytes.data(), bytes.size());
      return sum_floats<float>(bits.data(), bytes.size() / 4);
    }
    case Dtype::bf16:
      return sum_halves<f32_of_bf16>(bytes);
    case Dtype::f16:
      return sum_halves<f32_of_f16>(bytes);
    case Dtype::i64:
      return sum_integers<std::int64_t>(bytes);
    case Dtype::i32:
      return sum_integers<std::int32_t>(bytes);
    case Dtype::i16:
      return sum_integers<std::int16_t>(bytes);
    case Dtype::i8:
      return sum_integers<std::int8_t>(bytes);
    case Dtype::u64:
      return sum_integers<std::uint64_t>(bytes);
    case Dtype::u32:
      return sum_integers<std::uint32_t>(bytes);
    case Dtype::u16:
      return sum_integers<std::uint16_t>(bytes);
    case Dtype::u8:
      return sum_integers<std::uint8_t>(bytes);
    default:
      expects(false, "a type that is measured");
      return {};
  }
}

// Requires: whole elements.
void add_kernel(Dtype dtype, Bytes elements, HealthSums& sums) {
  const std::size_t length = batch * width_of(dtype);
  while (!elements.empty()) {
    const Bytes part = elements.first(std::min(elements.size(), length));
    elements = elements.subspan(part.size());
    sums.add(sum_batch(dtype, part));
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace wfs
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace wfs {
namespace {

HWY_EXPORT(add_kernel);

}  // namespace

void HealthSums::add(const HealthSums& other) {
  nan += other.nan;
  inf += other.inf;
  min = std::min(min, other.min);
  max = std::max(max, other.max);
  squares += other.squares;
}

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
    case Dtype::u8:
      return true;
    default:
      return false;
  }
}

HealthMeter::HealthMeter(Dtype dtype) : dtype_(dtype) {
  expects(measures(dtype), "a type that is measured");
}

void HealthMeter::add(Bytes elements) {
  expects(elements.size() % width_of(dtype_) == 0, "whole elements");
  count_ += elements.size() / width_of(dtype_);
  HWY_DYNAMIC_DISPATCH(add_kernel)(dtype_, elements, sums_);
}

void HealthMeter::merge(const HealthMeter& other) {
  expects(dtype_ == other.dtype_, "meters of one type");
  count_ += other.count_;
  sums_.add(other.sums_);
}

Health HealthMeter::finish() const {
  const bool any = sums_.min <= sums_.max;
  return {sums_.nan,           sums_.inf, any ? sums_.min : 0, any ? sums_.max : 0,
          std::sqrt(sums_.squares), count_};
}

}  // namespace wfs
#endif  // HWY_ONCE
