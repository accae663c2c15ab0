// Little-endian numbers in byte buffers, and a Cursor that cannot be driven past its end. Every
// parser of foreign or stored bytes reads through a Cursor; every format writes through append_*.
#pragma once

#include <array>
#include <bit>
#include <concepts>
#include <cstring>

#include "base/bytes.h"
#include "base/error.h"

namespace wfs {

static_assert(std::endian::native == std::endian::little, "weightfs runs on little-endian machines");

template <std::integral Number>
Number load_le(const std::byte* from) noexcept {
  Number number;
  std::memcpy(&number, from, sizeof number);
  return number;
}

template <std::integral Number>
void store_le(std::byte* to, Number number) noexcept {
  std::memcpy(to, &number, sizeof number);
}

template <std::integral Number>
void append_le(Buffer& to, Number number) {
  const auto at = to.size();
  to.resize(at + sizeof number);
  store_le(to.data() + at, number);
}

inline void append_bytes(Buffer& to, Bytes bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}

// A string of at most 64 KiB behind its 16-bit length.
inline void append_text16(Buffer& to, std::string_view text) {
  expects(text.size() <= 0xffff, "text fits its 16-bit length");
  append_le(to, static_cast<std::uint16_t>(text.size()));
  append_bytes(to, as_bytes(text));
}

// A string behind its 32-bit length.
inline void append_text32(Buffer& to, std::string_view text) {
  expects(text.size() <= 0xffffffff, "text fits its 32-bit length");
  append_le(to, static_cast<std::uint32_t>(text.size()));
  append_bytes(to, as_bytes(text));
}

// Reads forward through bytes it does not own. Throws Errc::corrupt when asked for more than is left,
// so no length found in the bytes is believed before it is checked.
class Cursor {
 public:
  explicit Cursor(Bytes bytes) noexcept : rest_(bytes), size_(bytes.size()) {}

  std::size_t left() const noexcept { return rest_.size(); }
  std::size_t position() const noexcept { return size_ - rest_.size(); }
  bool at_end() const noexcept { return rest_.empty(); }

  Bytes take(std::uint64_t length) {
    if (length > rest_.size()) fail(Errc::corrupt, "the data ends too early");
    const Bytes taken = rest_.first(static_cast<std::size_t>(length));
    rest_ = rest_.subspan(static_cast<std::size_t>(length));
    return taken;
  }

  void skip(std::uint64_t length) { take(length); }

  template <std::size_t size>
  std::array<std::byte, size> array() {
    std::array<std::byte, size> bytes;
    std::memcpy(bytes.data(), take(size).data(), size);
    return bytes;
  }

  template <std::integral Number>
  Number number() {
    return load_le<Number>(take(sizeof(Number)).data());
  }

  std::string_view text16() { return as_text(take(number<std::uint16_t>())); }
  std::string_view text32() { return as_text(take(number<std::uint32_t>())); }

 private:
  Bytes rest_;
  std::size_t size_;
};

}  // namespace wfs
