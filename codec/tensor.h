// What a file format says of one tensor: name, element type, shape. The numbers of Dtype are stored
// in repositories: they never change, and a new type gets the next free one. Values only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace wfs {

enum class Dtype : std::uint8_t {
  opaque = 0,  // bytes of unknown meaning
  f64 = 1,
  f32 = 2,
  f16 = 3,
  bf16 = 4,
  f8_e4m3 = 5,
  f8_e5m2 = 6,
  i64 = 7,
  i32 = 8,
  i16 = 9,
  i8 = 10,
  u64 = 11,
  u32 = 12,
  u16 = 13,
  u8 = 14,
  boolean = 15,
  c64 = 16,  // two f32
  f4 = 17,
  f6_e2m3 = 18,
  f6_e3m2 = 19,
  f8_e8m0 = 20,
  quantised = 21,  // GGUF's block formats that have no number of their own
  f8_e4m3_fnuz = 22,
  f8_e5m2_fnuz = 23,
  // GGUF (ggml): groups of quants with their scales.
  q4_0 = 24,
  q4_1 = 25,
  q5_0 = 26,
  q5_1 = 27,
  q8_0 = 28,
  q8_1 = 29,
  q2_k = 30,
  q3_k = 31,
  q4_k = 32,
  q5_k = 33,
  q6_k = 34,
  q8_k = 35,
  mxfp4 = 36,
};

inline constexpr std::uint8_t dtype_count = 37;

struct Tensor {
  std::string name;
  Dtype dtype = Dtype::opaque;
  std::vector<std::uint64_t> shape;

  bool operator==(const Tensor&) const = default;
};

// Bits of one element; 8 for opaque, 0 for GGUF's types, whose elements have no size of their own.
unsigned bits_of(Dtype dtype) noexcept;

// Bytes of one group of quants with its scales; 1 for types without groups, and for quantised.
unsigned group_bytes_of(Dtype dtype) noexcept;

// Bytes of the numbers that a block of this type is split into planes by; 1: it is not split.
unsigned width_of(Dtype dtype) noexcept;

// Whether the elements have sign, exponent and mantissa and fill whole numbers of width_of() bytes.
bool is_float(Dtype dtype) noexcept;

// As safetensors spells it (F32, BF16), or ggml (Q8_0); OPAQUE and QUANTISED for the two without a
// spelling.
std::string_view name_of(Dtype dtype) noexcept;

// The type safetensors spells so, if it has it.
std::optional<Dtype> dtype_of_safetensors(std::string_view spelling) noexcept;

// The type a stored number stands for, if any.
std::optional<Dtype> dtype_of_number(std::uint8_t number) noexcept;

}  // namespace wfs
