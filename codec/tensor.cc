#include "codec/tensor.h"

#include <array>

namespace wfs {
namespace {

struct DtypeInfo {
  std::string_view name;
  unsigned bits;
  unsigned width;
  bool floats;
  unsigned group_bytes = 1;
};

// In the order of the numbers.
constexpr std::array<DtypeInfo, dtype_count> infos = {{
    {"OPAQUE", 8, 1, false},    {"F64", 64, 8, true},         {"F32", 32, 4, true},
    {"F16", 16, 2, true},       {"BF16", 16, 2, true},        {"F8_E4M3", 8, 1, false},
    {"F8_E5M2", 8, 1, false},   {"I64", 64, 8, false},        {"I32", 32, 4, false},
    {"I16", 16, 2, false},      {"I8", 8, 1, false},          {"U64", 64, 8, false},
    {"U32", 32, 4, false},      {"U16", 16, 2, false},        {"U8", 8, 1, false},
    {"BOOL", 8, 1, false},      {"C64", 64, 4, true},         {"F4", 4, 1, false},
    {"F6_E2M3", 6, 1, false},   {"F6_E3M2", 6, 1, false},     {"F8_E8M0", 8, 1, false},
    {"QUANTISED", 0, 1, false}, {"F8_E4M3FNUZ", 8, 1, false}, {"F8_E5M2FNUZ", 8, 1, false},
    {"Q4_0", 0, 1, false, 18},  {"Q4_1", 0, 1, false, 20},    {"Q5_0", 0, 1, false, 22},
    {"Q5_1", 0, 1, false, 24},  {"Q8_0", 0, 1, false, 34},    {"Q8_1", 0, 1, false, 36},
    {"Q2_K", 0, 1, false, 84},  {"Q3_K", 0, 1, false, 110},   {"Q4_K", 0, 1, false, 144},
    {"Q5_K", 0, 1, false, 176}, {"Q6_K", 0, 1, false, 210},   {"Q8_K", 0, 1, false, 292},
    {"MXFP4", 0, 1, false, 17},
}};

const DtypeInfo& info_of(Dtype dtype) noexcept {
  const auto number = static_cast<std::size_t>(dtype);
  return number < infos.size() ? infos[number] : infos[0];
}

}  // namespace

unsigned bits_of(Dtype dtype) noexcept {
  return info_of(dtype).bits;
}
unsigned group_bytes_of(Dtype dtype) noexcept {
  return info_of(dtype).group_bytes;
}
unsigned width_of(Dtype dtype) noexcept {
  return info_of(dtype).width;
}
bool is_float(Dtype dtype) noexcept {
  return info_of(dtype).floats;
}
std::string_view name_of(Dtype dtype) noexcept {
  return info_of(dtype).name;
}

std::optional<Dtype> dtype_of_safetensors(std::string_view spelling) noexcept {
  for (std::uint8_t number = 0; number < dtype_count; ++number) {
    const auto dtype = static_cast<Dtype>(number);
    if (dtype == Dtype::opaque || bits_of(dtype) == 0) continue;
    if (infos[number].name == spelling) return dtype;
  }
  return std::nullopt;
}

std::optional<Dtype> dtype_of_number(std::uint8_t number) noexcept {
  if (number >= dtype_count) return std::nullopt;
  return static_cast<Dtype>(number);
}

}  // namespace wfs
