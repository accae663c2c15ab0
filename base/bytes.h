// Views and owners of raw bytes, and the half-open byte range every layer speaks of.
// Values only: no threads, no I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace wfs {

using Bytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;
using Buffer = std::vector<std::byte>;

// [offset, offset + length) of some file or buffer, in bytes.
struct Range {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;

  std::uint64_t end() const noexcept { return offset + length; }
  bool empty() const noexcept { return length == 0; }
  bool operator==(const Range&) const = default;
};

inline bool same_bytes(Bytes left, Bytes right) noexcept {
  return left.size() == right.size() &&
         (left.empty() || std::memcmp(left.data(), right.data(), left.size()) == 0);
}

// Whether `bytes` repeat their first `period` bytes to the end.
inline bool repeats(Bytes bytes, std::size_t period) noexcept {
  return bytes.size() >= period && same_bytes(bytes.subspan(period), bytes.first(bytes.size() - period));
}

inline Bytes as_bytes(std::string_view text) noexcept {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

inline std::string_view as_text(Bytes bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Joins its arguments into one string: strings, characters and numbers.
template <class... Parts>
std::string cat(const Parts&... parts) {
  std::string joined;
  auto add = [&joined](const auto& part) {
    using Part = std::decay_t<decltype(part)>;
    if constexpr (std::is_same_v<Part, char>) {
      joined += part;
    } else if constexpr (std::is_arithmetic_v<Part>) {
      joined += std::to_string(part);
    } else {
      joined += std::string_view(part);
    }
  };
  (add(parts), ...);
  return joined;
}

}  // namespace wfs
