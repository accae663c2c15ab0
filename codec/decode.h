// Decodes one block to where the caller says. Payloads may be hostile: the result is plain.size()
// written bytes or Errc::corrupt, and nothing outside of `payload`, `base` and `plain` is read or
// written. Any thread; a thread keeps its decompression context and scratch of at most a block.
#pragma once

#include "base/bytes.h"
#include "codec/encoding.h"

namespace wfs {

// `base` is what the block was encoded against; empty for every encoding but delta.
// Requires: plain.size() <= block_size_max. On Errc::corrupt, `plain` holds anything.
void decode(Encoding encoding, Bytes payload, Bytes base, MutableBytes plain);

// Numbers are decoded in groups, of which each needs the base of all its numbers: how many bytes the
// longest takes.
inline constexpr std::size_t front_step = 512;

// The same, but stops once the first `wanted` bytes of `plain` are decoded; what is behind them may
// be anything, and damage there goes unnoticed. `base` has to be right up to the next multiple of
// `front_step`, or to its end. Requires: wanted <= plain.size().
void decode_front(Encoding encoding, Bytes payload, Bytes base, MutableBytes plain,
                  std::size_t wanted);

}  // namespace wfs
