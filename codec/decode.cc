#include "codec/decode.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <optional>

#include "base/wire.h"
#include "codec/delta.h"
#include "codec/planes.h"
#include "codec/rans_decode.h"
#include "codec/split.h"
#include "codec/zstd.h"

namespace wfs {
namespace {

constexpr std::size_t offset_numbers = 128;  // that share an offset of their exponents
constexpr std::size_t group_period_max = 1024;

struct Scratch {
  Buffer planes = Buffer(block_size_max);
  Buffer classes = Buffer(block_size_max);
  Buffer offsets = Buffer(block_size_max / offset_numbers);
  PlaneTable plane_table;
  ClassTables class_tables;
};

Scratch& scratch() {
  thread_local Scratch scratch;
  return scratch;
}

static_assert(front_step == rans_group * sizeof(std::uint64_t));

// How many of `count` numbers to decode for the first `wanted` bytes: all, or whole groups.
std::size_t front_of(std::size_t count, std::size_t width, std::size_t wanted) {
  const std::size_t groups = (wanted + width * rans_group - 1) / (width * rans_group);
  return std::min(count, groups * rans_group);
}

// Repeats `pattern` to the end. Requires: it is not empty and not longer.
void repeat(Bytes pattern, MutableBytes to) {
  std::memcpy(to.data(), pattern.data(), pattern.size());
  // Doubles what is there until all is.
  for (std::size_t done = pattern.size(); done < to.size();) {
    const std::size_t more = std::min(done, to.size() - done);
    std::memcpy(to.data() + done, to.data(), more);
    done += more;
  }
}

void decode_raw(Bytes payload, MutableBytes plain) {
  if (payload.size() != plain.size()) fail(Errc::corrupt, "a raw block of another length");
  if (!plain.empty()) std::memcpy(plain.data(), payload.data(), plain.size());
}

void decode_fill(Bytes pattern, MutableBytes plain) {
  const std::size_t size = pattern.size();
  if ((size != 1 && size != 2 && size != 4 && size != 8) || size > plain.size()) {
    fail(Errc::corrupt, "a fill block with a wrong pattern");
  }
  repeat(pattern, plain);
}

// A planes payload taken apart. Planes that are not range coded are decoded.
struct Planes {
  std::size_t width = 0;
  Rotation rotation = Rotation::none;
  std::size_t count = 0;  // of numbers
  std::array<const std::byte*, planes_width_max> starts{};
  std::array<std::optional<Frequencies>, planes_width_max> tables;  // of those range coded
  std::size_t last_coded = planes_width_max;  // the highest plane that is range coded

  MutableBytes scratch_of(std::size_t k) const {
    return MutableBytes(scratch().planes).subspan(k * count, count);
  }
};

void take_plane(Planes& planes, std::size_t k, PlaneForm form, Bytes stored) {
  const MutableBytes to = planes.scratch_of(k);
  planes.starts[k] = to.data();
  switch (form) {
    case PlaneForm::raw:
      if (stored.size() != planes.count) fail(Errc::corrupt, "a raw plane of another length");
      planes.starts[k] = stored.data();
      return;
    case PlaneForm::fill:
      if (stored.size() != 1) fail(Errc::corrupt, "a fill plane of more than a byte");
      std::fill(to.begin(), to.end(), stored[0]);
      return;
    case PlaneForm::zstd:
      return zstd_decompress(stored, to);
    case PlaneForm::rans:
      Cursor cursor(stored);
      planes.tables[k] = take_table(cursor, planes_table_bits);
      if (!cursor.at_end()) fail(Errc::corrupt, "a plane with bytes behind its table");
      planes.last_coded = k;
      return;
  }
  fail(Errc::corrupt, "a plane of an unknown form");
}

Planes take_planes(Cursor& cursor, std::size_t plain_size) {
  Planes planes;
  const auto head = cursor.number<std::uint8_t>();
  if ((head & planes_rotated) != 0) planes.rotation = Rotation::upper_half;
  planes.width = head & ~planes_rotated & 0xff;
  if (!std::has_single_bit(planes.width) || planes.width > planes_width_max ||
      (planes.width == 1 && planes.rotation != Rotation::none)) {
    fail(Errc::corrupt, "planes of an unknown width");
  }
  planes.count = plain_size / planes.width;
  if (planes.count == 0) fail(Errc::corrupt, "planes of a block without a whole number");

  struct Entry {
    PlaneForm form;
    std::uint32_t length;
  };
  std::array<Entry, planes_width_max> entries{};
  for (std::size_t k = 0; k < planes.width; ++k) {
    entries[k].form = static_cast<PlaneForm>(cursor.number<std::uint8_t>());
    entries[k].length = cursor.number<std::uint32_t>();
  }
  for (std::size_t k = 0; k < planes.width; ++k) {
    take_plane(planes, k, entries[k].form, cursor.take(entries[k].length));
  }
  return planes;
}

// Decodes the range-coded planes; the last of them only as far as `front` numbers need it. Gives
// whether the numbers are merged already.
bool decode_coded_planes(Planes& planes, RansStream& stream, std::size_t front,
                         MutableBytes numbers) {
  PlaneTable& table = scratch().plane_table;
  const std::size_t highest = planes.width - 1;
  const bool merges = planes.tables[highest].has_value() && (highest == 1 || highest == 3);
  for (std::size_t k = 0; k <= planes.last_coded; ++k) {
    if (!planes.tables[k]) continue;
    fill_decode_table(*planes.tables[k], plain_meanings, table);
    if (merges && k == highest) {
      decode_highest_plane(stream, table, {planes.starts.data(), highest}, planes.rotation,
                           numbers);
    } else {
      const std::size_t length = k == planes.last_coded ? front : planes.count;
      decode_plane(stream, table, planes.scratch_of(k).first(length));
    }
  }
  if (front == planes.count) stream.expect_end();
  return merges;
}

void decode_planes(Bytes payload, MutableBytes plain, std::size_t wanted) {
  Cursor cursor(payload);
  Planes planes = take_planes(cursor, plain.size());
  std::optional<RansStream> stream;
  if (planes.last_coded < planes_width_max) stream.emplace(cursor);
  const std::size_t numbers = planes.count * planes.width;
  const Bytes rest = cursor.take(plain.size() - numbers);
  if (!cursor.at_end()) fail(Errc::corrupt, "planes with bytes left over");

  const std::size_t front = front_of(planes.count, planes.width, wanted);
  const MutableBytes to = plain.first(front * planes.width);
  const bool is_merged = stream && decode_coded_planes(planes, *stream, front, to);
  if (!is_merged) merge_planes({planes.starts.data(), planes.width}, planes.rotation, to);
  if (!rest.empty()) std::memcpy(plain.data() + numbers, rest.data(), rest.size());
}

// What the tokens of a width stand for; those of bytes are differences.
const Meanings& meanings_of(std::size_t width) {
  static const auto all = [] {
    std::array<Meanings, 2> meanings{};
    for (const unsigned each : {2U, 4U}) {
      for (unsigned symbol = 0; symbol < token_count(each); ++symbol) {
        meanings[each / 4][symbol] = static_cast<std::uint16_t>(token_meaning(symbol, each));
      }
    }
    return meanings;
  }();
  return width == 1 ? plain_meanings : all[width / 4];
}

// The tables of the classes that `present` names, of tokens of a width; nothing for the others.
void take_class_tables(Cursor& cursor, unsigned present, std::size_t width) {
  const unsigned symbols_end = token_count(static_cast<unsigned>(width));
  for (std::size_t j = 0; j < delta_classes; ++j) {
    const auto table = std::span(scratch().class_tables)
                           .subspan(j * delta_table_size, delta_table_size + decode_table_padding);
    if ((present >> j & 1) == 0) {
      std::fill(table.begin(), table.end(), 0U);
      continue;
    }
    const Frequencies frequencies = take_table(cursor, delta_table_bits);
    if (greatest_symbol(frequencies) >= symbols_end) fail(Errc::corrupt, "a token too great");
    fill_decode_table(frequencies, meanings_of(width), table);
  }
}

void decode_offsets(RansStream& stream, const Frequencies& frequencies, MutableBytes offsets) {
  static constexpr std::array<std::byte, block_size_max / offset_numbers> first_class{};
  std::array<std::uint32_t, delta_table_size + decode_table_padding> table;
  fill_decode_table(frequencies, plain_meanings, table);
  decode_classes(stream, table, Bytes(first_class).first(offsets.size()), offsets);
}

// Bytes as tokens have no bits behind them: the token is the difference.
void decode_byte_tokens(RansStream& stream, unsigned shift, Bytes offsets, Bytes base,
                        MutableBytes plain) {
  const MutableBytes classes = MutableBytes(scratch().classes).first(plain.size());
  for (std::size_t from = 0; from < plain.size(); from += offset_numbers) {
    const std::size_t to = std::min(from + offset_numbers, plain.size());
    const auto offset = static_cast<std::uint8_t>(offsets[from / offset_numbers]);
    for (std::size_t i = from; i < to; ++i) {
      const auto magnitude = static_cast<std::uint8_t>(base.data()[i] & std::byte{0x7f});
      const auto exponent = static_cast<std::uint8_t>(magnitude >> shift);
      const auto above = static_cast<std::uint8_t>(std::max(exponent, offset) - offset);
      classes.data()[i] = static_cast<std::byte>(std::min(above, std::uint8_t{7}));
    }
  }
  decode_classes(stream, scratch().class_tables, classes, plain);
  add(plain, base, 1, plain);
}

void decode_delta_tokens(Cursor& cursor, Bytes base, MutableBytes plain, std::size_t wanted) {
  const std::size_t width = cursor.number<std::uint8_t>();
  const unsigned shift = cursor.number<std::uint8_t>();
  if ((width != 1 && width != 2 && width != 4) || shift >= 8 * width) {
    fail(Errc::corrupt, "tokens of an unknown width");
  }
  const std::size_t count = plain.size() / width;
  if (count == 0) fail(Errc::corrupt, "tokens of a block without a whole number");
  const unsigned present = cursor.number<std::uint8_t>();
  const Frequencies offset_table = take_table(cursor, delta_table_bits);
  take_class_tables(cursor, present, width);
  RansStream stream(cursor);
  const Bytes rest = cursor.take(plain.size() - count * width);
  if (!cursor.at_end()) fail(Errc::corrupt, "tokens with bytes left over");

  const MutableBytes offsets =
      MutableBytes(scratch().offsets).first((count + offset_numbers - 1) / offset_numbers);
  decode_offsets(stream, offset_table, offsets);
  const std::size_t front = front_of(count, width, wanted);
  const MutableBytes to = plain.first(front * width);
  if (width == 1) {
    decode_byte_tokens(stream, shift, offsets, base.first(to.size()), to);
  } else {
    decode_tokens(stream, scratch().class_tables, {static_cast<unsigned>(width), shift}, offsets,
                  base.first(to.size()), to);
  }
  if (front == count) stream.expect_end();
  if (!rest.empty()) std::memcpy(plain.data() + count * width, rest.data(), rest.size());
}

void decode_delta_planes(Cursor& cursor, Bytes base, MutableBytes plain, std::size_t wanted) {
  const std::size_t width = cursor.number<std::uint8_t>();
  if (!std::has_single_bit(width) || width > planes_width_max) {
    fail(Errc::corrupt, "a delta of an unknown width");
  }
  decode_planes(cursor.take(cursor.left()), plain, wanted);
  // Whole numbers, or all that is there.
  const std::size_t front = std::min(plain.size(), (wanted + width - 1) / width * width);
  add(plain.first(front), base.first(front), static_cast<unsigned>(width), plain.first(front));
}

void decode_delta_groups(Cursor& cursor, Bytes base, MutableBytes plain, std::size_t wanted) {
  const auto operation = static_cast<GroupOperation>(cursor.number<std::uint8_t>());
  if (operation != GroupOperation::difference && operation != GroupOperation::exclusive_or) {
    fail(Errc::corrupt, "groups of an unknown operation");
  }
  const std::size_t period = cursor.number<std::uint16_t>();
  if (period == 0 || period > group_period_max) fail(Errc::corrupt, "groups of a wrong period");
  const Bytes places = cursor.take(period);
  const unsigned present = cursor.number<std::uint8_t>();
  for (std::size_t i = 0; i < period; ++i) {
    const auto j = std::to_integer<unsigned>(places[i]);
    const bool occurs = i < plain.size();  // a short block may end within its first period
    if (j >= delta_classes || (occurs && (present >> j & 1) == 0)) {
      fail(Errc::corrupt, "groups with a class without a table");
    }
  }
  take_class_tables(cursor, present, 1);
  RansStream stream(cursor);
  if (!cursor.at_end()) fail(Errc::corrupt, "groups with bytes left over");

  const MutableBytes to = plain.first(front_of(plain.size(), 1, wanted));
  const MutableBytes classes = MutableBytes(scratch().classes).first(to.size());
  repeat(places.first(std::min(places.size(), classes.size())), classes);
  decode_classes(stream, scratch().class_tables, classes, to);
  if (to.size() == plain.size()) stream.expect_end();
  combine(to, base.first(to.size()), operation, to);
}

void decode_delta(Bytes payload, Bytes base, MutableBytes plain, std::size_t wanted) {
  if (base.size() != plain.size()) fail(Errc::corrupt, "a delta against a base of another length");
  Cursor cursor(payload);
  switch (static_cast<DeltaForm>(cursor.number<std::uint8_t>())) {
    case DeltaForm::tokens:
      return decode_delta_tokens(cursor, base, plain, wanted);
    case DeltaForm::planes:
      return decode_delta_planes(cursor, base, plain, wanted);
    case DeltaForm::groups:
      return decode_delta_groups(cursor, base, plain, wanted);
  }
  fail(Errc::corrupt, "a delta of an unknown form");
}

}  // namespace

void decode(Encoding encoding, Bytes payload, Bytes base, MutableBytes plain) {
  decode_front(encoding, payload, base, plain, plain.size());
}

void decode_front(Encoding encoding, Bytes payload, Bytes base, MutableBytes plain,
                  std::size_t wanted) {
  expects(plain.size() <= block_size_max, "a block is at most a block long");
  expects(wanted <= plain.size(), "no more is wanted than there is");
  switch (encoding) {
    case Encoding::raw:
      return decode_raw(payload, plain);
    case Encoding::fill:
      return decode_fill(payload, plain);
    case Encoding::zstd:
      return zstd_decompress(payload, plain);
    case Encoding::planes:
      return decode_planes(payload, plain, wanted);
    case Encoding::delta:
      return decode_delta(payload, base, plain, wanted);
  }
  fail(Errc::corrupt, cat("encoding ", static_cast<unsigned>(encoding), " is not known"));
}

}  // namespace wfs
