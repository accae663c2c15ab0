// What the parsers find in a file: its format and its segments. The segments cover the file without
// hole or overlap, in ascending order, and none is empty. Every parser reads hostile bytes: memory
// is bounded by the header caps below, not by counts found in the file. Functions without state.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "codec/byte_source.h"
#include "codec/tensor.h"

namespace wfs {

// Stored in repositories: the numbers never change.
enum class Format : std::uint8_t {
  opaque = 0,
  safetensors = 1,
  torch_zip = 2,
  gguf = 3,
  npy = 4,
  npz = 5,
};

std::string_view name_of(Format format) noexcept;

struct Segment {
  Range range;
  std::optional<Tensor> tensor;

  bool operator==(const Segment&) const = default;
};

struct Layout {
  Format format = Format::opaque;
  std::vector<Segment> segments;
  std::vector<Tensor> empty_tensors;  // tensors of no bytes, which are in no segment
  std::string reason;  // why a file that looked like a known format is opaque; empty otherwise
};

// Total: any bytes have a layout. Throws only what `file` throws when it cannot be read.
Layout layout_of(const ByteSource& file);

inline constexpr std::uint64_t safetensors_header_max = 100'000'000;

// The segments that cover a file of `file_size` bytes: `found` and, between them, segments without
// a tensor. Throws: Errc::invalid when two of `found` overlap or one reaches past the end.
std::vector<Segment> cover(std::uint64_t file_size, std::vector<Segment> found);

// One format each. Throw: Errc::invalid with the reason when the file breaks a rule of the format.
// parse_safetensors accepts exactly the files that the safetensors library opens.
Layout parse_safetensors(const ByteSource& file);
Layout parse_zip(const ByteSource& file);  // PyTorch archives and npz
Layout parse_gguf(const ByteSource& file);
Layout parse_npy(const ByteSource& file);

}  // namespace wfs
