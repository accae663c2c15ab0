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
constexpr std::size_t advised_min = 32 << 10;  // shorter blocks are soon looked at
constexpr double repeats_matter = 0.75;  // from this share on, a delta may not be worth it where they are
constexpr double alike = 1.15;           // blocks that come out so near to one another are alike

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

bool is_number(Dtype dtype) { return dtype != Dtype::opaque && dtype != Dtype::quantised; }

Plan plan_of(Bytes plain, Dtype dtype) {
  return is_number(dtype) ? plan_numbers(dtype) : plan_bytes(plain);
}

// The form without a base.
EncodedBlock encode_alone(Bytes plain, Dtype dtype, PlaneGuesses* guesses = nullptr) {
  const Plan plan = plan_of(plain, dtype);
  if (!is_number(dtype)) guesses = nullptr;  // each block has its own shape
  EncodedBlock best{Encoding::raw, {}};
  std::size_t best_length = plain.size();
  double repeated = plan.search_only ? 1 : 0;
  if (!plan.is_noise && !plan.search_only && plain.size() >= planes_min) {
    Buffer payload;
    if (append_planes(payload, plain, plan.shape, plain.size(), &repeated, guesses) &&
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

}  // namespace

BlockEncoder::BlockEncoder(Bytes plain, Dtype dtype, EncodeAdvice* advice)
    : plain_(plain),
      dtype_(dtype),
      advice_(plain.size() > advised_min ? advice : nullptr),
      period_(pattern_of(plain)) {
  expects(plain.size() <= block_size_max, "a block is at most a block long");
}

std::optional<Buffer> BlockEncoder::against(Bytes base, double worth) {
  expects(base.size() == plain_.size(), "a base is as long as its block");
  if (period_ != 0 || plain_.empty()) return std::nullopt;
  const std::size_t number = bases_tried_++;
  const bool is_advised = advice_ != nullptr && number < EncodeAdvice::bases_max;
  if (!is_advised) return searched(nullptr, base, worth);
  EncodeAdvice::Base& known = advice_->bases_[number];
  if (known.is_known) {
    if (!known.is_worth) return std::nullopt;
    if (auto payload = as_advised(known, base, worth)) return payload;
  }
  return searched(&known, base, worth);
}

bool BlockEncoder::skips_base() noexcept {
  if (advice_ == nullptr || bases_tried_ >= EncodeAdvice::bases_max) return false;
  const EncodeAdvice::Base& known = advice_->bases_[bases_tried_];
  const bool skips = known.is_known && !known.is_worth;
  bases_tried_ += skips;
  return skips;
}

// Nothing when it does not come out as the block before.
std::optional<Buffer> BlockEncoder::as_advised(EncodeAdvice::Base& known, Bytes base,
                                               double worth) {
  Buffer payload = encode_delta(plain_, base, dtype_, known.choice, &known.planes);
  const double rate = static_cast<double>(payload.size()) / static_cast<double>(plain_.size());
  const bool is_like = rate < alike * known.rate && known.rate < alike * rate;
  if (!is_like || rate > worth * advice_->alone_) return std::nullopt;
  return payload;
}

std::optional<Buffer> BlockEncoder::searched(EncodeAdvice::Base* known, Bytes base,
                                             double worth) {
  if (known != nullptr) *known = {};
  if (alone_guess_ == 0) alone_guess_ = length_alone(plain_, dtype_);
  const double length_max = worth * alone_guess_;
  const double length_doubt = doubt * alone_guess_;
  const auto choice = choose_delta(plain_, base, dtype_, length_max - length_doubt);
  // Estimates of the form without a base do not see repetitions.
  const bool exactly = choice && (plain_.size() <= exact_max ||
                                  (choice->length > repeats_matter * alone_guess_ &&
                                   estimate(plain_).repeated > repeats_worth));
  if (known != nullptr && choice) {
    advice_->alone_ = alone_guess_ / static_cast<double>(plain_.size());
    known->is_known = !exactly && choice->length > length_max + length_doubt;
  }
  if (!choice || (choice->length > length_max && !exactly)) return std::nullopt;
  PlaneGuesses guesses;
  Buffer payload = encode_delta(plain_, base, dtype_, *choice, &guesses);
  const auto length = static_cast<double>(payload.size());
  if (exactly) {
    if (!alone_) alone_ = encode_alone(plain_, dtype_);
    if (length > worth * static_cast<double>(alone_->payload.size())) return std::nullopt;
    return payload;
  }
  // What came out decides, where the estimates were wrong.
  if (length > length_max) return std::nullopt;
  if (known != nullptr && length < length_max - length_doubt) {
    *known = {true, true, *choice, length / static_cast<double>(plain_.size()), guesses};
  }
  return payload;
}

EncodedBlock BlockEncoder::alone() {
  if (period_ != 0) {
    const auto end = plain_.begin() + static_cast<std::ptrdiff_t>(period_);
    return {Encoding::fill, Buffer(plain_.begin(), end)};
  }
  if (alone_) return *std::move(alone_);
  return encode_alone(plain_, dtype_, advice_ == nullptr ? nullptr : &advice_->planes_);
}

EncodedBlock encode(Bytes plain, Dtype dtype, Bytes base) {
  BlockEncoder encoder(plain, dtype);
  if (!base.empty()) {
    if (auto payload = encoder.against(base)) return {Encoding::delta, *std::move(payload)};
  }
  return encoder.alone();
}

}  // namespace wfs
