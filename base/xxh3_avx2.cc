#include "base/xxh3_kernels.h"

#if defined(__x86_64__) && defined(__GNUC__)

#include <immintrin.h>

#include <cstdlib>
#include <cstring>

#pragma GCC push_options
#pragma GCC target("avx2")
#define XXH_INLINE_ALL
#define XXH_VECTOR 2  // XXH_AVX2
#include <xxhash.h>

namespace wfs {
namespace {

Xxh3Kernels::Wide wide(const void* bytes, std::size_t size) {
  const XXH128_hash_t hash = XXH3_128bits(bytes, size);
  return {hash.low64, hash.high64};
}

std::uint64_t narrow(const void* bytes, std::size_t size, std::uint64_t seed) {
  return XXH3_64bits_withSeed(bytes, size, seed);
}

bool add(void* state, const void* bytes, std::size_t size) {
  return XXH3_128bits_update(static_cast<XXH3_state_t*>(state), bytes, size) == XXH_OK;
}

}  // namespace
}  // namespace wfs
#pragma GCC pop_options

namespace wfs {

const Xxh3Kernels* xxh3_avx2() noexcept {
  static constexpr Xxh3Kernels kernels{wide, narrow, add};
  static const bool has_avx2 = __builtin_cpu_supports("avx2") != 0;
  return has_avx2 ? &kernels : nullptr;
}

}  // namespace wfs

#else

namespace wfs {

const Xxh3Kernels* xxh3_avx2() noexcept { return nullptr; }

}  // namespace wfs

#endif
