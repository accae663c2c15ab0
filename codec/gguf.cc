#include <algorithm>
#include <array>
#include <bit>

#include "codec/layout.h"
#include "codec/source_reader.h"

namespace wfs {
namespace {

constexpr std::uint64_t header_max =
    1024 * 1024 * 1024;  // the longest known vocabulary: some 20 MiB
constexpr std::uint64_t tensors_max = 1 << 20;
constexpr std::uint64_t name_max = 64 * 1024;
constexpr unsigned array_depth_max = 4;

enum class ValueType : std::uint32_t {
  u8,
  i8,
  u16,
  i16,
  u32,
  i32,
  f32,
  boolean,
  string,
  array,
  u64,
  i64,
  f64
};

// Bytes of a value; 0 for those that say it themselves.
std::uint64_t size_of_value(ValueType type) {
  switch (type) {
    case ValueType::u8:
    case ValueType::i8:
    case ValueType::boolean:
      return 1;
    case ValueType::u16:
    case ValueType::i16:
      return 2;
    case ValueType::u32:
    case ValueType::i32:
    case ValueType::f32:
      return 4;
    case ValueType::u64:
    case ValueType::i64:
    case ValueType::f64:
      return 8;
    case ValueType::string:
    case ValueType::array:
      return 0;
  }
  fail(Errc::invalid, cat("metadata type ", static_cast<std::uint32_t>(type), " is not known"));
}

void skip_value(SourceReader& reader, ValueType type, unsigned depth = 0) {
  if (type == ValueType::string) return reader.skip(reader.number<std::uint64_t>());
  if (type != ValueType::array) return reader.skip(size_of_value(type));
  if (depth >= array_depth_max) fail(Errc::invalid, "metadata is nested too deeply");
  const auto item_type = static_cast<ValueType>(reader.number<std::uint32_t>());
  const auto count = reader.number<std::uint64_t>();
  const std::uint64_t item_size = size_of_value(item_type);
  // A string takes 8 bytes at least, and so does an array.
  if (count > reader.left() / (item_size == 0 ? 8 : item_size)) {
    fail(Errc::invalid, "a metadata array is longer than the file");
  }
  if (item_size != 0) return reader.skip(count * item_size);
  for (std::uint64_t i = 0; i < count; ++i) skip_value(reader, item_type, depth + 1);
}

struct TypeInfo {
  std::uint32_t number;
  std::uint32_t block_elements;
  std::uint32_t block_bytes;
  Dtype dtype = Dtype::quantised;
};

constexpr std::array<TypeInfo, 32> types = {{
    {0, 1, 4, Dtype::f32},
    {1, 1, 2, Dtype::f16},
    {2, 32, 18, Dtype::q4_0},
    {3, 32, 20, Dtype::q4_1},
    {6, 32, 22, Dtype::q5_0},
    {7, 32, 24, Dtype::q5_1},
    {8, 32, 34, Dtype::q8_0},
    {9, 32, 36, Dtype::q8_1},
    {10, 256, 84, Dtype::q2_k},
    {11, 256, 110, Dtype::q3_k},
    {12, 256, 144, Dtype::q4_k},
    {13, 256, 176, Dtype::q5_k},
    {14, 256, 210, Dtype::q6_k},
    {15, 256, 292, Dtype::q8_k},
    {16, 256, 66},  // IQ2_XXS
    {17, 256, 74},
    {18, 256, 98},
    {19, 256, 50},
    {20, 32, 18},
    {21, 256, 110},
    {22, 256, 82},
    {23, 256, 136},
    {24, 1, 1, Dtype::i8},
    {25, 1, 2, Dtype::i16},
    {26, 1, 4, Dtype::i32},
    {27, 1, 8, Dtype::i64},
    {28, 1, 8, Dtype::f64},
    {29, 256, 56},  // IQ1_M
    {30, 1, 2, Dtype::bf16},
    {34, 256, 54},  // TQ1_0
    {35, 256, 66},  // TQ2_0
    {39, 32, 17, Dtype::mxfp4},
}};

const TypeInfo& type_of(std::uint32_t number) {
  const auto at = std::find_if(types.begin(), types.end(),
                               [&](const TypeInfo& type) { return type.number == number; });
  if (at == types.end()) fail(Errc::invalid, cat("tensor type ", number, " is not known"));
  return *at;
}

// Walks over the metadata and gives the alignment it asks for.
std::uint32_t read_metadata(SourceReader& reader, std::uint64_t count) {
  std::uint32_t alignment = 32;
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto length = reader.number<std::uint64_t>();
    if (length > name_max) fail(Errc::invalid, "a metadata key is too long");
    const std::string key = reader.text(length);
    const auto type = static_cast<ValueType>(reader.number<std::uint32_t>());
    if (key == "general.alignment") {
      if (type != ValueType::u32) fail(Errc::invalid, "general.alignment is no u32");
      alignment = reader.number<std::uint32_t>();
      if (!std::has_single_bit(alignment))
        fail(Errc::invalid, "general.alignment is no power of 2");
    } else {
      skip_value(reader, type);
    }
  }
  return alignment;
}

// One tensor; its range starts at its offset in the data part.
Segment read_tensor(SourceReader& reader, std::uint32_t alignment) {
  Tensor tensor;
  const auto length = reader.number<std::uint64_t>();
  if (length > name_max) fail(Errc::invalid, "the name of a tensor is too long");
  tensor.name = reader.text(length);
  const auto rank = reader.number<std::uint32_t>();
  if (rank > 4) fail(Errc::invalid, cat("tensor ", tensor.name, " has ", rank, " dimensions"));
  for (std::uint32_t i = 0; i < rank; ++i) tensor.shape.push_back(reader.number<std::uint64_t>());
  const TypeInfo& type = type_of(reader.number<std::uint32_t>());
  const auto offset = reader.number<std::uint64_t>();
  if (offset % alignment != 0) fail(Errc::invalid, cat("tensor ", tensor.name, " is not aligned"));

  const std::uint64_t row = rank == 0 ? 1 : tensor.shape[0];
  if (row % type.block_elements != 0) {
    fail(Errc::invalid, cat("rows of tensor ", tensor.name, " are not whole blocks"));
  }
  std::uint64_t bytes = row / type.block_elements;
  bool overflows = __builtin_mul_overflow(bytes, std::uint64_t{type.block_bytes}, &bytes);
  for (std::uint32_t i = 1; i < rank; ++i) {
    overflows |= __builtin_mul_overflow(bytes, tensor.shape[i], &bytes);
  }
  if (overflows) fail(Errc::invalid, cat("the shape of tensor ", tensor.name, " overflows"));
  // The file has the fastest dimension first; all other formats have it last.
  std::reverse(tensor.shape.begin(), tensor.shape.end());
  tensor.dtype = type.dtype;
  return {{offset, bytes}, std::move(tensor)};
}

}  // namespace

Layout parse_gguf(const ByteSource& file) {
  const std::uint64_t size = file.size();
  SourceReader reader(file, {0, std::min(size, header_max)});
  if (reader.text(4) != "GGUF") fail(Errc::invalid, "not GGUF");
  const auto version = reader.number<std::uint32_t>();
  if (version != 2 && version != 3) fail(Errc::invalid, cat("GGUF version ", version));
  const auto tensor_count = reader.number<std::uint64_t>();
  const auto metadata_count = reader.number<std::uint64_t>();
  if (tensor_count > tensors_max) fail(Errc::invalid, "too many tensors");
  const std::uint32_t alignment = read_metadata(reader, metadata_count);

  Layout layout;
  layout.format = Format::gguf;
  std::vector<Segment> found;
  for (std::uint64_t i = 0; i < tensor_count; ++i) {
    Segment segment = read_tensor(reader, alignment);
    if (segment.range.empty()) {
      layout.empty_tensors.push_back(std::move(*segment.tensor));
    } else {
      found.push_back(std::move(segment));
    }
  }
  const std::uint64_t data = (reader.position() + alignment - 1) / alignment * alignment;
  for (Segment& segment : found) {
    if (segment.range.offset > size || data > size - segment.range.offset) {
      fail(Errc::invalid, cat("the file ends before tensor ", segment.tensor->name));
    }
    segment.range.offset += data;
  }
  layout.segments = cover(size, std::move(found));
  return layout;
}

}  // namespace wfs
