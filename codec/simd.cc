#include "codec/simd.h"

#include <algorithm>
#include <cstdint>

#include "base/bytes.h"
#include "base/error.h"
#include "hwy/highway.h"

namespace wfs {
namespace {

struct Kind {
  std::int64_t target;
  std::string_view name;
};

constexpr std::int64_t portable = HWY_SCALAR | HWY_EMU128;
#ifdef HWY_NEON_WITHOUT_AES  // newer versions of Highway tell them apart
constexpr std::int64_t neon = HWY_NEON | HWY_NEON_WITHOUT_AES;
#else
constexpr std::int64_t neon = HWY_NEON;
#endif

// As they are called, the better before the worse.
constexpr Kind kinds[] = {{HWY_AVX3_DL, "avx512"}, {HWY_AVX2, "avx2"}, {HWY_SSE4, "sse4"},
                          {neon, "neon"},   {portable, "portable"}};

// Of those compiled, what the processor has.
std::int64_t supported() {
  static const std::int64_t targets = hwy::SupportedTargets() & HWY_TARGETS;
  return targets | portable;
}

std::int64_t& forced() {
  static std::int64_t target = 0;
  return target;
}

}  // namespace

std::vector<std::string_view> simd_kinds() {
  std::vector<std::string_view> names;
  for (const Kind& kind : kinds) {
    const bool compiled = kind.target != portable || (HWY_TARGETS & portable) != 0;
    if (compiled && (supported() & kind.target) != 0) names.push_back(kind.name);
  }
  return names;
}

std::string_view simd_kind() {
  for (const Kind& kind : kinds) {
    if (kind.target == forced()) return kind.name;
  }
  return simd_kinds().front();
}

void force_simd(std::string_view kind) {
  const auto names = simd_kinds();
  if (!kind.empty() && std::find(names.begin(), names.end(), kind) == names.end()) {
    fail(Errc::invalid, cat("this machine has no ", kind, " vectors"));
  }
  forced() = 0;
  for (const Kind& each : kinds) {
    if (each.name == kind) forced() = each.target;
  }
  hwy::SetSupportedTargetsForTest(forced());
  hwy::GetChosenTarget().DeInit();
}

}  // namespace wfs
