// The stored forms of a block. The numbers are stored in packs and never change. Values only. What a
// payload of each form holds stands in docs/FORMAT.md.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"

namespace wfs {

enum class Encoding : std::uint8_t {
  raw = 0,     // the bytes themselves
  fill = 1,    // one pattern of 1, 2, 4 or 8 bytes, repeated
  zstd = 2,    // one zstd frame
  planes = 3,  // byte planes of the elements, each raw, fill, zstd or range coded
  delta = 4,   // what differs from a base: other bytes of the same length and meaning
};

std::string_view name_of(Encoding encoding) noexcept;

struct EncodedBlock {
  Encoding encoding = Encoding::raw;
  Buffer payload;
};

}  // namespace wfs
