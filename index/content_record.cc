#include "index/content_record.h"

#include "base/error.h"
#include "base/wire.h"

namespace wfs {
namespace {

constexpr std::uint8_t content_version = 1;

void append_tensor(Buffer& to, const Tensor& tensor) {
  append_text32(to, tensor.name);
  append_le(to, static_cast<std::uint8_t>(tensor.dtype));
  append_le(to, static_cast<std::uint32_t>(tensor.shape.size()));
  for (const std::uint64_t dimension : tensor.shape) append_le(to, dimension);
}

Tensor take_tensor(Cursor& cursor) {
  Tensor tensor;
  tensor.name = cursor.text32();
  const auto dtype = dtype_of_number(cursor.number<std::uint8_t>());
  if (!dtype) fail(Errc::unsupported, "a tensor is of a newer type; use a newer weightfs");
  tensor.dtype = *dtype;
  const auto rank = cursor.number<std::uint32_t>();
  for (std::uint32_t i = 0; i < rank; ++i) tensor.shape.push_back(cursor.number<std::uint64_t>());
  return tensor;
}

void append_layout(Buffer& to, const Layout& layout) {
  append_le(to, static_cast<std::uint8_t>(layout.format));
  append_text32(to, layout.reason);
  append_le(to, static_cast<std::uint32_t>(layout.segments.size()));
  for (const Segment& segment : layout.segments) {
    append_le(to, segment.range.length);
    append_le(to, static_cast<std::uint8_t>(segment.tensor ? 1 : 0));
    if (segment.tensor) append_tensor(to, *segment.tensor);
  }
  append_le(to, static_cast<std::uint32_t>(layout.empty_tensors.size()));
  for (const Tensor& tensor : layout.empty_tensors) append_tensor(to, tensor);
}

Layout take_layout(Cursor& cursor) {
  Layout layout;
  layout.format = static_cast<Format>(cursor.number<std::uint8_t>());
  layout.reason = cursor.text32();
  const auto segments = cursor.number<std::uint32_t>();
  std::uint64_t offset = 0;
  for (std::uint32_t i = 0; i < segments; ++i) {
    Segment segment;
    segment.range = {offset, cursor.number<std::uint64_t>()};
    if (segment.range.length > INT64_MAX - offset) fail(Errc::corrupt, "a segment is too long");
    offset = segment.range.end();
    if (cursor.number<std::uint8_t>() != 0) segment.tensor = take_tensor(cursor);
    layout.segments.push_back(std::move(segment));
  }
  const auto empty = cursor.number<std::uint32_t>();
  for (std::uint32_t i = 0; i < empty; ++i) layout.empty_tensors.push_back(take_tensor(cursor));
  return layout;
}

}  // namespace

Buffer record_of(const ContentRecord& content) {
  Buffer record;
  append_le(record, content_version);
  append_le(record, content.size);
  append_layout(record, content.layout);
  append_le(record, static_cast<std::uint32_t>(content.blocks.size()));
  for (const auto& block : content.blocks) {
    append_bytes(record, block.id.hash.bytes);
    append_le(record, block.plain_length);
  }
  append_text32(record, content.health);
  return record;
}

ContentRecord content_record_of(Bytes record) {
  Cursor cursor(record);
  if (cursor.number<std::uint8_t>() != content_version) {
    fail(Errc::unsupported, "a content record is of a newer format; use a newer weightfs");
  }
  ContentRecord content;
  content.size = cursor.number<std::uint64_t>();
  content.layout = take_layout(cursor);
  const auto blocks = cursor.number<std::uint32_t>();
  for (std::uint32_t i = 0; i < blocks; ++i) {
    ContentRecord::BlockName block;
    block.id.hash.bytes = cursor.array<16>();
    block.plain_length = cursor.number<std::uint32_t>();
    content.blocks.push_back(block);
  }
  content.health = cursor.text32();
  if (!cursor.at_end()) fail(Errc::corrupt, "a content record has bytes after its end");
  return content;
}

Buffer bytes_of_map(const Layout& layout, const std::vector<std::int64_t>& blocks) {
  Buffer bytes;
  append_le(bytes, content_version);
  append_layout(bytes, layout);
  append_le(bytes, static_cast<std::uint32_t>(blocks.size()));
  for (const std::int64_t number : blocks) append_le(bytes, number);
  return bytes;
}

StoredMap map_of(Bytes bytes) {
  Cursor cursor(bytes);
  if (cursor.number<std::uint8_t>() != content_version) {
    fail(Errc::unsupported, "a content is of a newer format; use a newer weightfs");
  }
  StoredMap map;
  map.layout = take_layout(cursor);
  const auto blocks = cursor.number<std::uint32_t>();
  for (std::uint32_t i = 0; i < blocks; ++i) map.blocks.push_back(cursor.number<std::int64_t>());
  if (!cursor.at_end()) fail(Errc::corrupt, "the map of a content has bytes after its end");
  return map;
}

}  // namespace wfs
