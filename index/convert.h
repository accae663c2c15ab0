// Floats of one type as the nearest floats of another: between f32, f16 and bf16, as codec/half.h has it. The
// same bits on every machine, as deltas are decoded against them. Functions without state; any thread.
#pragma once

#include "base/bytes.h"
#include "codec/tensor.h"

namespace wfs {

bool convertible(Dtype type) noexcept;  // with the other types that are
bool convertible(Dtype from, Dtype to) noexcept;

// Converts as many numbers as `to` holds; bytes behind its last whole number become zero.
// Requires: convertible(), and `from` holds as many numbers.
void convert(Dtype from_type, Bytes from, Dtype to_type, MutableBytes to);

}  // namespace wfs
