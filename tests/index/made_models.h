// Models of random values, and changed copies of them, as bytes with a layout and as rows of an index. For
// tests and benchmarks only.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "base/hash.h"
#include "index/content_rows.h"
#include "index/similarity.h"
#include "tests/codec/samples.h"

namespace wfs {

struct MadeTensor {
  std::string name;
  std::vector<std::uint64_t> shape;
  std::vector<float> values;
};
using MadeModel = std::vector<MadeTensor>;

// Roughly normal and quick to make: a sum of four numbers of 16 bits each.
class QuickNormal {
 public:
  explicit QuickNormal(std::uint64_t seed) : state_(seed * 0x9e37'79b9'7f4a'7c15 + 1) {}

  float operator()() {
    std::uint64_t mixed = state_ += 0x9e37'79b9'7f4a'7c15;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58'476d'1ce4'e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d0'49bb'1331'11eb;
    mixed ^= mixed >> 31;
    std::int64_t sum = 0;
    for (int i = 0; i < 4; ++i) sum += static_cast<std::int64_t>(mixed >> (16 * i) & 0xffff);
    return static_cast<float>(sum - 2 * 65535) / 37837.0F;
  }

 private:
  std::uint64_t state_;
};

inline MadeModel made_model(std::uint64_t seed, std::size_t tensors,
                            const std::vector<std::uint64_t>& shape) {
  QuickNormal normal(seed);
  std::size_t count = 1;
  for (const std::uint64_t length : shape) count *= length;
  MadeModel model;
  for (std::size_t i = 0; i < tensors; ++i) {
    MadeTensor& tensor = model.emplace_back();
    tensor.name = cat("layers.", i, ".weight");
    tensor.shape = shape;
    tensor.values.resize(count);
    for (float& value : tensor.values) value = 0.02F * normal();
  }
  return model;
}

// Groups of 32 with an f16 scale, as llama.cpp makes them.
inline Buffer as_q8_0(const std::vector<float>& values) {
  Buffer bytes;
  for (std::size_t at = 0; at + 32 <= values.size(); at += 32) {
    float greatest = 0;
    for (std::size_t i = 0; i < 32; ++i) greatest = std::max(greatest, std::fabs(values[at + i]));
    const float scale = greatest / 127;
    append_bytes(bytes, as_f16({scale}));
    for (std::size_t i = 0; i < 32; ++i) {
      const float quant = scale == 0 ? 0 : std::round(values[at + i] / scale);
      append_le(bytes, static_cast<std::int8_t>(quant));
    }
  }
  return bytes;
}

struct MadeFile {
  Buffer bytes;
  Layout layout;
};

inline MadeFile made_file(const MadeModel& model, Dtype dtype) {
  MadeFile file;
  append_bytes(file.bytes, as_bytes("a header"));
  file.layout.segments.push_back({{0, file.bytes.size()}, std::nullopt});
  for (const MadeTensor& tensor : model) {
    Buffer bytes;
    switch (dtype) {
      case Dtype::bf16: bytes = as_bf16(tensor.values); break;
      case Dtype::f16: bytes = as_f16(tensor.values); break;
      case Dtype::q8_0: bytes = as_q8_0(tensor.values); break;
      default: bytes = bytes_of(tensor.values); break;
    }
    file.layout.segments.push_back(
        {{file.bytes.size(), bytes.size()}, Tensor{tensor.name, dtype, tensor.shape}});
    append_bytes(file.bytes, bytes);
  }
  return file;
}

inline std::vector<TensorSketch> sketches_of(const MadeFile& file) {
  return sketch_tensors(MemorySource(file.bytes), file.layout);
}

// As a packed content with its sketches. The blocks it names do not exist.
inline ContentId put_made(Database& database, const MadeFile& file) {
  const ContentId id{sha256(file.bytes)};
  BlockRef block;
  block.number = 1;
  block.plain_length = static_cast<std::uint32_t>(file.bytes.size());
  put_packed_content(database, id, SegmentMap(file.layout, {block}), 0, "");
  put_sketches(database, id, sketches_of(file));
  return id;
}

}  // namespace wfs
