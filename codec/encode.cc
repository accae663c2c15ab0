#include "codec/encode.h"

#include <array>

#include "base/error.h"
#include "codec/encode_delta.h"
#include "codec/encode_planes.h"
#include "codec/encode_scratch.h"
#include "codec/estimate.h"
#include "codec/zstd.h"

namespace wfs {
namespace {

constexpr std::size_t planes_min = 64;   // shorter blocks do not pay for the entries of planes
constexpr std::size_t exact_max = 8192;  // up to this, a delta is compared with what it replaces
constexpr double rows_worth = 0.3;       // the same for whole numbers: planes find most of them
constexpr double doubt = 0.03;           // an estimate may be that wrong

std::size_t pattern_of(Bytes plain) {
  for (const std::size_t period : {1U, 2U, 4U, 8U}) {
    if (period < plain.size() && repeats(plain, period)) return period;
  }
  return 0;
}

struct Plan {
  PlaneShape shape;          // one plane of bytes, when nothing is known
  bool is_noise = false;     // neither planes nor repetitions
  bool search_only = false;  // text: no planes
  double search_from = 2;    // share of repetitions that zstd is asked from; 2: never
};

// A block of a numeric type is split by it, and searched only when all its planes repeat
// themselves.
Plan plan_numbers(Dtype dtype) {
  Plan plan;
  plan.shape.width = width_of(dtype);
  if (is_float(dtype)) plan.shape.rotation = Rotation::upper_half;
  plan.search_from = plan.shape.width == 1 ? repeats_worth : rows_worth;
  return plan;
}

// A block of unknown type may hold floats (a PyTorch storage does), integers, text, or anything.
Plan plan_bytes(Bytes plain) {
  const Estimate guess = estimate(plain);
  Plan plan;
  MutableBytes sample(encode_scratch().sample);
  sample = sample.first(take_sample(plain, sample.first(EncodeScratch::sample_size_max)));
  const double alone = bits_as_planes(sample, plan.shape);
  double best = 0.98 * alone;
  for (const unsigned width : {2U, 4U, 8U}) {
    if (plain.size() < 4 * planes_min) break;
    for (const Rotation rotation : {Rotation::none, Rotation::upper_half}) {
      const double bits = bits_as_planes(sample, {width, rotation});
      if (bits >= best) continue;
      best = 0.995 * bits;
      plan.shape = {width, rotation};
    }
  }
  plan.search_from = plan.shape.width == 1 ? repeats_worth : rows_worth;
  if (plan.shape.width == 1 && guess.repeated > repeats_worth) plan.search_only = true;
  plan.is_noise = plan.shape.width == 1 && guess.bits > noise_bits && !plan.search_only;
  return plan;
}

Plan plan_of(Bytes plain, Dtype dtype) {
  const bool bytes = dtype == Dtype::opaque || dtype == Dtype::quantised;
  return bytes ? plan_bytes(plain) : plan_numbers(dtype);
}

// The form without a base.
EncodedBlock encode_alone(Bytes plain, Dtype dtype) {
  const Plan plan = plan_of(plain, dtype);
  EncodedBlock best{Encoding::raw, {}};
  std::size_t best_length = plain.size();
  double repeated = plan.search_only ? 1 : 0;
  if (!plan.is_noise && !plan.search_only && plain.size() >= planes_min) {
    Buffer payload;
    if (append_planes(payload, plain, plan.shape, plain.size(), &repeated) &&
        is_better(payload.size(), best_length)) {
      best_length = payload.size();
      best = {Encoding::planes, std::move(payload)};
    }
  }
  if (plain.size() < planes_min) repeated = 1;
  if (repeated > plan.search_from && !plain.empty()) {
    const MutableBytes to = MutableBytes(encode_scratch().coded).first(plain.size());
    const std::size_t length = zstd_compress(plain, to, ZstdEffort::normal);
    if (length != 0 && is_better(length, best_length)) {
      return {Encoding::zstd, Buffer(to.begin(), to.begin() + static_cast<std::ptrdiff_t>(length))};
    }
  }
  if (best.encoding == Encoding::raw) best.payload.assign(plain.begin(), plain.end());
  return best;
}

// About how long the form without a base is.
double length_alone(Bytes plain, Dtype dtype) {
  constexpr std::size_t size = EncodeScratch::sample_size_max / 4;
  const PlaneShape shape = plan_of(plain, dtype).shape;
  const MutableBytes sample(encode_scratch().sample);
  const std::size_t length = take_sample(plain, sample.first(size));
  return bits_as_planes(sample.first(length), shape) / 8 * static_cast<double>(plain.size());
}

enum class Verdict { delta, alone, unclear };

Verdict compare(double delta, double alone) {
  if (delta < (delta_worth - doubt) * alone) return Verdict::delta;
  if (delta > (delta_worth + doubt) * alone) return Verdict::alone;
  return Verdict::unclear;
}

}  // namespace

EncodedBlock encode(Bytes plain, Dtype dtype, Bytes base) {
  expects(plain.size() <= block_size_max, "a block is at most a block long");
  expects(base.empty() || base.size() == plain.size(), "a base is as long as its block");
  if (const std::size_t period = pattern_of(plain); period != 0) {
    const auto end = plain.begin() + static_cast<std::ptrdiff_t>(period);
    return {Encoding::fill, Buffer(plain.begin(), end)};
  }
  if (base.empty() || plain.empty()) return encode_alone(plain, dtype);

  const double alone_guess = length_alone(plain, dtype);
  const double wanted = (delta_worth - doubt) * alone_guess;
  const auto choice = choose_delta(plain, base, dtype, wanted);
  if (!choice) return encode_alone(plain, dtype);
  const bool exactly = plain.size() <= exact_max;
  const Verdict verdict = exactly ? Verdict::unclear : compare(choice->length, alone_guess);
  if (verdict == Verdict::alone) return encode_alone(plain, dtype);
  EncodedBlock delta{Encoding::delta, encode_delta(plain, base, dtype, *choice)};
  const auto length = static_cast<double>(delta.payload.size());
  // What came out decides, where the estimates were too near to one another or wrong.
  if (!exactly && compare(length, alone_guess) == Verdict::delta) return delta;
  EncodedBlock alone = encode_alone(plain, dtype);
  if (length <= delta_worth * static_cast<double>(alone.payload.size())) return delta;
  return alone;
}

}  // namespace wfs
