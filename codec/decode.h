// Decodes one block to where the caller says. Payloads may be hostile: the result is plain.size()
// written bytes or Errc::corrupt, and nothing outside of `payload` and `plain` is read or written.
// Any thread; a thread keeps its decompression context and scratch of at most a block.
#pragma once

#include "base/bytes.h"
#include "codec/encoding.h"

namespace wfs {

// Requires: plain.size() <= block_size_max. On Errc::corrupt, `plain` holds anything.
void decode(Encoding encoding, Bytes payload, MutableBytes plain);

}  // namespace wfs
