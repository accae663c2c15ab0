// Encodes one block: the smallest form, or a faster one that is within 1 % of it; never longer than
// the block. Deterministic. Any thread; a thread keeps its compression context and scratch.
#pragma once

#include <array>
#include <optional>

#include "base/bytes.h"
#include "codec/encode_delta.h"
#include "codec/encoding.h"
#include "codec/tensor.h"

namespace wfs {

// A delta is taken when it is at most that part of the form without a base, about: reading it needs the base
// as well.
inline constexpr double delta_worth = 0.92;
// The same while there is a nearer base to be tried.
inline constexpr double far_delta_worth = 0.8;

// What was found out about the block before of the same tensor. The next one is spared the search while it comes
// out alike. Made for a few neighbours: what fits the first of them fits all.
class EncodeAdvice {
 private:
  friend class BlockEncoder;
  static constexpr std::size_t bases_max = 2;
  struct Base {
    bool is_known = false;
    bool is_worth = false;
    DeltaChoice choice;
    double rate = 0;  // bytes a byte that came out
    PlaneGuesses planes;
  };
  double alone_ = 0;  // bytes a byte, estimated; 0: not known
  std::array<Base, bases_max> bases_;
  PlaneGuesses planes_;  // of the form without a base
};

// The forms of one block. `dtype` is advice: any bytes can be encoded under any.
class BlockEncoder {
 public:
  // Requires: plain.size() <= block_size_max. `advice`, if any, is used and brought up to date.
  BlockEncoder(Bytes plain, Dtype dtype, EncodeAdvice* advice = nullptr);

  // The payload of the block as a difference from `base`, when it is at most `worth` of the form without.
  // Requires: base.size() == plain.size(); bases come in the same order for all blocks that share an advice.
  std::optional<Buffer> against(Bytes base, double worth = delta_worth);

  // Whether the next base is not even to be loaded: it was worth nothing to the block before. Counts as one that
  // was tried.
  bool skips_base() noexcept;

  // The form without a base.
  EncodedBlock alone();

 private:
  std::optional<Buffer> as_advised(EncodeAdvice::Base& known, Bytes base, double worth);
  std::optional<Buffer> searched(EncodeAdvice::Base* known, Bytes base, double worth);

  const Bytes plain_;
  const Dtype dtype_;
  EncodeAdvice* const advice_;
  const std::size_t period_;     // of a pattern that the block repeats; 0: none
  double alone_guess_ = 0;       // about how long the form without a base is; 0: not known
  std::size_t bases_tried_ = 0;
  std::optional<EncodedBlock> alone_;
};

// The better form. `base` is what the block may be stored as a difference from: bytes as long as the block, or
// empty for none.
EncodedBlock encode(Bytes plain, Dtype dtype, Bytes base = {});

}  // namespace wfs
