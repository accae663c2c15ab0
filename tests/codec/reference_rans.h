// The range-coded payloads as docs/FORMAT.md says them, encoded and decoded one number at a time:
// the oracle of both halves of the codec. Slow and simple on purpose; shares with the codec only the
// stored form of a table. For tests only.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <numeric>
#include <optional>
#include <span>
#include <vector>

#include "base/wire.h"
#include "codec/encoding.h"
#include "codec/rans_table.h"

namespace wfs::reference {

// A symbol by a table without any: the codec's decoder gives any bytes then, as it need not look.
class AbsentSymbol : public Error {
 public:
  AbsentSymbol() : Error(Errc::corrupt, "a symbol of a table that is absent") {}
};

// A table of the symbols' counts, each at least one slot. Requires: some count.
inline Frequencies normalised(const std::array<std::uint32_t, 256>& counts, unsigned bits) {
  const std::uint64_t total = std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
  Frequencies table{};
  int left = 1 << bits;
  for (std::size_t s = 0; s < 256; ++s) {
    if (counts[s] == 0) continue;
    const auto share = (static_cast<std::uint64_t>(counts[s]) << bits) / total;
    table[s] = static_cast<std::uint16_t>(std::max<std::uint64_t>(1, share));
    left -= table[s];
  }
  while (left != 0) {
    auto& greatest = *std::max_element(table.begin(), table.end());
    const int change = left > 0 ? left : -std::min(-left, std::max(1, greatest / 2));
    greatest = static_cast<std::uint16_t>(greatest + change);
    left -= change;
  }
  return table;
}

struct Table {
  unsigned bits = 0;
  Frequencies frequencies{};

  std::uint32_t start(unsigned symbol) const {
    return std::accumulate(frequencies.begin(), frequencies.begin() + symbol, 0U);
  }
};

// Takes down what the decoder will do, and makes the stream from it last step first.
class StreamWriter {
 public:
  void symbol(std::size_t at, const Table& table, unsigned symbol) {
    const std::uint32_t frequency = table.frequencies[symbol];
    expects(frequency != 0, "a symbol of the table");
    steps_.push_back({Kind::symbol, static_cast<unsigned>(at % 64), table.bits, frequency,
                      table.start(symbol)});
  }
  void bits(std::size_t at, unsigned count, std::uint32_t value) {
    steps_.push_back({Kind::bits, static_cast<unsigned>(at % 64), count, 0, value});
  }
  void word(std::uint32_t value) { steps_.push_back({Kind::word, 0, 0, 0, value}); }

  void append_to(Buffer& payload) const {
    std::array<std::uint32_t, 64> states;
    states.fill(rans_low);
    std::vector<std::uint16_t> words;  // the last first
    for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) {
      std::uint32_t& x = states[step->state];
      const auto shrink_from = [&](std::uint64_t end) {
        if (x < end) return;
        words.push_back(static_cast<std::uint16_t>(x));
        x >>= 16;
      };
      if (step->kind == Kind::symbol) {
        shrink_from(std::uint64_t{step->frequency} << (31 - step->bits));
        x = (x / step->frequency << step->bits) + x % step->frequency + step->value;
      } else if (step->kind == Kind::bits) {
        shrink_from(std::uint64_t{1} << (31 - step->bits));
        x = x << step->bits | step->value;
      } else {
        words.push_back(static_cast<std::uint16_t>(step->value));
      }
    }
    append_le(payload, static_cast<std::uint32_t>(words.size()));
    for (const std::uint32_t state : states) append_le(payload, state);
    std::for_each(words.rbegin(), words.rend(), [&](auto word) { append_le(payload, word); });
  }

 private:
  enum class Kind { symbol, bits, word };
  struct Step {
    Kind kind;
    unsigned state;
    unsigned bits;
    std::uint32_t frequency;
    std::uint32_t value;  // start of the symbol, bits or word
  };
  std::vector<Step> steps_;
};

class StreamReader {
 public:
  explicit StreamReader(Cursor& cursor) : words_(Bytes{}) {
    const std::uint64_t count = cursor.number<std::uint32_t>();
    for (std::uint32_t& state : states_) {
      state = cursor.number<std::uint32_t>();
      if (state < rans_low || state >> 31 != 0) fail(Errc::corrupt, "a state out of range");
    }
    words_ = Cursor(cursor.take(2 * count));
  }

  unsigned symbol(std::size_t at, const Table& table) {
    std::uint32_t& x = states_[at % 64];
    const std::uint32_t slot = x & ((1U << table.bits) - 1);
    unsigned symbol = 0;
    std::uint32_t start = 0;
    while (symbol < 255 && slot - start >= table.frequencies[symbol]) {
      start += table.frequencies[symbol++];
    }
    if (table.frequencies[symbol] == 0) throw AbsentSymbol();
    x = table.frequencies[symbol] * (x >> table.bits) + slot - start;
    grow(x);
    return symbol;
  }
  std::uint32_t bits(std::size_t at, unsigned count) {
    std::uint32_t& x = states_[at % 64];
    const std::uint32_t value = x & ((1U << count) - 1);
    x >>= count;
    grow(x);
    return value;
  }
  std::uint32_t word() { return words_.number<std::uint16_t>(); }

  void finish() const {
    const bool low = std::all_of(states_.begin(), states_.end(),
                                 [](std::uint32_t state) { return state == rans_low; });
    if (!low || !words_.at_end()) fail(Errc::corrupt, "a stream that does not end");
  }

 private:
  void grow(std::uint32_t& x) {
    if (x < rans_low) x = x << 16 | word();
  }

  std::array<std::uint32_t, 64> states_{};
  Cursor words_;
};

// Numbers of up to 8 bytes.
inline std::uint64_t number_at(Bytes bytes, unsigned width, std::size_t i) {
  std::uint64_t number = 0;
  std::memcpy(&number, bytes.data() + i * width, width);
  return number;
}
inline void put_number(MutableBytes bytes, unsigned width, std::size_t i, std::uint64_t number) {
  std::memcpy(bytes.data() + i * width, &number, width);
}
inline std::uint64_t mask_of(unsigned width) { return ~std::uint64_t{0} >> (64 - 8 * width); }

inline std::uint64_t rotated(std::uint64_t number, unsigned width) {
  const unsigned shift = 8 * width - 16;
  const auto upper = static_cast<std::uint16_t>(number >> shift);
  const std::uint64_t below = number & ((std::uint64_t{1} << shift) - 1);
  return std::uint64_t{std::rotl(upper, 1)} << shift | below;
}
inline std::uint64_t rotated_back(std::uint64_t number, unsigned width) {
  const unsigned shift = 8 * width - 16;
  const auto upper = static_cast<std::uint16_t>(number >> shift);
  const std::uint64_t below = number & ((std::uint64_t{1} << shift) - 1);
  return std::uint64_t{std::rotr(upper, 1)} << shift | below;
}

inline std::uint64_t ordered(std::uint64_t number, unsigned width) {
  const bool negative = (number >> (8 * width - 1) & 1) != 0;
  return negative ? number ^ (mask_of(width) >> 1) : number;
}
inline std::uint64_t difference(std::uint64_t number, std::uint64_t base, unsigned width) {
  const std::uint64_t d = (ordered(number, width) - ordered(base, width)) & mask_of(width);
  const bool negative = (d >> (8 * width - 1) & 1) != 0;
  return ((d << 1) ^ (negative ? mask_of(width) : 0)) & mask_of(width);
}
inline std::uint64_t sum(std::uint64_t z, std::uint64_t base, unsigned width) {
  const std::uint64_t d = (z >> 1) ^ (0 - (z & 1));
  return ordered((ordered(base, width) + d) & mask_of(width), width);
}

// ---- planes: form 0, 1 or 3 for each plane, lowest first

inline Buffer planes_payload(Bytes plain, unsigned width, bool rotates,
                             std::span<const unsigned> forms) {
  const std::size_t count = plain.size() / width;
  std::vector<Buffer> planes(width, Buffer(count));
  for (std::size_t i = 0; i < count; ++i) {
    std::uint64_t number = number_at(plain, width, i);
    if (rotates) number = rotated(number, width);
    for (unsigned k = 0; k < width; ++k) planes[k][i] = static_cast<std::byte>(number >> 8 * k);
  }
  Buffer head{static_cast<std::byte>(width | (rotates ? 0x80U : 0U))};
  Buffer stored;
  StreamWriter stream;
  bool streams = false;
  for (unsigned k = 0; k < width; ++k) {
    const std::size_t before = stored.size();
    if (forms[k] == 0) append_bytes(stored, planes[k]);
    if (forms[k] == 1) stored.push_back(planes[k][0]);
    if (forms[k] == 3) {
      std::array<std::uint32_t, 256> counts{};
      for (const std::byte byte : planes[k]) ++counts[std::to_integer<std::size_t>(byte)];
      const Table table{planes_table_bits, normalised(counts, planes_table_bits)};
      append_table(stored, table.frequencies, table.bits);
      for (std::size_t i = 0; i < count; ++i) {
        stream.symbol(i, table, std::to_integer<unsigned>(planes[k][i]));
      }
      streams = true;
    }
    append_le(head, static_cast<std::uint8_t>(forms[k]));
    append_le(head, static_cast<std::uint32_t>(stored.size() - before));
  }
  append_bytes(head, stored);
  if (streams) stream.append_to(head);
  append_bytes(head, plain.subspan(count * width));
  return head;
}

inline Buffer planes_plain(Bytes payload, std::size_t size) {
  Cursor cursor(payload);
  const unsigned head = cursor.number<std::uint8_t>();
  const unsigned width = head & 0x7f;
  if (!std::has_single_bit(width) || width > 8) fail(Errc::corrupt, "an unknown width");
  if (width == 1 && head != 1) fail(Errc::corrupt, "bytes have no upper half");
  const std::size_t count = size / width;
  if (count == 0) fail(Errc::corrupt, "no number");
  std::vector<std::pair<unsigned, std::uint32_t>> entries(width);
  for (auto& [form, length] : entries) {
    form = cursor.number<std::uint8_t>();
    length = cursor.number<std::uint32_t>();
  }
  std::vector<Buffer> planes(width, Buffer(count));
  std::vector<std::optional<Table>> tables(width);
  bool streams = false;
  for (unsigned k = 0; k < width; ++k) {
    const Bytes stored = cursor.take(entries[k].second);
    if (entries[k].first == 0) {
      if (stored.size() != count) fail(Errc::corrupt, "a raw plane of another length");
      planes[k].assign(stored.begin(), stored.end());
    } else if (entries[k].first == 1) {
      if (stored.size() != 1) fail(Errc::corrupt, "a fill of several bytes");
      planes[k].assign(count, stored[0]);
    } else {
      if (entries[k].first != 3) fail(Errc::corrupt, "a form the oracle does not know");
      Cursor at(stored);
      tables[k] = Table{planes_table_bits, take_table(at, planes_table_bits)};
      if (!at.at_end()) fail(Errc::corrupt, "bytes behind a table");
      streams = true;
    }
  }
  if (streams) {
    StreamReader stream(cursor);
    for (unsigned k = 0; k < width; ++k) {
      if (!tables[k]) continue;
      for (std::size_t i = 0; i < count; ++i) {
        planes[k][i] = static_cast<std::byte>(stream.symbol(i, *tables[k]));
      }
    }
    stream.finish();
  }
  Buffer plain(size);
  for (std::size_t i = 0; i < count; ++i) {
    std::uint64_t number = 0;
    for (unsigned k = 0; k < width; ++k) {
      number |= std::to_integer<std::uint64_t>(planes[k][i]) << 8 * k;
    }
    if ((head & 0x80) != 0) number = rotated_back(number, width);
    put_number(plain, width, i, number);
  }
  const Bytes rest = cursor.take(cursor.left());
  if (rest.size() != size - count * width) fail(Errc::corrupt, "a rest of another length");
  std::copy(rest.begin(), rest.end(), plain.end() - static_cast<std::ptrdiff_t>(rest.size()));
  return plain;
}

// ---- deltas

inline Buffer delta_planes_payload(Bytes plain, Bytes base, unsigned width,
                                   std::span<const unsigned> forms) {
  Buffer differences(plain.size());
  const std::size_t count = plain.size() / width;
  for (std::size_t i = 0; i < plain.size(); ++i) {
    put_number(differences, 1, i, difference(number_at(plain, 1, i), number_at(base, 1, i), 1));
  }
  for (std::size_t i = 0; i < count; ++i) {
    put_number(differences, width, i,
               difference(number_at(plain, width, i), number_at(base, width, i), width));
  }
  Buffer payload{std::byte{1}, static_cast<std::byte>(width)};
  append_bytes(payload, planes_payload(differences, width, false, forms));
  return payload;
}

enum class Offsets { constant, varying };

inline unsigned kept_bits(unsigned width) { return 8 / width; }  // K

// The tables of a delta: a mask of those that occur, and each of them.
class ClassTables {
 public:
  using Counts = std::array<std::array<std::uint32_t, 256>, 8>;

  explicit ClassTables(const Counts& counts) {
    for (unsigned j = 0; j < 8; ++j) {
      if (std::accumulate(counts[j].begin(), counts[j].end(), std::uint64_t{0}) == 0) continue;
      present_ |= 1U << j;
      tables_[j] = {delta_table_bits, normalised(counts[j], delta_table_bits)};
    }
  }
  ClassTables(Cursor& cursor, unsigned present) : present_(present) {
    for (unsigned j = 0; j < 8; ++j) {
      tables_[j].bits = delta_table_bits;
      if ((present >> j & 1) != 0) tables_[j].frequencies = take_table(cursor, delta_table_bits);
    }
  }
  unsigned present() const { return present_; }
  const Table& operator[](unsigned j) const { return tables_[j]; }
  void append_to(Buffer& payload) const {
    for (unsigned j = 0; j < 8; ++j) {
      if ((present_ >> j & 1) != 0) append_table(payload, tables_[j].frequencies, delta_table_bits);
    }
  }

 private:
  unsigned present_ = 0;
  std::array<Table, 8> tables_;
};

struct TokenShape {
  unsigned width;  // 1, 2 or 4
  unsigned shift;  // M

  unsigned exponent(std::uint64_t base) const {
    return static_cast<unsigned>((base & (mask_of(width) >> 1)) >> shift);
  }
  unsigned class_of(std::uint64_t base, unsigned offset) const {
    const auto e = static_cast<std::int64_t>(exponent(base)) - static_cast<std::int64_t>(offset);
    return static_cast<unsigned>(std::clamp<std::int64_t>(e, 0, 7));
  }
};

inline Buffer tokens_payload(Bytes plain, Bytes base, TokenShape shape, Offsets choice) {
  const unsigned width = shape.width;
  const unsigned k = kept_bits(width);
  const std::size_t count = plain.size() / width;
  struct Token {
    unsigned class_index, symbol, bits;
    std::uint32_t low;
  };
  std::vector<unsigned> offsets((count + 127) / 128);
  std::uint64_t exponents = 0;
  for (std::size_t i = 0; i < count; ++i) exponents += shape.exponent(number_at(base, width, i));
  const std::uint64_t mean = count == 0 ? 0 : exponents / count;
  for (std::size_t g = 0; g < offsets.size(); ++g) {
    const std::uint64_t wanted = choice == Offsets::constant ? mean - std::min<std::uint64_t>(mean, 4)
                                                             : (mean + 250 + g * 7 % 11) % 256;
    offsets[g] = static_cast<unsigned>(std::min<std::uint64_t>(wanted, 255));
  }
  std::vector<Token> tokens(count);
  ClassTables::Counts counts{};
  std::array<std::uint32_t, 256> offset_counts{};
  for (const unsigned offset : offsets) ++offset_counts[offset];
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t from = number_at(base, width, i);
    const std::uint64_t z = difference(number_at(plain, width, i), from, width);
    const auto log = static_cast<unsigned>(z == 0 ? 0 : std::bit_width(z) - 1);
    const unsigned nb = log > k ? log - k : 0;
    tokens[i] = {shape.class_of(from, offsets[i / 128]), (nb << k) + static_cast<unsigned>(z >> nb),
                 nb, static_cast<std::uint32_t>(z & ((std::uint64_t{1} << nb) - 1))};
    ++counts[tokens[i].class_index][tokens[i].symbol];
  }
  const ClassTables tables(counts);
  const Table offset_table{delta_table_bits, normalised(offset_counts, delta_table_bits)};

  StreamWriter stream;
  for (std::size_t g = 0; g < offsets.size(); ++g) stream.symbol(g, offset_table, offsets[g]);
  for (std::size_t from = 0; from < count; from += 64) {
    const std::size_t to = std::min(from + 64, count);
    for (std::size_t i = from; i < to; ++i) {
      stream.symbol(i, tables[tokens[i].class_index], tokens[i].symbol);
    }
    for (std::size_t i = from; i < to; ++i) {
      const bool has_word = tokens[i].bits >= 16;
      stream.bits(i, tokens[i].bits % 16, tokens[i].low >> (has_word ? 16 : 0));
    }
    for (std::size_t i = from; i < to; ++i) {
      if (tokens[i].bits >= 16) stream.word(tokens[i].low & 0xffff);
    }
  }
  Buffer payload{std::byte{0}, static_cast<std::byte>(width), static_cast<std::byte>(shape.shift),
                 static_cast<std::byte>(tables.present())};
  append_table(payload, offset_table.frequencies, delta_table_bits);
  tables.append_to(payload);
  stream.append_to(payload);
  append_bytes(payload, plain.subspan(count * width));
  return payload;
}

inline Buffer tokens_plain(Cursor cursor, Bytes base) {
  const unsigned width = cursor.number<std::uint8_t>();
  if (width != 1 && width != 2 && width != 4) fail(Errc::corrupt, "an unknown width");
  const TokenShape shape{width, cursor.number<std::uint8_t>()};
  if (shape.shift >= 8 * width) fail(Errc::corrupt, "no such shift");
  const std::size_t count = base.size() / width;
  if (count == 0) fail(Errc::corrupt, "no number");
  const unsigned present = cursor.number<std::uint8_t>();
  const Table offset_table{delta_table_bits, take_table(cursor, delta_table_bits)};
  const ClassTables tables(cursor, present);
  const unsigned k = kept_bits(width);
  for (unsigned j = 0; j < 8; ++j) {
    const unsigned symbols_end = width == 1 ? 256 : ((8 * width - k + 1) << k);
    if (greatest_symbol(tables[j].frequencies) >= symbols_end) fail(Errc::corrupt, "a long token");
  }
  StreamReader stream(cursor);
  std::vector<unsigned> offsets((count + 127) / 128);
  for (std::size_t g = 0; g < offsets.size(); ++g) offsets[g] = stream.symbol(g, offset_table);
  Buffer plain(base.size());
  std::array<std::uint32_t, 64> symbols{}, bits{}, low{};
  for (std::size_t from = 0; from < count; from += 64) {
    const std::size_t length = std::min<std::size_t>(64, count - from);
    for (std::size_t i = 0; i < length; ++i) {
      const std::uint64_t old = number_at(base, width, from + i);
      symbols[i] = stream.symbol(i, tables[shape.class_of(old, offsets[(from + i) / 128])]);
      bits[i] = std::max(symbols[i] >> k, 1U) - 1;
    }
    for (std::size_t i = 0; i < length; ++i) low[i] = stream.bits(i, bits[i] % 16);
    for (std::size_t i = 0; i < length; ++i) {
      if (bits[i] >= 16) low[i] = low[i] << 16 | stream.word();
    }
    for (std::size_t i = 0; i < length; ++i) {
      const std::uint64_t z = (symbols[i] - (bits[i] << k)) << bits[i] | low[i];
      put_number(plain, width, from + i, sum(z, number_at(base, width, from + i), width));
    }
  }
  stream.finish();
  const Bytes rest = cursor.take(cursor.left());
  if (rest.size() != base.size() - count * width) fail(Errc::corrupt, "a rest of another length");
  std::copy(rest.begin(), rest.end(), plain.end() - static_cast<std::ptrdiff_t>(rest.size()));
  return plain;
}

enum class Operation : std::uint8_t { difference = 0, exclusive_or = 1 };

// `classes` names the class, 0 to 7, of each byte of the period.
inline Buffer groups_payload(Bytes plain, Bytes base, Operation operation,
                             std::span<const std::uint8_t> classes) {
  ClassTables::Counts counts{};
  std::vector<unsigned> symbols(plain.size());
  for (std::size_t i = 0; i < plain.size(); ++i) {
    const auto x = std::to_integer<unsigned>(plain[i]);
    const auto from = std::to_integer<unsigned>(base[i]);
    symbols[i] = operation == Operation::difference ? (x - from) & 0xff : x ^ from;
    ++counts[classes[i % classes.size()]][symbols[i]];
  }
  const ClassTables tables(counts);
  StreamWriter stream;
  for (std::size_t i = 0; i < symbols.size(); ++i) {
    stream.symbol(i, tables[classes[i % classes.size()]], symbols[i]);
  }
  Buffer payload{std::byte{2}, static_cast<std::byte>(operation)};
  append_le(payload, static_cast<std::uint16_t>(classes.size()));
  for (const std::uint8_t j : classes) append_le(payload, j);
  append_le(payload, static_cast<std::uint8_t>(tables.present()));
  tables.append_to(payload);
  stream.append_to(payload);
  return payload;
}

inline Buffer groups_plain(Cursor cursor, Bytes base) {
  const unsigned operation = cursor.number<std::uint8_t>();
  const std::size_t period = cursor.number<std::uint16_t>();
  if (operation > 1 || period == 0 || period > 1024) fail(Errc::corrupt, "unknown groups");
  const Bytes classes = cursor.take(period);
  const unsigned present = cursor.number<std::uint8_t>();
  for (std::size_t i = 0; i < period; ++i) {
    const auto j = std::to_integer<unsigned>(classes[i]);
    if (j > 7 || (i < base.size() && (present >> j & 1) == 0)) {
      fail(Errc::corrupt, "a class without a table");
    }
  }
  const ClassTables tables(cursor, present);
  StreamReader stream(cursor);
  Buffer plain(base.size());
  for (std::size_t i = 0; i < base.size(); ++i) {
    const unsigned symbol =
        stream.symbol(i, tables[std::to_integer<unsigned>(classes[i % period])]);
    const auto from = std::to_integer<unsigned>(base[i]);
    plain[i] = static_cast<std::byte>(operation == 0 ? from + symbol : from ^ symbol);
  }
  stream.finish();
  if (!cursor.at_end()) fail(Errc::corrupt, "bytes left over");
  return plain;
}

// The bytes of a delta of any form. Requires: a base as long as the block.
inline Buffer delta_plain(Bytes payload, Bytes base) {
  Cursor cursor(payload);
  const unsigned form = cursor.number<std::uint8_t>();
  if (form == 0) return tokens_plain(cursor, base);
  if (form == 2) return groups_plain(cursor, base);
  if (form != 1) fail(Errc::corrupt, "an unknown form");
  const unsigned width = cursor.number<std::uint8_t>();
  if (!std::has_single_bit(width) || width > 8) fail(Errc::corrupt, "an unknown width");
  const Buffer differences = planes_plain(cursor.take(cursor.left()), base.size());
  Buffer plain(base.size());
  const std::size_t count = base.size() / width;
  for (std::size_t i = 0; i < base.size(); ++i) {
    put_number(plain, 1, i, sum(number_at(differences, 1, i), number_at(base, 1, i), 1));
  }
  for (std::size_t i = 0; i < count; ++i) {
    put_number(plain, width, i,
               sum(number_at(differences, width, i), number_at(base, width, i), width));
  }
  return plain;
}

inline Buffer plain_of(Encoding encoding, Bytes payload, Bytes base, std::size_t size) {
  return encoding == Encoding::planes ? planes_plain(payload, size) : delta_plain(payload, base);
}

}  // namespace wfs::reference
