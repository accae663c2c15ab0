#include "codec/delta_tokens.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/wire.h"

// One copy of the kernels for each instruction set; the best that the processor has is called.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "codec/delta_tokens.cc"
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "codec/delta_tokens_kernels.h"

#if HWY_ONCE
namespace wfs {
namespace {

HWY_EXPORT(tokens1_kernel);
HWY_EXPORT(tokens2_kernel);
HWY_EXPORT(tokens4_kernel);
HWY_EXPORT(differences_kernel);
HWY_EXPORT(exclusives_kernel);
HWY_EXPORT(lengths1_kernel);
HWY_EXPORT(lengths2_kernel);
HWY_EXPORT(lengths4_kernel);

constexpr std::size_t front = offset_group;       // room for the group that is not whole
constexpr std::size_t chunk = 16 * offset_group;  // stays in the nearest cache until counted
constexpr std::size_t groups_period = 1024;

constexpr std::size_t filled_up(std::size_t count) {
  return (count + rans_states - 1) / rans_states * rans_states;
}

const std::uint8_t* numbers_of(Bytes bytes) {
  return reinterpret_cast<const std::uint8_t*>(bytes.data());
}

// A group that is not whole, filled up with zeros.
struct PaddedGroup {
  std::array<std::uint8_t, offset_group * 4> bytes{};

  explicit PaddedGroup(Bytes part) { std::memcpy(bytes.data(), part.data(), part.size()); }
};

}  // namespace

Tokens::Tokens()
    : keys_(front + block_size_max + rans_states),
      differences2_(front + block_size_max / 2 + rans_states),
      differences4_(front + block_size_max / 4 + rans_states),
      offsets_(block_size_max / offset_group + 1) {}

void Tokens::make(Bytes plain, Bytes base, TokenShape shape, Offsets offsets) {
  width_ = shape.width;
  const std::size_t count = plain.size() / width_;
  expects(count != 0 && base.size() == plain.size() && plain.size() <= block_size_max,
          "tokens are of a block with a number");
  length_ = filled_up(count);
  offsets_.resize((count + offset_group - 1) / offset_group);
  counts_ = {};
  std::uint16_t* const keys = keys_.data() + front;
  const auto run = [&](const std::uint8_t* at, const std::uint8_t* from, std::size_t done,
                       std::size_t groups) {
    const TokenJob job{at,
                       from,
                       groups,
                       shape.shift,
                       offsets.kind == Offsets::Kind::relative,
                       offsets.origin,
                       keys + length_ - done,
                       &offsets_[done / offset_group]};
    const std::size_t end = front + length_ - done;
    if (width_ == 1) return HWY_DYNAMIC_DISPATCH(tokens1_kernel)(job);
    if (width_ == 2) return HWY_DYNAMIC_DISPATCH(tokens2_kernel)(job, differences2_.data() + end);
    return HWY_DYNAMIC_DISPATCH(tokens4_kernel)(job, differences4_.data() + end);
  };
  const std::size_t whole = count / offset_group * offset_group;
  for (std::size_t done = 0; done < whole; done += chunk) {
    const std::size_t length = std::min(chunk, whole - done);
    run(numbers_of(plain) + done * width_, numbers_of(base) + done * width_, done,
        length / offset_group);
    count_keys(keys + length_ - done - length, length);
  }
  if (whole != count) {
    const std::size_t rest = (count - whole) * width_;
    const PaddedGroup at(plain.subspan(whole * width_, rest));
    const PaddedGroup from(base.subspan(whole * width_, rest));
    run(at.bytes.data(), from.bytes.data(), whole, 1);
    count_keys(keys + length_ - count, count - whole);
  }
  fill_up(length_ - count);
  add_up_counts();
}

void Tokens::make_groups(Bytes plain, Bytes base, GroupOperation operation,
                         std::span<const std::uint8_t> classes) {
  expects(!plain.empty() && base.size() == plain.size() && plain.size() <= block_size_max &&
              !classes.empty() && classes.size() <= groups_period,
          "groups are of a block");
  width_ = 1;
  length_ = filled_up(plain.size());
  offsets_.clear();
  counts_ = {};
  // Several periods at once, so that the inner loop is long.
  const std::size_t period = (groups_period / classes.size()) * classes.size();
  std::array<std::uint16_t, groups_period> upper;
  for (std::size_t i = 0; i < period; ++i) {
    upper[i] = static_cast<std::uint16_t>(classes[i % classes.size()] << 8);
  }
  std::uint16_t* const end = keys_.data() + front + length_;
  const std::uint8_t* const at = numbers_of(plain);
  const std::uint8_t* const from = numbers_of(base);
  for (std::size_t done = 0; done < plain.size(); done += period) {
    const std::size_t length = std::min(period, plain.size() - done);
    std::uint16_t* const to = end - done - length;
    if (operation == GroupOperation::difference) {
      HWY_DYNAMIC_DISPATCH(differences_kernel)(at + done, from + done, upper.data(), length, to);
    } else {
      HWY_DYNAMIC_DISPATCH(exclusives_kernel)(at + done, from + done, upper.data(), length, to);
    }
    count_keys(to, length);
  }
  fill_up(length_ - plain.size());
  add_up_counts();
}

// Four in turn, so that equal neighbours do not wait for one another.
void Tokens::count_keys(const std::uint16_t* keys, std::size_t length) {
  std::uint32_t* const count0 = counts_[0].data();
  std::uint32_t* const count1 = counts_[1].data();
  std::uint32_t* const count2 = counts_[2].data();
  std::uint32_t* const count3 = counts_[3].data();
  std::size_t i = 0;
  for (; i + 8 <= length; i += 8) {
    std::uint64_t low, high;
    std::memcpy(&low, keys + i, sizeof low);
    std::memcpy(&high, keys + i + 4, sizeof high);
    ++count0[low & 0xffff];
    ++count1[(low >> 16) & 0xffff];
    ++count2[(low >> 32) & 0xffff];
    ++count3[low >> 48];
    ++count0[high & 0xffff];
    ++count1[(high >> 16) & 0xffff];
    ++count2[(high >> 32) & 0xffff];
    ++count3[high >> 48];
  }
  for (; i < length; ++i) ++count0[keys[i]];
}

void Tokens::fill_up(std::size_t length) {
  std::fill_n(keys_.begin() + front, length, key_none);
  if (width_ == 2) std::fill_n(differences2_.begin() + front, length, std::uint16_t{0});
  if (width_ == 4) std::fill_n(differences4_.begin() + front, length, std::uint32_t{0});
}

void Tokens::add_up_counts() {
  for (std::size_t i = 0; i < key_none; ++i) {
    counts_[0][i] += counts_[1][i] + counts_[2][i] + counts_[3][i];
  }
}

void Tokens::push(RansEncoder& encoder, const KeyTable& table) const {
  const std::span keys(keys_.data() + front, length_);
  if (width_ == 2) return encoder.push_tokens(keys, differences2_.data() + front, table);
  if (width_ == 4) return encoder.push_tokens(keys, differences4_.data() + front, table);
  encoder.push_keys(keys, table);
}

void sample_lengths(Bytes plain, Bytes base, TokenShape shape, SampledLengths& sampled) {
  const std::size_t count = plain.size() / shape.width;
  const std::size_t groups = count / offset_group;
  sampled.constant.fill(0);
  sampled.relative.fill(0);
  sampled.numbers = 0;
  const auto add = [&](const std::uint8_t* at, const std::uint8_t* from) {
    if (shape.width == 1) HWY_DYNAMIC_DISPATCH(lengths1_kernel)(at, from, shape.shift, sampled);
    if (shape.width == 2) HWY_DYNAMIC_DISPATCH(lengths2_kernel)(at, from, shape.shift, sampled);
    if (shape.width == 4) HWY_DYNAMIC_DISPATCH(lengths4_kernel)(at, from, shape.shift, sampled);
    sampled.numbers += offset_group;
  };
  if (groups == 0) {
    const std::size_t part = count * shape.width;
    return add(PaddedGroup(plain.first(part)).bytes.data(),
               PaddedGroup(base.first(part)).bytes.data());
  }
  // The wider the numbers, the less of them a window decides about.
  const std::size_t wanted = (shape.width == 4 ? 1024 : 16'384 / shape.width) / offset_group;
  const std::size_t stride = std::max<std::size_t>(1, groups / wanted);
  const std::size_t bytes = offset_group * shape.width;
  const std::size_t steps = (groups + stride - 1) / stride;
  // Not always the same place of a stride, which may be the length of a row.
  const auto place = [&](std::size_t k) {
    return std::min(groups - 1, k * stride + k * 7 % stride) * bytes;
  };
  const auto fetch = [&](std::size_t k) {
    for (std::size_t i = 0; k < steps && i < bytes; i += 64) {
      hwy::Prefetch(plain.data() + place(k) + i);
      hwy::Prefetch(base.data() + place(k) + i);
    }
  };
  constexpr std::size_t steps_ahead = 8;
  for (std::size_t k = 0; k < steps_ahead; ++k) fetch(k);
  for (std::size_t k = 0; k < steps; ++k) {
    fetch(k + steps_ahead);
    add(numbers_of(plain) + place(k), numbers_of(base) + place(k));
  }
}

}  // namespace wfs
#endif  // HWY_ONCE
