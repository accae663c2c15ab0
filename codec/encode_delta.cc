#include "codec/encode_delta.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "base/wire.h"
#include "codec/encode_planes.h"
#include "codec/encode_scratch.h"
#include "codec/estimate.h"
#include "codec/histogram.h"
#include "codec/quant_groups.h"

namespace wfs {
namespace {

constexpr double planes_gain = 0.985;   // planes are slower to read: they have to be smaller
constexpr double context_share = 0.07;  // where classes gain so much, or so many bits a number,
constexpr double context_bits = 0.4;    // planes do not come near
constexpr double head_length = 700;     // of the tables and the states, about

// The one shape of a numeric type; nothing for those whose numbers are of 8 bytes.
std::optional<TokenShape> shape_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::f32:
    case Dtype::c64:
      return TokenShape{4, 23};
    case Dtype::f16:
      return TokenShape{2, 10};
    case Dtype::bf16:
      return TokenShape{2, 7};
    case Dtype::f8_e4m3:
    case Dtype::f8_e4m3_fnuz:
      return TokenShape{1, 3};
    case Dtype::f8_e5m2:
    case Dtype::f8_e5m2_fnuz:
      return TokenShape{1, 2};
    default:
      break;
  }
  const unsigned width = width_of(dtype);
  if (width == 8) return std::nullopt;
  return TokenShape{width, 8 * width - 1};
}

Bytes sample_of_differences(Bytes plain, Bytes base, unsigned width) {
  constexpr std::size_t size = EncodeScratch::sample_size_max / 2;
  const MutableBytes sample(encode_scratch().sample);
  const std::size_t length = take_sample(plain, sample.first(size));
  take_sample(base, sample.subspan(size, size));
  const MutableBytes differences = sample.subspan(2 * size, length);
  subtract(sample.first(length), sample.subspan(size, length), width, differences);
  return differences;
}

DeltaChoice choose_planes(Bytes plain, Bytes base, unsigned width) {
  DeltaChoice choice;
  choice.form = DeltaForm::planes;
  choice.width = width;
  const Bytes differences = sample_of_differences(plain, base, width);
  choice.length =
      bits_as_planes(differences, {width, Rotation::none}) / 8 * static_cast<double>(plain.size());
  return choice;
}

DeltaChoice choose_tokens(Bytes plain, Bytes base, TokenShape shape) {
  DeltaChoice choice;
  choice.tokens = plan_tokens(plain, base, shape);
  choice.width = shape.width;
  choice.length = choice.tokens.bits / (8 * shape.width) * static_cast<double>(plain.size());
  return choice;
}

unsigned low_bits_of(std::size_t token, unsigned width) {
  const auto high = static_cast<unsigned>(token) >> (8 / width);
  return high > 1 ? high - 1 : 0;
}

// Counts the tokens of a sample, where their lengths alone told too little.
void refine(DeltaChoice& choice, Bytes plain, Bytes base) {
  const TokenShape shape = choice.tokens.shape;
  constexpr std::size_t size = EncodeScratch::sample_size_max;
  const std::size_t group = offset_group * shape.width;
  const std::size_t groups = plain.size() / group;
  const std::size_t taken = std::min(groups, size / group);
  const MutableBytes sample(encode_scratch().sample);
  for (std::size_t k = 0; k < taken; ++k) {
    const std::size_t at = k * groups / taken * group;
    std::memcpy(sample.data() + k * group, plain.data() + at, group);
    std::memcpy(sample.data() + size + k * group, base.data() + at, group);
  }
  Tokens& tokens = encode_scratch().tokens;
  if (taken != 0) {
    plain = sample.first(taken * group);
    base = sample.subspan(size, taken * group);
  }
  tokens.make(plain, base, shape, choice.tokens.offsets);
  const KeyCounts& counts = tokens.counts();
  const double numbers = static_cast<double>(plain.size() / shape.width);
  double bits = 0;
  for (std::size_t j = 0; j < delta_classes; ++j) {
    const auto of_class = std::span(counts).subspan(j * rans_symbols, rans_symbols);
    bits += sampled_entropy_bits(of_class);
    for (std::size_t s = 0; s < rans_symbols; ++s) {
      bits += static_cast<double>(of_class[s]) * low_bits_of(s, shape.width);
    }
  }
  choice.length *= bits / numbers / choice.tokens.bits;
  choice.tokens.bits = bits / numbers;
}

// Tokens, unless the differences do not depend on the exponents and are fewer bits as planes.
DeltaChoice choose_numbers(Bytes plain, Bytes base, TokenShape shape, double wanted) {
  // Bytes without exponents are one class: as a plane they have a finer table.
  if (shape.width == 1 && !shape.has_exponents()) return choose_planes(plain, base, 1);
  DeltaChoice tokens = choose_tokens(plain, base, shape);
  const double gain = tokens.tokens.bits_alone - tokens.tokens.bits;
  const bool varies = gain > std::min(context_bits, context_share * tokens.tokens.bits_alone);
  if (varies && tokens.length < wanted) return tokens;
  refine(tokens, plain, base);
  if (varies) return tokens;
  DeltaChoice planes = choose_planes(plain, base, shape.width);
  return planes.length < planes_gain * tokens.length ? planes : tokens;
}

// Bytes of unknown meaning: whatever shape makes the least of them.
DeltaChoice choose_bytes(Bytes plain, Bytes base) {
  DeltaChoice best = choose_tokens(plain, base, {1, 7});
  const auto offer = [&](const DeltaChoice& other) {
    if (other.length < 0.99 * best.length) best = other;
  };
  for (const TokenShape shape : {TokenShape{2, 7}, TokenShape{2, 10}, TokenShape{4, 23}}) {
    if (plain.size() >= shape.width) offer(choose_tokens(plain, base, shape));
  }
  for (const unsigned width : {2U, 4U, 8U}) {
    if (plain.size() >= width) offer(choose_planes(plain, base, width));
  }
  return best;
}

double group_bits(std::span<const std::uint8_t> classes, Bytes plain, Bytes base,
                  GroupOperation operation) {
  std::array<Counts, delta_classes> counts{};
  const std::size_t groups = plain.size() / classes.size();
  const std::size_t step = std::max<std::size_t>(1, groups * classes.size() / (4 * 1024));
  std::size_t bytes = 0;
  for (std::size_t g = 0; g < groups; g += step) {
    for (std::size_t k = 0; k < classes.size(); ++k) {
      const auto x = std::to_integer<unsigned>(plain[g * classes.size() + k]);
      const auto b = std::to_integer<unsigned>(base[g * classes.size() + k]);
      ++counts[classes[k]][operation == GroupOperation::difference ? (x - b) & 0xff : x ^ b];
    }
    bytes += classes.size();
  }
  double bits = 0;
  for (const Counts& one : counts) bits += sampled_entropy_bits(one);
  return bits / static_cast<double>(std::max<std::size_t>(bytes, 1));
}

DeltaChoice choose_groups(Bytes plain, Bytes base, std::span<const std::uint8_t> classes) {
  DeltaChoice choice;
  choice.form = DeltaForm::groups;
  const double difference = group_bits(classes, plain, base, GroupOperation::difference);
  const double exclusive = group_bits(classes, plain, base, GroupOperation::exclusive_or);
  if (exclusive < difference) choice.operation = GroupOperation::exclusive_or;
  choice.length = std::min(difference, exclusive) / 8 * static_cast<double>(plain.size());
  return choice;
}

// Makes the tables of all classes that occur, appends them, and readies the encoder's.
void append_class_tables(Buffer& to, const KeyCounts& counts, unsigned width, KeyTable& table) {
  clear(table, delta_table_bits);
  const std::size_t mask_at = to.size() - 1;
  for (std::size_t j = 0; j < delta_classes; ++j) {
    Counts of_class;
    std::copy_n(counts.begin() + static_cast<std::ptrdiff_t>(j * rans_symbols), rans_symbols,
                of_class.begin());
    if (std::all_of(of_class.begin(), of_class.end(), [](auto n) { return n == 0; })) continue;
    to[mask_at] |= static_cast<std::byte>(1U << j);
    const Frequencies frequencies = normalise(of_class, delta_table_bits);
    append_table(to, frequencies, delta_table_bits);
    set_class(table, j, frequencies, width);
  }
}

void push_offsets(std::span<const std::uint8_t> offsets, const Frequencies& frequencies,
                  RansEncoder& rans) {
  constexpr std::size_t keys_max = block_size_max / offset_group + rans_states;
  std::array<std::uint16_t, keys_max> keys;
  const std::size_t length = (offsets.size() + rans_states - 1) / rans_states * rans_states;
  std::fill_n(keys.begin(), length - offsets.size(), key_none);
  std::reverse_copy(offsets.begin(), offsets.end(),
                    keys.begin() + static_cast<std::ptrdiff_t>(length - offsets.size()));
  KeyTable table;
  clear(table, delta_table_bits);
  set_class(table, 0, frequencies, 1);
  rans.push_keys({keys.data(), length}, table);
}

// The tables are at most so long.
constexpr std::size_t tables_length_max = (delta_classes + 1) * (2 * rans_symbols + 1);

Buffer encode_tokens(Bytes plain, Bytes base, const DeltaPlan& plan) {
  EncodeScratch& memory = encode_scratch();
  memory.tokens.make(plain, base, plan.shape, plan.offsets);
  const auto offsets = memory.tokens.offsets();
  Counts offset_counts{};
  for (const std::uint8_t offset : offsets) ++offset_counts[offset];
  const Frequencies offset_frequencies = normalise(offset_counts, delta_table_bits);

  Buffer head;
  head.reserve(tables_length_max + 16);
  append_le(head, static_cast<std::uint8_t>(DeltaForm::tokens));
  append_le(head, static_cast<std::uint8_t>(plan.shape.width));
  append_le(head, static_cast<std::uint8_t>(plan.shape.shift));
  append_le(head, std::uint8_t{0});
  Buffer tables(1);
  tables.reserve(tables_length_max);
  append_class_tables(tables, memory.tokens.counts(), plan.shape.width, memory.table);
  head.back() = tables.front();
  append_table(head, offset_frequencies, delta_table_bits);

  memory.rans.begin();
  memory.tokens.push(memory.rans, memory.table);
  push_offsets(offsets, offset_frequencies, memory.rans);
  const Bytes rest = plain.subspan(plain.size() / plan.shape.width * plan.shape.width);
  Buffer payload;
  payload.reserve(head.size() + tables.size() + memory.rans.stream_size() + rest.size());
  append_bytes(payload, head);
  append_bytes(payload, Bytes(tables).subspan(1));
  memory.rans.append_stream(payload);
  append_bytes(payload, rest);
  return payload;
}

Buffer encode_groups(Bytes plain, Bytes base, std::vector<std::uint8_t> classes,
                     GroupOperation operation) {
  // A place that is not in the block may not ask for a table of its own.
  for (std::size_t k = plain.size(); k < classes.size(); ++k) classes[k] = classes[0];
  EncodeScratch& memory = encode_scratch();
  memory.tokens.make_groups(plain, base, operation, classes);
  Buffer head;
  head.reserve(tables_length_max + classes.size() + 16);
  append_le(head, static_cast<std::uint8_t>(DeltaForm::groups));
  append_le(head, static_cast<std::uint8_t>(operation));
  append_le(head, static_cast<std::uint16_t>(classes.size()));
  append_bytes(head, std::as_bytes(std::span(classes)));
  append_le(head, std::uint8_t{0});
  append_class_tables(head, memory.tokens.counts(), 1, memory.table);
  memory.rans.begin();
  memory.tokens.push(memory.rans, memory.table);
  Buffer payload;
  payload.reserve(head.size() + memory.rans.stream_size());
  append_bytes(payload, head);
  memory.rans.append_stream(payload);
  return payload;
}

Buffer encode_planes_of_differences(Bytes plain, Bytes base, unsigned width,
                                    PlaneGuesses* guesses) {
  Buffer& differences = encode_scratch().other;
  const auto to = MutableBytes(differences).first(plain.size());
  subtract(plain, base, width, to);
  Buffer payload;
  append_le(payload, static_cast<std::uint8_t>(DeltaForm::planes));
  append_le(payload, static_cast<std::uint8_t>(width));
  append_planes(payload, to, {width, Rotation::none}, 2 * plain.size() + 256, nullptr,
                guesses);
  return payload;
}

}  // namespace

std::optional<DeltaChoice> choose_delta(Bytes plain, Bytes base, Dtype dtype, double wanted) {
  if (plain.empty()) return std::nullopt;
  DeltaChoice choice;
  if (const auto classes = group_classes_of(dtype); !classes.empty()) {
    choice = choose_groups(plain, base, classes);
  } else if (dtype == Dtype::opaque || dtype == Dtype::quantised) {
    choice = choose_bytes(plain, base);
  } else if (plain.size() < width_of(dtype)) {
    return std::nullopt;
  } else if (const auto shape = shape_of(dtype)) {
    choice = choose_numbers(plain, base, *shape, wanted);
  } else {
    choice = choose_planes(plain, base, width_of(dtype));
  }
  choice.length += head_length;
  return choice;
}

Buffer encode_delta(Bytes plain, Bytes base, Dtype dtype, const DeltaChoice& choice,
                    PlaneGuesses* guesses) {
  switch (choice.form) {
    case DeltaForm::tokens:
      return encode_tokens(plain, base, choice.tokens);
    case DeltaForm::planes:
      return encode_planes_of_differences(plain, base, choice.width, guesses);
    case DeltaForm::groups:
      return encode_groups(plain, base, group_classes_of(dtype), choice.operation);
  }
  expects(false, "a form of a delta");
  return {};
}

}  // namespace wfs
