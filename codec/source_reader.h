// Reads forward through a part of a ByteSource with a small buffer. Throws Errc::invalid when asked
// for more than is left, so no length found in the bytes is believed before it is checked. One
// thread.
#pragma once

#include <algorithm>
#include <concepts>
#include <string>

#include "base/wire.h"
#include "codec/byte_source.h"

namespace wfs {

class SourceReader {
 public:
  // Requires: `range` lies in the source.
  SourceReader(const ByteSource& source, Range range)
      : source_(source), position_(range.offset), end_(range.end()) {}

  std::uint64_t position() const noexcept { return position_; }  // in the source
  std::uint64_t left() const noexcept { return end_ - position_; }

  void skip(std::uint64_t length) {
    check(length);
    position_ += length;
  }

  template <std::integral Number>
  Number number() {
    check(sizeof(Number));
    if (position_ < start_ || position_ + sizeof(Number) > start_ + window_.size()) fill();
    const auto value = load_le<Number>(window_.data() + (position_ - start_));
    position_ += sizeof(Number);
    return value;
  }

  std::string text(std::uint64_t length) {
    check(length);
    std::string text(static_cast<std::size_t>(length), '\0');
    source_.read(position_, std::as_writable_bytes(std::span(text)));
    position_ += length;
    return text;
  }

 private:
  static constexpr std::uint64_t window_max = 64 * 1024;

  void check(std::uint64_t length) const {
    if (length > left()) fail(Errc::invalid, cat("the data ends too early, at ", end_));
  }

  void fill() {
    window_.resize(static_cast<std::size_t>(std::min(window_max, left())));
    source_.read(position_, window_);
    start_ = position_;
  }

  const ByteSource& source_;
  std::uint64_t position_;
  std::uint64_t end_;
  std::uint64_t start_ = 0;  // of the window
  Buffer window_;
};

}  // namespace wfs
