// zstd, with one compression and one decompression context for each thread. zstd.cc is the only
// file that includes the library's header.
#pragma once

#include <cstddef>

#include "base/bytes.h"

namespace wfs {

enum class ZstdEffort {
  literals,  // entropy coding only: for planes of numbers, which hold no repetitions
  fast,      // level 1
  normal,    // level 3
};

// Compresses `from` to the start of `to` as one frame and gives its length; 0 when it does not fit.
std::size_t zstd_compress(Bytes from, MutableBytes to, ZstdEffort effort);

// Throws: Errc::corrupt unless `from` is exactly one valid frame of to.size() bytes.
void zstd_decompress(Bytes from, MutableBytes to);

}  // namespace wfs
