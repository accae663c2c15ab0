// Blocks as what differs from a base (docs/FORMAT.md, "Delta"), in the form that is shortest by a
// sample: tokens, planes of differences, or groups of quants. Any thread; works in the scratch of
// its thread.
#pragma once

#include <optional>

#include "base/bytes.h"
#include "codec/delta.h"
#include "codec/delta_window.h"
#include "codec/encode_planes.h"
#include "codec/tensor.h"

namespace wfs {

struct DeltaChoice {
  DeltaForm form = DeltaForm::tokens;
  DeltaPlan tokens;
  unsigned width = 1;  // of planes
  GroupOperation operation = GroupOperation::difference;
  double length = 0;  // of the payload, estimated
};

// Nothing when no delta of that type is possible. Looks closer where the length is above `wanted`.
// Requires: equal lengths of at most a block.
std::optional<DeltaChoice> choose_delta(Bytes plain, Bytes base, Dtype dtype, double wanted);

// The payload. The choice is of these bytes, or of a neighbour's; `guesses` as for append_planes().
Buffer encode_delta(Bytes plain, Bytes base, Dtype dtype, const DeltaChoice& choice,
                    PlaneGuesses* guesses = nullptr);

}  // namespace wfs
