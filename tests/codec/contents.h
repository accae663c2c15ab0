// Bytes of every kind that a tensor may hold, and bases for them. For tests only.
#pragma once

#include <limits>

#include "tests/codec/samples.h"

namespace wfs {

// NaNs with payloads, both zeros, infinities, denormals and ordinary numbers.
inline Buffer special_floats(Random& random, std::size_t size) {
  const std::vector<float> odd = {-0.0F,
                                  0.0F,
                                  std::numeric_limits<float>::infinity(),
                                  -std::numeric_limits<float>::infinity(),
                                  std::numeric_limits<float>::denorm_min(),
                                  1.0F,
                                  -1e-40F};
  Buffer special;
  while (special.size() < size) {
    const auto nan = static_cast<std::uint32_t>(0x7f80'0001 + random.below(0x7f'fffe));
    append_le(special, random.below(3) == 0 ? nan | 0x8000'0000 : nan);
    append_bytes(special, bytes_of({odd[random.below(odd.size())]}));
  }
  special.resize(size);
  return special;
}

inline std::vector<Buffer> contents_of(Random& random, std::size_t size) {
  std::vector<Buffer> contents = {random.bytes(size), Buffer(size), Buffer(size, std::byte{0xff})};
  contents.push_back(bytes_of(random.weights(size / 4 + 1)));
  contents.push_back(as_bf16(random.weights(size / 2 + 1)));
  for (Buffer& weights : contents) weights.resize(size);
  contents.push_back(special_floats(random, size));

  Buffer pattern(size);
  const Buffer period = random.bytes(8);
  for (std::size_t i = 0; i < size; ++i) pattern[i] = period[i % 8];
  contents.push_back(pattern);
  if (size > 0) {
    pattern[random.below(size)] ^= std::byte{1};
    contents.push_back(pattern);
  }
  Buffer small(size);
  for (std::byte& byte : small) byte = static_cast<std::byte>(random.below(3));
  contents.push_back(small);
  return contents;
}

// The bytes themselves, bytes a little different, and bytes of another origin.
inline std::vector<Buffer> bases_of(Random& random, const Buffer& plain) {
  std::vector<Buffer> bases = {plain, plain, random.bytes(plain.size()), Buffer(plain.size())};
  for (std::size_t i = 0; i < plain.size(); i += 1 + random.below(4)) {
    bases[1][i] ^= static_cast<std::byte>(random.below(4));
  }
  return bases;
}

// What training does: every weight moves about as far as every other.
inline std::vector<float> moved(Random& random, std::vector<float> weights, float distance) {
  std::normal_distribution<float> normal(0.0F, distance);
  for (float& weight : weights) weight += normal(random);
  return weights;
}

}  // namespace wfs
