// Numbers and their base as tokens of the range coder: docs/FORMAT.md, "Delta". Everything that is
// pushed to a RansEncoder comes reversed, the last number first. The same bytes for every
// instruction set. Functions without state.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "codec/delta.h"
#include "codec/rans_encode.h"

namespace wfs {

inline constexpr std::size_t offset_group = 128;  // numbers that share an offset

struct TokenShape {
  unsigned width = 1;  // 1, 2 or 4
  unsigned shift = 7;  // of the exponent

  bool has_exponents() const noexcept { return shift + 1 < 8 * width; }
};

// The offsets of the groups: `origin`, or that much more than the exponent of the mean difference
// of the group, which needs a float of 2 or 4 bytes.
struct Offsets {
  enum class Kind { constant, relative } kind = Kind::constant;
  int origin = 0;
};

using KeyCounts = std::array<std::uint32_t, key_none>;

class Tokens {
 public:
  Tokens();

  // Requires: at least one whole number; equal lengths of at most a block.
  void make(Bytes plain, Bytes base, TokenShape shape, Offsets offsets);

  // Byte i has the class classes[i % classes.size()].
  void make_groups(Bytes plain, Bytes base, GroupOperation operation,
                   std::span<const std::uint8_t> classes);

  const KeyCounts& counts() const noexcept { return counts_[0]; }
  std::span<const std::uint8_t> offsets() const noexcept { return offsets_; }
  // Pushes the tokens; their offsets are pushed after them.
  void push(RansEncoder& encoder, const KeyTable& table) const;

 private:
  void count_keys(const std::uint16_t* keys, std::size_t length);
  void fill_up(std::size_t length);
  void add_up_counts();

  std::size_t length_ = 0;  // of the keys, a multiple of 64
  unsigned width_ = 1;
  std::vector<std::uint16_t> keys_;
  std::vector<std::uint16_t> differences2_;
  std::vector<std::uint32_t> differences4_;
  std::vector<std::uint8_t> offsets_;
  std::array<KeyCounts, 4> counts_;
};

// How often the numbers of a sample have an exponent of the base and a bit length of the
// difference: exponents as they are, and relative to the mean difference of the group.
struct SampledLengths {
  static constexpr std::size_t lengths = 33;
  static constexpr std::size_t exponents = 256;
  static constexpr std::size_t relatives = 64;
  static constexpr int relative_zero = 32;  // of the relative exponents

  std::array<std::uint16_t, exponents * lengths> constant;
  std::array<std::uint16_t, relatives * lengths> relative;
  std::uint32_t numbers = 0;
};

// Requires: at least one whole number; equal lengths of at most a block.
void sample_lengths(Bytes plain, Bytes base, TokenShape shape, SampledLengths& sampled);

// Whole groups; keys and offsets are written, keys downwards from their end.
struct TokenJob {
  const std::uint8_t* plain;
  const std::uint8_t* base;
  std::size_t groups;
  unsigned shift;
  bool relative;
  int origin;
  std::uint16_t* keys_end;
  std::uint8_t* offsets;
};

}  // namespace wfs
