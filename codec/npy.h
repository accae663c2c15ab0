// The header of a NumPy array, alone or as a member of an npz. Functions without state.
#pragma once

#include "base/bytes.h"
#include "codec/byte_source.h"
#include "codec/tensor.h"

namespace wfs {

struct NpyArray {
  Tensor tensor;  // without a name
  Range data;     // of the source
};

// Reads the array that fills `range` of the source. Throws: Errc::invalid with the reason when it
// is none, or of a type without a Dtype, or its data ends before its shape does.
NpyArray read_npy(const ByteSource& source, Range range);

}  // namespace wfs
