// Where the parsers and the splitter read a file from: memory here, staged files in index/.
// The size does not change while a source is in use. Reads are allowed from any thread.
#pragma once

#include <cstring>

#include "base/bytes.h"
#include "base/error.h"

namespace wfs {

class ByteSource {
 public:
  virtual ~ByteSource() = default;

  virtual std::uint64_t size() const = 0;

  // Fills `to` from `offset`. Throws: Errc::corrupt when that reaches past the end.
  virtual void read(std::uint64_t offset, MutableBytes to) const = 0;
};

// Bytes that somebody else keeps alive.
class MemorySource final : public ByteSource {
 public:
  explicit MemorySource(Bytes bytes) noexcept : bytes_(bytes) {}

  std::uint64_t size() const override { return bytes_.size(); }

  void read(std::uint64_t offset, MutableBytes to) const override {
    if (offset > bytes_.size() || to.size() > bytes_.size() - offset) {
      fail(Errc::corrupt, "read past the end of the bytes");
    }
    if (!to.empty()) std::memcpy(to.data(), bytes_.data() + offset, to.size());
  }

 private:
  Bytes bytes_;
};

}  // namespace wfs
