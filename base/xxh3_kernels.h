// XXH3-128 compiled for the vectors that processors of today have; the library is built for the oldest. The same
// hashes. Any thread; a state is for one.
#pragma once

#include <cstddef>
#include <cstdint>

namespace wfs {

// A hash of 128 bits, or its low half, and a state of a stream of bytes, as the library keeps it.
struct Xxh3Kernels {
  struct Wide {
    std::uint64_t low, high;
  };
  Wide (*wide)(const void* bytes, std::size_t size);
  std::uint64_t (*narrow)(const void* bytes, std::size_t size, std::uint64_t seed);
  bool (*add)(void* state, const void* bytes, std::size_t size);
};

// Null where the processor lacks what they need.
const Xxh3Kernels* xxh3_avx2() noexcept;

}  // namespace wfs
