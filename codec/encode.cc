#include "codec/encode.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/error.h"
#include "base/wire.h"
#include "codec/delta.h"
#include "codec/estimate.h"
#include "codec/planes.h"
#include "codec/split.h"
#include "codec/zstd.h"

namespace wfs {
namespace {

constexpr std::size_t planes_min = 256;  // shorter blocks do not pay for the entries of planes
constexpr double noise_bits = 7.95;      // bytes of this entropy are stored as they are
constexpr double repeats_worth = 0.03;   // from this share of repeats on, looking for them pays
constexpr double slack = 0.99;           // a faster form may be that much longer

struct Scratch {
  Buffer planes = Buffer(block_size_max);
  Buffer coded = Buffer(2 * block_size_max);
  Buffer other = Buffer(block_size_max);
};

Scratch& scratch() {
  thread_local Scratch scratch;
  return scratch;
}

// Whether `bytes` repeat their first `period` bytes to the end.
bool repeats(Bytes bytes, std::size_t period) {
  return bytes.size() >= period &&
         std::memcmp(bytes.data(), bytes.data() + period, bytes.size() - period) == 0;
}

bool better(std::size_t slower, std::size_t faster) {
  return static_cast<double>(slower) < slack * static_cast<double>(faster);
}

struct CodedPlane {
  PlaneForm form;
  Bytes stored;
};

// Codes one plane; what is not in `plane` itself is written to `to`, which is as long as the plane.
CodedPlane encode_plane(Bytes plane, MutableBytes to, MutableBytes other) {
  if (repeats(plane, 1)) return {PlaneForm::fill, plane.first(1)};
  const Estimate guess = estimate(plane);
  CodedPlane best{PlaneForm::raw, plane};
  if (guess.bits < noise_bits) {
    const std::size_t length = zstd_compress(plane, to, ZstdEffort::literals);
    if (length != 0 && better(length, plane.size())) best = {PlaneForm::zstd, to.first(length)};
  }
  if (guess.repeated > repeats_worth) {
    const std::size_t length = zstd_compress(plane, other, ZstdEffort::fast);
    if (length != 0 && better(length, best.stored.size())) {
      std::memcpy(to.data(), other.data(), length);
      best = {PlaneForm::zstd, to.first(length)};
    }
  }
  return best;
}

struct PlaneShape {
  unsigned width;
  Rotation rotation;
};

// The payload of `plain` as planes, or nothing when it would be longer than `length_max`.
Buffer encode_planes(Bytes plain, PlaneShape shape, std::size_t length_max) {
  const std::size_t count = plain.size() / shape.width;
  Scratch& memory = scratch();
  const auto planes = MutableBytes(memory.planes).first(count * shape.width);
  split_planes(plain, shape.width, shape.rotation, planes);

  Buffer payload;
  payload.push_back(static_cast<std::byte>(
      shape.width | (shape.rotation == Rotation::none ? 0U : unsigned{planes_rotated})));
  std::array<CodedPlane, planes_width_max> coded{};
  const Bytes rest = plain.subspan(count * shape.width);
  std::size_t length = 1 + shape.width * plane_entry_size + rest.size();
  for (unsigned k = 0; k < shape.width; ++k) {
    coded[k] = encode_plane(planes.subspan(k * count, count),
                            MutableBytes(memory.coded).subspan(k * count, count), memory.other);
    length += coded[k].stored.size();
    append_le(payload, static_cast<std::uint8_t>(coded[k].form));
    append_le(payload, static_cast<std::uint32_t>(coded[k].stored.size()));
  }
  if (length > length_max) return {};
  payload.reserve(length);
  for (unsigned k = 0; k < shape.width; ++k) append_bytes(payload, coded[k].stored);
  append_bytes(payload, rest);
  return payload;
}

// The mean entropy of a byte when it is known which byte of its number it is.
double bits_as_planes(Bytes plain, PlaneShape shape) {
  const std::size_t count = plain.size() / shape.width;
  const auto planes = MutableBytes(scratch().planes).first(count * shape.width);
  split_planes(plain, shape.width, shape.rotation, planes);
  double sum = 0;
  for (unsigned k = 0; k < shape.width; ++k) sum += estimate(planes.subspan(k * count, count)).bits;
  return sum / shape.width;
}

struct Plan {
  PlaneShape shape{1, Rotation::none};  // width 1: no planes
  bool searches = false;                // whether zstd may find something
  ZstdEffort effort = ZstdEffort::normal;
};

// A block of a numeric type is split by it, and searched only when it repeats itself as it lies.
Plan plan_numbers(Bytes plain, Dtype dtype) {
  const Estimate guess = estimate(plain);
  const auto rotation = is_float(dtype) ? Rotation::upper_half : Rotation::none;
  return {{width_of(dtype), rotation}, guess.repeated > repeats_worth};
}

// A block of unknown type may hold floats (a PyTorch storage does), text, or anything.
Plan plan_bytes(Bytes plain, Dtype dtype) {
  const Estimate guess = estimate(plain);
  Plan plan;
  plan.searches = guess.bits < noise_bits || guess.repeated > repeats_worth;
  // Numbers of a byte or less have a distribution, but seldom repetitions.
  if (dtype != Dtype::opaque && guess.repeated <= repeats_worth) plan.effort = ZstdEffort::literals;
  if (dtype != Dtype::opaque || plain.size() < planes_min) return plan;
  double best = 0.98 * guess.bits;
  for (const unsigned width : {2U, 4U}) {
    const PlaneShape shape{width, Rotation::upper_half};
    const double bits = bits_as_planes(plain, shape);
    if (bits >= best) continue;
    best = 0.995 * bits;
    plan.shape = shape;
  }
  if (plan.shape.width > 1 && guess.repeated <= repeats_worth) plan.searches = false;
  return plan;
}

// The form without a base.
EncodedBlock encode_alone(Bytes plain, Dtype dtype) {
  for (const std::size_t period : {1U, 2U, 4U, 8U}) {
    if (period < plain.size() && repeats(plain, period)) {
      return {Encoding::fill,
              Buffer(plain.begin(), plain.begin() + static_cast<std::ptrdiff_t>(period))};
    }
  }
  const bool numbers = width_of(dtype) > 1 && plain.size() >= planes_min;
  const Plan plan = numbers ? plan_numbers(plain, dtype) : plan_bytes(plain, dtype);

  EncodedBlock best{Encoding::raw, {}};
  std::size_t best_length = plain.size();
  if (plan.shape.width > 1) {
    Buffer payload = encode_planes(plain, plan.shape, plain.size());
    if (!payload.empty() && better(payload.size(), best_length)) {
      best_length = payload.size();
      best = {Encoding::planes, std::move(payload)};
    }
  }
  if (plan.searches && !plain.empty()) {
    const MutableBytes to = MutableBytes(scratch().coded).first(plain.size());
    const std::size_t length = zstd_compress(plain, to, plan.effort);
    if (length != 0 && better(length, best_length)) {
      return {Encoding::zstd, Buffer(to.begin(), to.begin() + static_cast<std::ptrdiff_t>(length))};
    }
  }
  if (best.encoding == Encoding::raw) best.payload.assign(plain.begin(), plain.end());
  return best;
}

// The payload of a delta, or nothing when it would be longer than `length_max`.
Buffer encode_delta(Bytes plain, Dtype dtype, Bytes base, std::size_t length_max) {
  const unsigned width = std::max(2U, width_of(dtype));
  if (plain.size() < planes_min || length_max < 2) return {};
  Buffer differences(plain.size());
  subtract(plain, base, width, differences);
  const Buffer planes = encode_planes(differences, {width, Rotation::none}, length_max - 2);
  if (planes.empty()) return {};
  Buffer payload;
  append_le(payload, static_cast<std::uint8_t>(DeltaForm::planes));
  append_le(payload, static_cast<std::uint8_t>(width));
  append_bytes(payload, planes);
  return payload;
}

}  // namespace

EncodedBlock encode(Bytes plain, Dtype dtype, Bytes base) {
  expects(plain.size() <= block_size_max, "a block is at most a block long");
  expects(base.empty() || base.size() == plain.size(), "a base is as long as its block");
  EncodedBlock alone = encode_alone(plain, dtype);
  if (base.empty()) return alone;
  const auto length_max =
      static_cast<std::size_t>(delta_worth * static_cast<double>(alone.payload.size()));
  Buffer delta = encode_delta(plain, dtype, base, length_max);
  if (delta.empty()) return alone;
  return {Encoding::delta, std::move(delta)};
}

}  // namespace wfs
