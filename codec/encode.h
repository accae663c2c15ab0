// Encodes one block: the smallest form, or a faster one that is within 1 % of it; never longer than
// the block. Deterministic. Any thread; a thread keeps its compression context and scratch.
#pragma once

#include "base/bytes.h"
#include "codec/encoding.h"
#include "codec/tensor.h"

namespace wfs {

// Requires: plain.size() <= block_size_max. `dtype` is advice: any bytes can be encoded under any.
EncodedBlock encode(Bytes plain, Dtype dtype);

}  // namespace wfs
