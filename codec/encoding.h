// The stored forms of a block. The numbers are stored in packs and never change. Values only.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"

namespace wfs {

enum class Encoding : std::uint8_t {
  raw = 0,     // the bytes themselves
  fill = 1,    // one pattern of 1, 2, 4 or 8 bytes, repeated
  zstd = 2,    // one zstd frame
  planes = 3,  // byte planes of the elements, each raw, fill or zstd; see planes.h
};

std::string_view name_of(Encoding encoding) noexcept;

struct EncodedBlock {
  Encoding encoding = Encoding::raw;
  Buffer payload;
};

}  // namespace wfs
