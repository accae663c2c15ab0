// A small picture of a tensor's values, by which tensors with values alike are found without their names.
// 256 elements at fixed places of the first 131072 (or of as many as there are, down to 16384) are read as
// bf16, so copies in other types look the same. Each 8 of them give a code: which is the greatest, and its
// sign. 4 codes are a band: equal bands find candidates; half of the elements, the samples, confirm them.
// Stored in repositories: places and codes never change. Functions without state, any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "codec/byte_source.h"
#include "codec/layout.h"

namespace wfs {

inline constexpr std::size_t sketch_bands = 8;
inline constexpr std::size_t sketch_samples = 128;
inline constexpr std::uint32_t sketch_span_max = 131072;  // elements
inline constexpr std::uint32_t sketch_span_min = 16384;

using SketchSamples = std::array<std::uint16_t, sketch_samples>;  // bf16; what is no number is 0

struct Sketch {
  std::array<std::uint16_t, sketch_bands> bands{};
  std::uint8_t valid = 0;  // bit k: band k has a value; others held a code of zeros only
  SketchSamples samples{};

  bool operator==(const Sketch&) const = default;
};

// Which elements a sketch is of.
struct SketchPlace {
  std::uint64_t first = 0;
  std::uint32_t span = 0;  // a power of two

  bool operator==(const SketchPlace&) const = default;
};

// Where a segment is sketched: at its start and, when it is long, around its middle. Empty: it is too short
// or not of a type that is read. The start of a tensor that grew is the same place.
std::vector<SketchPlace> sketch_places(const Segment& segment);

// nullopt: nearly all elements are the same, or zero. Requires: a place of this segment.
std::optional<Sketch> sketch_of(const ByteSource& file, const Segment& segment,
                                const SketchPlace& place);

// Estimates the bits by which two weights differ: the mean of log2(1 + 2|a - b|) over ordered bf16
// integers, and 2 bits for each zero that only one side has. 0 for equal values, about 12 for unrelated
// ones. A delta of bf16 costs about 1.13 times it and one bit.
double distance(const SketchSamples& a, const SketchSamples& b) noexcept;

// Beyond chance (Cohen's kappa), mapped so that 1 is equal and 0.5 what signs tell of unrelated values,
// even when all are positive. Zeros do not count.
double sign_agreement(const SketchSamples& a, const SketchSamples& b) noexcept;

inline constexpr double distance_near = 6.9;  // up to here a delta is worth it
inline constexpr double distance_far = 9.5;   // up to here it is worth a try

// Whether `a` may be the base of `b`: near enough, by value or by sign, and nearer than the same values are
// at other places.
bool is_related(const SketchSamples& a, const SketchSamples& b) noexcept;

}  // namespace wfs
