// Which exponents of the base become the classes of a delta, chosen from a sample of its numbers,
// and what the tokens will then cost. The same blocks give the same choice. Functions without
// state.
#pragma once

#include "codec/delta_tokens.h"

namespace wfs {

struct DeltaPlan {
  TokenShape shape;
  Offsets offsets;
  double bits = 0;        // a number, estimated
  double bits_alone = 0;  // the same with one class
};

// Requires: at least one whole number; equal lengths of at most a block.
DeltaPlan plan_tokens(Bytes plain, Bytes base, TokenShape shape);

}  // namespace wfs
