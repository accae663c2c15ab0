// The encoding half of the range coder. rANS gives back its symbols in the reverse of the order
// they were pushed in, so a payload is pushed from its last segment to its first; keys and
// differences come reversed from codec/delta_tokens.h, so that all loops run forward. The bytes are
// the same for every instruction set. One thread.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "codec/rans_table.h"
#include "codec/split.h"

namespace wfs {

// A key is class << 8 | symbol. The key behind all classes is pushed without a trace: it fills up
// the last 64 of a segment.
inline constexpr std::size_t delta_classes = 8;
inline constexpr std::uint16_t key_none = delta_classes * rans_symbols;

// One entry a key: frequency | low bits behind the token << entry_low_bits_at | start << 16.
using KeyTable = std::array<std::uint32_t, key_none + 1>;
inline constexpr unsigned entry_low_bits_at = 11;

// All entries without a trace.
void clear(KeyTable& table, unsigned bits) noexcept;
// Tokens of numbers of that width; bytes, which have no low bits, are of width 1. The entries of
// symbols that do not occur may not be used.
void set_class(KeyTable& table, std::size_t class_index, const Frequencies& frequencies,
               unsigned width) noexcept;

class RansEncoder {
 public:
  RansEncoder();

  void begin() noexcept;  // drops what was pushed

  // One segment of a planes payload; class 0 of a table of planes_table_bits.
  void push_bytes(Bytes plane, const KeyTable& table) noexcept;

  // One segment of a delta; reversed, filled up with key_none to a multiple of 64.
  void push_keys(std::span<const std::uint16_t> keys, const KeyTable& table) noexcept;

  // The same with the low bits of the differences: 2-byte or 4-byte numbers, as many as keys.
  void push_tokens(std::span<const std::uint16_t> keys, const std::uint16_t* differences,
                   const KeyTable& table) noexcept;
  void push_tokens(std::span<const std::uint16_t> keys, const std::uint32_t* differences,
                   const KeyTable& table) noexcept;

  std::size_t stream_size() const noexcept {
    return sizeof(std::uint32_t) * (1 + rans_states) + used_ * sizeof(std::uint16_t);
  }
  // To be called once, behind the last push.
  void append_stream(Buffer& to);

 private:
  // Each byte of a block costs a word at most, and so does each offset; one vector is stored
  // beyond.
  static constexpr std::size_t words_max = block_size_max + block_size_max / 64 + 256;

  alignas(64) std::array<std::uint32_t, rans_states> states_;  // the last state first
  std::vector<std::uint16_t> words_;                           // the last word first
  std::size_t used_ = 0;
};

}  // namespace wfs
