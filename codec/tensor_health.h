// Finds what is wrong with the numbers of a tensor: NaN, infinities, range and norm. A meter
// belongs to one thread; the state of meters that saw different blocks of one tensor can be merged.
#pragma once

#include <cstdint>
#include <limits>

#include "base/bytes.h"
#include "codec/tensor.h"

namespace wfs {

struct Health {
  std::uint64_t nan = 0;
  std::uint64_t inf = 0;
  double min = 0;  // min and max are over the finite values, 0 when there is none
  double max = 0;
  double l2 = 0;  // the square root of the sum of the squares of the finite values
  std::uint64_t count = 0;
};

// What a meter has seen so far: range and squares are of the finite values.
struct HealthSums {
  std::uint64_t nan = 0;
  std::uint64_t inf = 0;
  double min = std::numeric_limits<double>::infinity();
  double max = -std::numeric_limits<double>::infinity();
  double squares = 0;

  void add(const HealthSums& other);
};

class HealthMeter {
 public:
  // Requires: measures(dtype).
  explicit HealthMeter(Dtype dtype);

  static bool measures(Dtype dtype) noexcept;  // f64 f32 f16 bf16 and the integers

  // Requires: whole elements.
  void add(Bytes elements);
  void merge(const HealthMeter& other);  // Requires: of the same dtype
  Health finish() const;

 private:
  Dtype dtype_;
  std::uint64_t count_ = 0;
  HealthSums sums_;
};

}  // namespace wfs
