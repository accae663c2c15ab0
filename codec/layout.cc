#include "codec/layout.h"

#include <algorithm>
#include <array>

#include "base/wire.h"

namespace wfs {

std::string_view name_of(Format format) noexcept {
  switch (format) {
    case Format::opaque:
      return "opaque";
    case Format::safetensors:
      return "safetensors";
    case Format::torch_zip:
      return "torch_zip";
    case Format::gguf:
      return "gguf";
    case Format::npy:
      return "npy";
    case Format::npz:
      return "npz";
  }
  return "unknown";
}

std::vector<Segment> cover(std::uint64_t file_size, std::vector<Segment> found) {
  std::sort(found.begin(), found.end(), [](const Segment& left, const Segment& right) {
    return left.range.offset < right.range.offset;
  });
  std::vector<Segment> covering;
  covering.reserve(found.size() + 1);
  std::uint64_t covered = 0;
  for (Segment& segment : found) {
    const Range range = segment.range;
    if (range.empty()) continue;
    if (range.offset < covered)
      fail(Errc::invalid, cat("bytes at ", range.offset, " have two uses"));
    if (range.offset > file_size || range.length > file_size - range.offset) {
      fail(Errc::invalid, cat("the file ends before ", range.length, " bytes at ", range.offset));
    }
    if (range.offset > covered) covering.push_back({{covered, range.offset - covered}, {}});
    covered = range.end();
    covering.push_back(std::move(segment));
  }
  if (covered < file_size) covering.push_back({{covered, file_size - covered}, {}});
  return covering;
}

namespace {

using Parser = Layout (*)(const ByteSource&);

bool may_start_json(std::byte byte) {
  return std::string_view("{ \t\r\n").find(static_cast<char>(byte)) != std::string_view::npos;
}

// The parser of the format that the first bytes speak for.
Parser parser_of(const ByteSource& file) {
  std::array<std::byte, 9> start{};
  const std::uint64_t size = file.size();
  file.read(0,
            MutableBytes(start).first(static_cast<std::size_t>(std::min<std::uint64_t>(9, size))));
  const std::string_view text = as_text(start);
  if (text.starts_with("GGUF")) return parse_gguf;
  if (text.starts_with("\x93NUMPY")) return parse_npy;
  if (text.starts_with("PK\x03\x04")) return parse_zip;
  const auto header_length = load_le<std::uint64_t>(start.data());
  if (size > 8 && header_length <= safetensors_header_max && header_length <= size - 8 &&
      may_start_json(start[8])) {
    return parse_safetensors;
  }
  return nullptr;
}

}  // namespace

Layout layout_of(const ByteSource& file) {
  std::string reason;
  if (const Parser parse = parser_of(file)) {
    try {
      return parse(file);
    } catch (const Error& error) {
      if (error.code() != Errc::invalid) throw;
      reason = error.what();
    }
  }
  Layout layout;
  layout.segments = cover(file.size(), {});
  layout.reason = std::move(reason);
  return layout;
}

}  // namespace wfs
