// What the encoder works in: a few buffers of a block, kept by each thread.
#pragma once

#include "base/bytes.h"
#include "codec/delta_tokens.h"
#include "codec/rans_encode.h"
#include "codec/split.h"

namespace wfs {

struct EncodeScratch {
  Buffer planes = Buffer(block_size_max);
  Buffer coded = Buffer(block_size_max);
  Buffer other = Buffer(block_size_max);
  Buffer sample = Buffer(2 * sample_size_max);
  KeyTable table;
  Tokens tokens;
  RansEncoder rans;

  static constexpr std::size_t sample_size_max = 16 * 1024;
};

EncodeScratch& encode_scratch();

// A faster form may be that much longer: 1 %.
inline bool is_better(std::size_t slower, std::size_t faster) {
  return static_cast<double>(slower) < 0.99 * static_cast<double>(faster);
}

}  // namespace wfs
