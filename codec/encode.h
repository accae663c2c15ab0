// Encodes one block: the smallest form, or a faster one that is within 1 % of it; never longer than
// the block. Deterministic. Any thread; a thread keeps its compression context and scratch.
#pragma once

#include "base/bytes.h"
#include "codec/encoding.h"
#include "codec/tensor.h"

namespace wfs {

// `dtype` is advice: any bytes can be encoded under any. `base` is what the block may be stored as a
// difference from: bytes as long as the block, or empty for none. A delta is taken only when it is
// at most `delta_worth` of the form without a base, as reading it needs the base as well.
// Requires: plain.size() <= block_size_max; base is empty or of plain.size() bytes.
EncodedBlock encode(Bytes plain, Dtype dtype, Bytes base = {});

inline constexpr double delta_worth = 0.9;

}  // namespace wfs
