#include "codec/sketch.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/wire.h"
#include "codec/half.h"

namespace wfs {
namespace {

constexpr std::size_t places = 256;
constexpr std::size_t codes_a_band = 4;
constexpr std::size_t places_a_code = places / (sketch_bands * codes_a_band);
constexpr std::size_t places_a_band = places / sketch_bands;
constexpr std::size_t stride_max = sketch_span_max / places;

// One place in each stride. Fixed for ever: sketches are stored.
constexpr std::array<std::uint16_t, places> make_offsets() {
  std::array<std::uint16_t, places> offsets{};
  std::uint64_t state = 0x736b'6574'6368'3031;
  for (std::uint16_t& offset : offsets) {  // splitmix64
    std::uint64_t mixed = state += 0x9e37'79b9'7f4a'7c15;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58'476d'1ce4'e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d0'49bb'1331'11eb;
    offset = static_cast<std::uint16_t>((mixed ^ (mixed >> 31)) % stride_max);
  }
  return offsets;
}

constexpr auto offsets = make_offsets();

// How elements lie in bytes: in groups that are read as a whole.
struct Grouping {
  std::uint32_t elements = 0;  // 0: a type that is not read
  std::uint32_t bytes = 0;
};

Grouping grouping_of(Dtype dtype) noexcept {
  switch (dtype) {
    case Dtype::f64: return {1, 8};
    case Dtype::f32: return {1, 4};
    case Dtype::f16:
    case Dtype::bf16: return {1, 2};
    case Dtype::f8_e4m3:
    case Dtype::f8_e5m2:
    case Dtype::f8_e4m3_fnuz:
    case Dtype::f8_e5m2_fnuz: return {1, 1};
    case Dtype::q8_0:
    case Dtype::q4_0: return {32, group_bytes_of(dtype)};
    default: return {};
  }
}

float value_of_f16(const std::byte* at) noexcept {
  return std::bit_cast<float>(f32_of_f16(load_le<std::uint16_t>(at)));
}

struct SmallFloat {
  int mantissa_bits;
  int bias;
};

float value_of_f8(std::uint8_t bits, SmallFloat form) noexcept {
  const int mantissa = bits & ((1 << form.mantissa_bits) - 1);
  const int exponent = (bits & 0x7f) >> form.mantissa_bits;
  const int whole = exponent == 0 ? mantissa : mantissa + (1 << form.mantissa_bits);
  const int power = std::max(exponent, 1) - form.bias - form.mantissa_bits;
  const float value = std::ldexp(static_cast<float>(whole), power);
  return (bits & 0x80) != 0 ? -value : value;
}

// Round to nearest even, as casts do; what is infinite or not a number is 0.
std::uint16_t bf16_of(float value) noexcept {
  const std::uint16_t rounded = bf16_of_f32(std::bit_cast<std::uint32_t>(value));
  return (rounded & 0x7f80) == 0x7f80 ? std::uint16_t{0} : rounded;
}

// Element `at` of the group that `group` starts with.
float element_of(Dtype dtype, const std::byte* group, std::size_t at) noexcept {
  switch (dtype) {
    case Dtype::f64: return static_cast<float>(std::bit_cast<double>(load_le<std::uint64_t>(group)));
    case Dtype::f32: return std::bit_cast<float>(load_le<std::uint32_t>(group));
    case Dtype::f16: return value_of_f16(group);
    case Dtype::bf16: return std::bit_cast<float>(f32_of_bf16(load_le<std::uint16_t>(group)));
    case Dtype::q8_0:
      return value_of_f16(group) * static_cast<float>(load_le<std::int8_t>(group + 2 + at));
    case Dtype::q4_0: {
      const auto pair = load_le<std::uint8_t>(group + 2 + at % 16);
      const int quant = (at < 16 ? pair & 15 : pair >> 4) - 8;
      return value_of_f16(group) * static_cast<float>(quant);
    }
    default: break;
  }
  const auto bits = load_le<std::uint8_t>(group);
  switch (dtype) {
    case Dtype::f8_e4m3: return (bits & 0x7f) == 0x7f ? 0.0F : value_of_f8(bits, {3, 7});
    case Dtype::f8_e5m2: return (bits & 0x7c) == 0x7c ? 0.0F : value_of_f8(bits, {2, 15});
    case Dtype::f8_e4m3_fnuz: return bits == 0x80 ? 0.0F : value_of_f8(bits, {3, 8});
    default: return bits == 0x80 ? 0.0F : value_of_f8(bits, {2, 16});
  }
}

using Values = std::array<std::uint16_t, places>;  // bf16

// Band by band: few reads, each of neighbours, and little memory.
Values read_values(const ByteSource& file, const Segment& segment, const SketchPlace& place) {
  const Dtype dtype = segment.tensor->dtype;
  const Grouping grouping = grouping_of(dtype);
  const std::size_t stride = place.span / places;
  const std::size_t shrink = stride_max / stride;
  const std::size_t band_elements = place.span / sketch_bands;
  Buffer bytes(band_elements / grouping.elements * grouping.bytes);
  Values values{};
  for (std::size_t band = 0; band < sketch_bands; ++band) {
    const std::uint64_t first = place.first + band * band_elements;
    file.read(segment.range.offset + first / grouping.elements * grouping.bytes, bytes);
    for (std::size_t i = 0; i < places_a_band; ++i) {
      const std::size_t index = band * places_a_band + i;
      const std::size_t element = i * stride + offsets[index] / shrink;
      const std::byte* group = bytes.data() + element / grouping.elements * grouping.bytes;
      values[index] = bf16_of(element_of(dtype, group, element % grouping.elements));
    }
  }
  return values;
}

unsigned magnitude_of(std::uint16_t value) noexcept { return value & 0x7fffu; }

// More than 95 % of one value, which is then the majority that one pass finds (Boyer and Moore).
bool is_nearly_constant(const Values& values) noexcept {
  std::uint16_t candidate = 0;
  std::size_t lead = 0;
  for (const std::uint16_t value : values) {
    if (lead == 0) candidate = value;
    lead = value == candidate ? lead + 1 : lead - 1;
  }
  const auto count = std::count(values.begin(), values.end(), candidate);
  return static_cast<std::size_t>(count) * 20 > places * 19;
}

// Which of the values is the greatest and its sign; nullopt: all are zero.
std::optional<unsigned> code_of(const std::uint16_t* values) noexcept {
  unsigned greatest = 0;
  for (unsigned i = 1; i < places_a_code; ++i) {
    if (magnitude_of(values[i]) > magnitude_of(values[greatest])) greatest = i;
  }
  if (magnitude_of(values[greatest]) == 0) return std::nullopt;
  return greatest << 1 | values[greatest] >> 15;
}

// Zeros are told apart from values: a pruned weight says nothing of how near the others are.
struct Comparison {
  int both = 0;  // samples that are not zero on either side
  int one = 0;   // zero on one side only
  int bits = 0;  // log2(1 + 2|a - b|), summed over `both`, in 2^-15

  double mean() const noexcept { return both == 0 ? 16.0 : bits / 32768.0 / both; }
};

// Without branches, so that it becomes vector code: candidates are compared by the thousand. The logarithm is
// that of a float's own bits, at most 0.09 too small.
Comparison compare(const SketchSamples& a, const SketchSamples& b) noexcept {
  constexpr std::int32_t bits_of_one = 0x3f80'0000;
  int both = 0, one = 0, bits = 0;
  for (std::size_t i = 0; i < sketch_samples; ++i) {
    const int a_counts = (a[i] & 0x7fff) != 0 ? 1 : 0;
    const int b_counts = (b[i] & 0x7fff) != 0 ? 1 : 0;
    const int apart = std::abs(ordered_bf16(a[i]) - ordered_bf16(b[i]));
    const auto number = static_cast<float>(1 + 2 * apart);
    const int logarithm = (std::bit_cast<std::int32_t>(number) - bits_of_one) >> 8;
    both += a_counts & b_counts;
    one += a_counts ^ b_counts;
    bits += (a_counts & b_counts) != 0 ? logarithm : 0;
  }
  return {both, one, bits};
}

// `samples` from sample `turn` on.
SketchSamples turned(const SketchSamples& samples, std::ptrdiff_t turn) noexcept {
  SketchSamples result;
  std::rotate_copy(samples.begin(), samples.begin() + turn, samples.end(), result.begin());
  return result;
}

constexpr int compared_min = 12;  // fewer samples than these show nothing
constexpr int compared_enough = 64;

}  // namespace

std::vector<SketchPlace> sketch_places(const Segment& segment) {
  if (!segment.tensor) return {};
  const Grouping grouping = grouping_of(segment.tensor->dtype);
  if (grouping.elements == 0) return {};
  const std::uint64_t elements = segment.range.length / grouping.bytes * grouping.elements;
  if (elements < sketch_span_min) return {};
  const std::uint64_t span = std::bit_floor(std::min<std::uint64_t>(elements, sketch_span_max));
  std::vector<SketchPlace> found = {{0, static_cast<std::uint32_t>(span)}};
  if (elements >= 2 * sketch_span_max) {
    found.push_back({elements / sketch_span_max / 2 * sketch_span_max, sketch_span_max});
  }
  return found;
}

std::optional<Sketch> sketch_of(const ByteSource& file, const Segment& segment,
                                const SketchPlace& place) {
  const Values values = read_values(file, segment, place);
  if (is_nearly_constant(values)) return std::nullopt;
  Sketch sketch;
  for (unsigned band = 0; band < sketch_bands; ++band) {
    unsigned codes = 0;
    bool whole = true;
    for (unsigned i = 0; i < codes_a_band; ++i) {
      const auto code = code_of(values.data() + band * places_a_band + i * places_a_code);
      whole = whole && code;
      codes = codes << 4 | code.value_or(0);
    }
    if (!whole) continue;
    sketch.bands[band] = static_cast<std::uint16_t>(codes);
    sketch.valid = static_cast<std::uint8_t>(sketch.valid | 1u << band);
  }
  if (sketch.valid == 0) return std::nullopt;
  for (std::size_t i = 0; i < sketch_samples; ++i) sketch.samples[i] = values[2 * i];
  return sketch;
}

double distance(const SketchSamples& a, const SketchSamples& b) noexcept {
  const Comparison sums = compare(a, b);
  return sums.mean() + 2.0 * sums.one / double{sketch_samples};
}

double sign_agreement(const SketchSamples& a, const SketchSamples& b) noexcept {
  double count = 0, same = 0, negative_a = 0, negative_b = 0;
  for (std::size_t i = 0; i < sketch_samples; ++i) {
    if (magnitude_of(a[i]) == 0 || magnitude_of(b[i]) == 0) continue;
    const bool minus_a = a[i] >> 15 != 0;
    const bool minus_b = b[i] >> 15 != 0;
    ++count;
    same += minus_a == minus_b;
    negative_a += minus_a;
    negative_b += minus_b;
  }
  if (count == 0) return 0.5;
  const double of_a = negative_a / count;
  const double of_b = negative_b / count;
  const double chance = of_a * of_b + (1 - of_a) * (1 - of_b);
  if (chance > 0.99) return 0.5;
  return 0.5 + (same / count - chance) / (1 - chance) / 2;
}

bool is_related(const SketchSamples& a, const SketchSamples& b) noexcept {
  const Comparison sums = compare(a, b);
  if (sums.both < compared_min) return false;
  const bool enough = sums.both >= compared_enough;
  if (sums.mean() < (enough ? distance_far : distance_near)) {
    // Values of one sign and size are near wherever they stand: that makes no base.
    Comparison elsewhere;
    for (const int turn : {37, 74}) {
      const Comparison other = compare(a, turned(b, turn));
      elsewhere.both += other.both;
      elsewhere.bits += other.bits;
    }
    constexpr double nearer_by = 1.0;
    if (elsewhere.both < 2 * compared_min || sums.mean() + nearer_by < elsewhere.mean()) return true;
  }
  constexpr double agreement_min = 0.8;
  return enough && sign_agreement(a, b) >= agreement_min;
}

}  // namespace wfs
