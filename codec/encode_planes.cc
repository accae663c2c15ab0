#include "codec/encode_planes.h"

#include <algorithm>
#include <array>

#include "base/wire.h"
#include "codec/encode_scratch.h"
#include "codec/estimate.h"
#include "codec/histogram.h"
#include "codec/zstd.h"

namespace wfs {
namespace {

constexpr std::size_t stream_head = sizeof(std::uint32_t) * (1 + rans_states);

struct CodedPlane {
  PlaneForm form = PlaneForm::raw;
  Bytes plane;
  Bytes stored;  // but for form rans
  Frequencies frequencies;
  std::size_t length = 0;  // of a range-coded plane an estimate, without its share of the head
};

void try_range_coding(CodedPlane& coded) {
  const Counts counts = count_bytes(coded.plane);
  const auto used = static_cast<std::size_t>(
      std::count_if(counts.begin(), counts.end(), [](auto count) { return count != 0; }));
  const auto length = static_cast<std::size_t>(1.001 * entropy_bits(counts) / 8) + used + 2;
  if (!is_better(length, coded.length)) return;
  coded.form = PlaneForm::rans;
  coded.length = length;
  coded.frequencies = normalise(counts, planes_table_bits);
}

// Compresses to `to`, which is as long as the plane.
void try_search(CodedPlane& coded, MutableBytes to) {
  const std::size_t length = zstd_compress(coded.plane, to, ZstdEffort::fast);
  if (length == 0 || !is_better(length, coded.length)) return;
  coded.form = PlaneForm::zstd;
  coded.length = length;
  coded.stored = to.first(length);
}

CodedPlane code_plane(Bytes plane, MutableBytes to, Estimate* guess, bool is_known) {
  CodedPlane coded;
  coded.plane = plane;
  coded.stored = plane;
  coded.length = plane.size();
  if (repeats(plane, 1)) {
    coded.form = PlaneForm::fill;
    coded.stored = plane.first(1);
    coded.length = 1;
    return coded;
  }
  if (!is_known) *guess = estimate(plane);
  if (guess->bits < noise_bits) try_range_coding(coded);
  if (guess->repeated > repeats_worth) try_search(coded, to);
  return coded;
}

// Range coding a little of many planes may gain less than the head of the stream costs.
bool streams_pay(std::span<CodedPlane> planes) {
  std::size_t gain = 0;
  for (const CodedPlane& coded : planes) {
    if (coded.form == PlaneForm::rans) gain += coded.plane.size() - coded.length;
  }
  if (gain > stream_head) return true;
  for (CodedPlane& coded : planes) {
    if (coded.form == PlaneForm::rans) coded.form = PlaneForm::raw;
  }
  return false;
}

void push_planes(std::span<const CodedPlane> planes, EncodeScratch& memory) {
  memory.rans.begin();
  for (std::size_t k = planes.size(); k-- > 0;) {
    if (planes[k].form != PlaneForm::rans) continue;
    clear(memory.table, planes_table_bits);
    set_class(memory.table, 0, planes[k].frequencies, 1);
    memory.rans.push_bytes(planes[k].plane, memory.table);
  }
}

}  // namespace

bool append_planes(Buffer& to, Bytes plain, PlaneShape shape, std::size_t length_max,
                   double* repeated, PlaneGuesses* guesses) {
  PlaneGuesses own;
  if (guesses == nullptr) guesses = &own;
  EncodeScratch& memory = encode_scratch();
  const std::size_t count = plain.size() / shape.width;
  Bytes planes = plain.first(count * shape.width);
  if (shape.width > 1) {
    const auto split = MutableBytes(memory.planes).first(planes.size());
    split_planes(plain, shape.width, shape.rotation, split);
    planes = split;
  }
  std::array<CodedPlane, planes_width_max> all;
  const std::span<CodedPlane> coded(all.data(), shape.width);
  double fewest = 1;
  bool all_known = true;
  for (unsigned k = 0; k < shape.width; ++k) {
    coded[k] = code_plane(planes.subspan(k * count, count),
                          MutableBytes(memory.coded).subspan(k * count, count), &guesses->of[k],
                          guesses->are_known);
    if (coded[k].form == PlaneForm::fill) {
      all_known = false;
    } else {
      fewest = std::min(fewest, guesses->of[k].repeated);
    }
  }
  guesses->are_known = guesses->are_known || all_known;
  if (repeated != nullptr) *repeated = fewest;
  const bool streams = streams_pay(coded);
  if (streams) push_planes(coded, memory);

  const std::size_t before = to.size();
  std::size_t length = plane_entry_size * shape.width + plain.size() - planes.size() + 1;
  if (streams) length += memory.rans.stream_size();
  for (const CodedPlane& one : coded) {
    length += one.form == PlaneForm::rans ? 2 * rans_symbols + 1 : one.stored.size();
  }
  to.reserve(before + length);
  append_le(to, static_cast<std::uint8_t>(
                    shape.width | (shape.rotation == Rotation::none ? 0U : planes_rotated)));
  const std::size_t entries = to.size();
  to.resize(entries + shape.width * plane_entry_size);
  for (unsigned k = 0; k < shape.width; ++k) {
    const std::size_t start = to.size();
    if (coded[k].form == PlaneForm::rans) {
      append_table(to, coded[k].frequencies, planes_table_bits);
    } else {
      append_bytes(to, coded[k].stored);
    }
    std::byte* const entry = to.data() + entries + k * plane_entry_size;
    entry[0] = static_cast<std::byte>(coded[k].form);
    store_le(entry + 1, static_cast<std::uint32_t>(to.size() - start));
  }
  if (streams) memory.rans.append_stream(to);
  append_bytes(to, plain.subspan(count * shape.width));
  if (to.size() - before <= length_max) return true;
  to.resize(before);
  return false;
}

double bits_as_planes(Bytes sample, PlaneShape shape) {
  EncodeScratch& memory = encode_scratch();
  const std::size_t count = sample.size() / shape.width;
  const auto planes = MutableBytes(memory.planes).first(count * shape.width);
  split_planes(sample, shape.width, shape.rotation, planes);
  double sum = 0;
  for (unsigned k = 0; k < shape.width; ++k) {
    const Bytes plane = planes.subspan(k * count, count);
    const double bits = sampled_entropy_bits(count_bytes(plane)) /
                        static_cast<double>(std::max<std::size_t>(count, 1));
    sum += bits > noise_bits ? 8 : bits;
  }
  return sum / shape.width;
}

}  // namespace wfs
