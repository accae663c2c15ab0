#include "codec/rans_decode.h"

#include "codec/rans_work.h"
#include "hwy/cache_control.h"

// Compiles this file once more for each kind of vectors the architecture has.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "codec/rans_decode.cc"
#include "hwy/foreach_target.h"  // before highway.h
#include "hwy/highway.h"

#include "codec/rans_pairs.h"

HWY_BEFORE_NAMESPACE();
namespace wfs {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128

void decode_groups(RansStream& stream, RansWork& work) {
  for (; work.group < work.groups_end && stream.next <= stream.limit; ++work.group) {
    scalar::group(stream, work, rans_group);
  }
}

#else

HWY_INLINE Pair no_offset() { return {hn::Zero(tag), hn::Zero(tag)}; }

// The symbols as the upper bytes of halves.
HWY_INLINE Halves upper_bytes(Pair entries) {
  static_assert(entry_meaning_shift == 11);
  return hn::BitCast(
      halves_tag, hn::Or(hn::And(hn::ShiftRight<3>(entries.even), hn::Set(tag, 0xff00)),
                         hn::And(hn::ShiftLeft<13>(entries.odd), hn::Set(tag, 0xff000000))));
}

HWY_INLINE Halves load_bytes(const std::uint8_t* from) {
  return hn::PromoteTo(halves_tag, hn::LoadU(half_bytes_tag, from));
}
HWY_INLINE void store_symbols(Pair entries, std::uint8_t* to) {
  const Halves symbols = hn::ShiftRight<8>(upper_bytes(entries));
  hn::StoreU(hn::TruncateTo(half_bytes_tag, symbols), half_bytes_tag, to);
}

template <Rotation rotation>
HWY_INLINE Halves rotated_back(Halves halves) {
  if constexpr (rotation == Rotation::none) return halves;
  return hn::Or(hn::ShiftRight<1>(halves), hn::ShiftLeft<15>(halves));
}

// One group of numbers at a time: x holds the states, `next` the place in the words.
struct PlaneKernel {
  static HWY_INLINE void decode(const RansWork& work, std::size_t group, Pair (&x)[pairs],
                                const std::uint8_t*& next) {
    std::uint8_t* const to = work.to + group * rans_group;
    hwy::Prefetch(next + ahead);
#pragma GCC unroll 16
    for (std::size_t v = 0; v < pairs; ++v) {
      const Pair entries = symbols<planes_table_bits>(x[v], work.tables, no_offset(), next);
      store_symbols(entries, to + v * 2 * lanes);
    }
  }
};

struct ClassesKernel {
  static HWY_INLINE void decode(const RansWork& work, std::size_t group, Pair (&x)[pairs],
                                const std::uint8_t*& next) {
    const std::uint8_t* const classes = work.classes + group * rans_group;
    std::uint8_t* const to = work.to + group * rans_group;
    hwy::Prefetch(next + ahead);
#pragma GCC unroll 16
    for (std::size_t v = 0; v < pairs; ++v) {
      Pair table = parted(hn::BitCast(tag, load_bytes(classes + v * 2 * lanes)));
      table.even = hn::ShiftLeft<delta_table_bits>(table.even);
      table.odd = hn::ShiftLeft<delta_table_bits>(table.odd);
      const Pair entries = symbols<delta_table_bits>(x[v], work.tables, table, next);
      store_symbols(entries, to + v * 2 * lanes);
    }
  }
};

template <Rotation rotation>
struct Highest2Kernel {
  static HWY_INLINE void decode(const RansWork& work, std::size_t group, Pair (&x)[pairs],
                                const std::uint8_t*& next) {
    const std::uint8_t* const low = work.below[0] + group * rans_group;
    std::uint8_t* const to = work.to + group * rans_group * 2;
    hwy::Prefetch(low + ahead);
    hwy::Prefetch(next + ahead);
#pragma GCC unroll 16
    for (std::size_t v = 0; v < pairs; ++v) {
      const Pair entries = symbols<planes_table_bits>(x[v], work.tables, no_offset(), next);
      const Halves numbers = hn::Or(upper_bytes(entries), load_bytes(low + v * 2 * lanes));
      store_any(hn::BitCast(tag, rotated_back<rotation>(numbers)), to + v * 4 * lanes);
    }
  }
};

template <Rotation rotation>
struct Highest4Kernel {
  static HWY_INLINE void decode(const RansWork& work, std::size_t group, Pair (&x)[pairs],
                                const std::uint8_t*& next) {
    const std::size_t at = group * rans_group;
    for (const std::uint8_t* below : work.below) hwy::Prefetch(below + at + ahead);
    hwy::Prefetch(next + ahead);
#pragma GCC unroll 16
    for (std::size_t v = 0; v < pairs; ++v) {
      const Pair entries = symbols<planes_table_bits>(x[v], work.tables, no_offset(), next);
      const std::size_t place = at + v * 2 * lanes;
      const Halves upper = rotated_back<rotation>(
          hn::Or(upper_bytes(entries), load_bytes(work.below[2] + place)));
      const Halves lower = hn::Or(load_bytes(work.below[0] + place),
                                  hn::ShiftLeft<8>(load_bytes(work.below[1] + place)));
      const Pair low = parted(hn::BitCast(tag, lower));
      const Pair high = parted(hn::BitCast(tag, upper));
      store_row(in_row({hn::Or(low.even, hn::ShiftLeft<16>(high.even)),
                        hn::Or(low.odd, hn::ShiftLeft<16>(high.odd))}),
                work.to + place * 4);
    }
  }
};

// All bits but the sign.
template <class AnyTag>
constexpr hn::TFromD<AnyTag> magnitude_mask =
    static_cast<hn::TFromD<AnyTag>>(static_cast<hn::TFromD<AnyTag>>(~hn::TFromD<AnyTag>{0}) >> 1);

// Mirrors negative numbers, and back.
template <class AnyTag>
HWY_INLINE hn::Vec<AnyTag> mirrored(AnyTag numbers_tag, hn::Vec<AnyTag> numbers) {
  constexpr unsigned last = sizeof(hn::TFromD<AnyTag>) * 8 - 1;
  const hn::RebindToSigned<AnyTag> as_signed;
  const auto negative =
      hn::BitCast(numbers_tag, hn::ShiftRight<last>(hn::BitCast(as_signed, numbers)));
  return hn::Xor(numbers, hn::And(negative, hn::Set(numbers_tag, magnitude_mask<AnyTag>)));
}

// The numbers that differ from `old` by z.
template <class AnyTag>
HWY_INLINE hn::Vec<AnyTag> sums(AnyTag numbers_tag, hn::Vec<AnyTag> old, hn::Vec<AnyTag> z) {
  const auto sign = hn::Sub(hn::Zero(numbers_tag), hn::And(z, hn::Set(numbers_tag, 1)));
  const auto d = hn::Xor(hn::ShiftRight<1>(z), sign);
  return mirrored(numbers_tag, hn::Add(mirrored(numbers_tag, old), d));
}

// Where the tables of the classes begin: clamp(exponent - offset, 0, 7) of them before, where the
// exponent is what stands above `shift` bits.
HWY_INLINE Pair tables_of(Halves old, unsigned shift, Halves offset) {
  const Halves magnitude = hn::And(old, hn::Set(halves_tag, magnitude_mask<HalvesTag>));
#if HWY_TARGET == HWY_AVX3_DL
  const Halves exponent{
      _mm512_srlv_epi16(magnitude.raw, hn::Set(halves_tag, static_cast<std::uint16_t>(shift)).raw)};
#else
  const Halves exponent = hn::ShiftRightSame(magnitude, static_cast<int>(shift));
#endif
  const Halves classes =
      hn::Min(hn::SaturatedSub(exponent, offset), hn::Set(halves_tag, delta_classes - 1));
  return parted(hn::BitCast(tag, hn::ShiftLeft<delta_table_bits>(classes)));
}
HWY_INLINE Vector tables_of(Vector old, unsigned shift, hn::Vec<SignedTag> offset) {
  const Vector magnitude = hn::And(old, hn::Set(tag, magnitude_mask<Tag>));
  const auto exponent =
      hn::BitCast(signed_tag, hn::ShiftRightSame(magnitude, static_cast<int>(shift)));
  const auto last = hn::Set(signed_tag, delta_classes - 1);
  const auto classes = hn::Min(hn::Sub(hn::Max(exponent, offset), offset), last);
  return hn::ShiftLeft<delta_table_bits>(hn::BitCast(tag, classes));
}

// What stands between the phases of a group of tokens. Fields are taken from the entry where they
// are used: there are too few registers to keep them.
template <class Number>
struct Token {
  static constexpr unsigned length_mask = (1U << length_bits<Number>) - 1;
  static constexpr unsigned high_mask = (1U << (9 - length_bits<Number>)) - 1;
  Vector entries, low;

  // Of the bits that follow.
  HWY_INLINE Vector length() const {
    return hn::And(hn::ShiftRight<entry_meaning_shift>(entries), hn::Set(tag, length_mask));
  }
  HWY_INLINE void take_bits(Vector& x) {
    const Vector count = hn::And(hn::ShiftRight<entry_meaning_shift>(entries), hn::Set(tag, 15));
    low = hn::AndNot(hn::Shl(hn::Set(tag, ~0U), count), x);
    x = hn::Shr(x, count);
  }
  HWY_INLINE Vector difference() const {
    const Vector high = hn::And(
        hn::ShiftRight<entry_meaning_shift + length_bits<Number>>(entries), hn::Set(tag, high_mask));
    return hn::Or(hn::Shl(high, length()), low);
  }
};

template <class Number>
struct TokenPair {
  Token<Number> even, odd;

  HWY_INLINE void decode(Pair& x, const RansWork& work, Pair first, const std::uint8_t*& next) {
    const Pair entries = symbols<delta_table_bits>(x, work.tables, first, next);
    even.entries = entries.even;
    odd.entries = entries.odd;
  }
  HWY_INLINE void take_bits(Pair& x, const std::uint8_t*& next) {
    even.take_bits(x.even);
    odd.take_bits(x.odd);
    refill(x, next);
  }
  // Appends a word to those of more than 15 bits.
  HWY_INLINE void take_words(const std::uint8_t*& next) {
    static_assert(length_bits<Number> == 5 && entry_meaning_shift == 11);
    const Vector even_bit = hn::And(hn::ShiftRight<15>(even.entries), hn::Set(tag, 1));
    const Vector odd_bit = hn::And(hn::ShiftLeft<1>(odd.entries), hn::Set(tag, 0x10000));
    Pair words{even.low, odd.low};
    append_words(words, hn::Xor(hn::Or(even_bit, odd_bit), hn::Set(tag, 0x00010001)), next);
    even.low = words.even;
    odd.low = words.odd;
  }
};

struct Tokens2Kernel {
  static HWY_INLINE void decode(const RansWork& work, std::size_t group, Pair (&x)[pairs],
                                const std::uint8_t*& next) {
    const std::uint8_t* const base = work.base + group * rans_group * 2;
    std::uint8_t* const to = work.to + group * rans_group * 2;
    hwy::Prefetch(base + ahead);
    hwy::Prefetch(base + ahead + 64);
    hwy::Prefetch(next + ahead);
    const Halves offset = hn::Set(halves_tag, work.offsets[group / 2]);
    TokenPair<std::uint16_t> tokens[pairs];
#pragma GCC unroll 16
    for (std::size_t v = 0; v < pairs; ++v) {
      const Halves old = hn::BitCast(halves_tag, load_any(base + v * 4 * lanes));
      tokens[v].decode(x[v], work, tables_of(old, work.shift, offset), next);
    }
#pragma GCC unroll 16
    for (std::size_t v = 0; v < pairs; ++v) {
      tokens[v].take_bits(x[v], next);
      const Vector z = joined({tokens[v].even.difference(), tokens[v].odd.difference()});
      const Halves old = hn::BitCast(halves_tag, load_any(base + v * 4 * lanes));
      const Halves numbers = sums(halves_tag, old, hn::BitCast(halves_tag, z));
      store_any(hn::BitCast(tag, numbers), to + v * 4 * lanes);
    }
  }
};

struct Tokens4Kernel {
  static HWY_INLINE void decode(const RansWork& work, std::size_t group, Pair (&x)[pairs],
                                const std::uint8_t*& next) {
    const std::uint8_t* const base = work.base + group * rans_group * 4;
    std::uint8_t* const to = work.to + group * rans_group * 4;
    for (std::size_t line = 0; line < 4; ++line) hwy::Prefetch(base + ahead + 64 * line);
    hwy::Prefetch(next + ahead);
    hwy::Prefetch(next + ahead + 64);
    const auto offset = hn::Set(signed_tag, work.offsets[group / 2]);
    TokenPair<std::uint32_t> tokens[pairs];
#pragma GCC unroll 16
    for (std::size_t v = 0; v < pairs; ++v) {
      const Pair old = paired(load_row(base + v * 8 * lanes));
      const Pair first{tables_of(old.even, work.shift, offset),
                       tables_of(old.odd, work.shift, offset)};
      tokens[v].decode(x[v], work, first, next);
    }
#pragma GCC unroll 16
    for (std::size_t v = 0; v < pairs; ++v) tokens[v].take_bits(x[v], next);
#pragma GCC unroll 16
    for (std::size_t v = 0; v < pairs; ++v) {
      tokens[v].take_words(next);
      const Row z = in_row({tokens[v].even.difference(), tokens[v].odd.difference()});
      const Row old = load_row(base + v * 8 * lanes);
      store_row({sums(tag, old.first, z.first), sums(tag, old.second, z.second)},
                to + v * 8 * lanes);
    }
  }
};

// Runs the groups while there are words; the states and the place in the words stay in registers.
template <class Kernel>
void run(RansStream& stream, RansWork& work) {
  const RansWork fixed = work;
  auto* const states = reinterpret_cast<std::uint8_t*>(stream.states.data());
  Pair x[pairs];
#pragma GCC unroll 16
  for (std::size_t v = 0; v < pairs; ++v) x[v] = paired(load_row(states + v * 8 * lanes));
  const std::uint8_t* next = stream.next;
  const std::uint8_t* const limit = stream.limit;
  std::size_t group = fixed.group;
  for (; group < fixed.groups_end && next <= limit; ++group) {
    Kernel::decode(fixed, group, x, next);
  }
#pragma GCC unroll 16
  for (std::size_t v = 0; v < pairs; ++v) store_row(in_row(x[v]), states + v * 8 * lanes);
  stream.next = next;
  work.group = group;
}

void decode_groups(RansStream& stream, RansWork& work) {
  const bool rotates = work.rotation == Rotation::upper_half;
  switch (work.kind) {
    case RansKind::plane:
      return run<PlaneKernel>(stream, work);
    case RansKind::highest2:
      return rotates ? run<Highest2Kernel<Rotation::upper_half>>(stream, work)
                     : run<Highest2Kernel<Rotation::none>>(stream, work);
    case RansKind::highest4:
      return rotates ? run<Highest4Kernel<Rotation::upper_half>>(stream, work)
                     : run<Highest4Kernel<Rotation::none>>(stream, work);
    case RansKind::classes:
      return run<ClassesKernel>(stream, work);
    case RansKind::tokens2:
      return run<Tokens2Kernel>(stream, work);
    case RansKind::tokens4:
      return run<Tokens4Kernel>(stream, work);
  }
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace wfs
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace wfs {
namespace {

HWY_EXPORT(decode_groups);

const std::uint8_t* numbers_of(Bytes bytes) {
  return reinterpret_cast<const std::uint8_t*>(bytes.data());
}
std::uint8_t* numbers_of(MutableBytes bytes) {
  return reinterpret_cast<std::uint8_t*>(bytes.data());
}

// Decodes `count` numbers: whole groups by vectors, the rest one by one.
void decode_work(RansStream& stream, RansWork& work, std::size_t count) {
  work.groups_end = count / rans_group;
  while (work.group < work.groups_end) {
    if (stream.next > stream.limit) stream.enter_tail();
    HWY_DYNAMIC_DISPATCH(decode_groups)(stream, work);
  }
  if (count % rans_group == 0) return;
  if (stream.next > stream.limit) stream.enter_tail();
  scalar::group(stream, work, count % rans_group);
}

}  // namespace

RansStream::RansStream(Cursor& from) {
  const std::uint64_t words = from.number<std::uint32_t>();
  for (std::uint32_t& state : states) {
    state = from.number<std::uint32_t>();
    if (state < rans_low || state >> 31 != 0) fail(Errc::corrupt, "a stream with a wrong state");
  }
  const Bytes bytes = from.take(2 * words);
  next = numbers_of(bytes);
  end = next + bytes.size();
  limit = end;
  if (bytes.size() >= rans_slack) {
    limit = end - rans_slack;
  } else {
    enter_tail();
  }
}

void RansStream::enter_tail() {
  if (in_tail_ || next > end) fail(Errc::corrupt, "a stream that uses more words than it has");
  const auto left = static_cast<std::size_t>(end - next);
  tail_.fill(0);
  if (left != 0) std::memcpy(tail_.data(), next, left);
  next = tail_.data();
  end = limit = next + left;
  in_tail_ = true;
}

void RansStream::expect_end() const {
  const auto is_low = [](std::uint32_t state) { return state == rans_low; };
  if (next != end || !std::all_of(states.begin(), states.end(), is_low)) {
    fail(Errc::corrupt, "a stream that does not end as it should");
  }
}

unsigned token_meaning(unsigned symbol, unsigned width) noexcept {
  const unsigned kept = 8 / width;
  const unsigned length = std::max(symbol >> kept, 1U) - 1;
  const unsigned field = width == 2 ? length_bits<std::uint16_t> : length_bits<std::uint32_t>;
  return (symbol - (length << kept)) << field | length;
}

void decode_plane(RansStream& stream, const PlaneTable& table, MutableBytes bytes) {
  RansWork work;
  work.kind = RansKind::plane;
  work.tables = table.data();
  work.to = numbers_of(bytes);
  decode_work(stream, work, bytes.size());
}

void decode_highest_plane(RansStream& stream, const PlaneTable& table,
                          std::span<const std::byte* const> below, Rotation rotation,
                          MutableBytes numbers) {
  expects(below.size() == 1 || below.size() == 3, "numbers of two or four bytes");
  RansWork work;
  work.kind = below.size() == 1 ? RansKind::highest2 : RansKind::highest4;
  work.tables = table.data();
  for (std::size_t k = 0; k < below.size(); ++k) {
    work.below[k] = reinterpret_cast<const std::uint8_t*>(below[k]);
  }
  work.rotation = rotation;
  work.to = numbers_of(numbers);
  decode_work(stream, work, numbers.size() / (below.size() + 1));
}

void decode_classes(RansStream& stream, std::span<const std::uint32_t> tables, Bytes classes,
                    MutableBytes bytes) {
  RansWork work;
  work.kind = RansKind::classes;
  work.tables = tables.data();
  work.classes = numbers_of(classes);
  work.to = numbers_of(bytes);
  decode_work(stream, work, bytes.size());
}

void decode_tokens(RansStream& stream, const ClassTables& tables, TokenShape shape, Bytes offsets,
                   Bytes base, MutableBytes numbers) {
  expects(shape.width == 2 || shape.width == 4, "numbers of two or four bytes");
  RansWork work;
  work.kind = shape.width == 2 ? RansKind::tokens2 : RansKind::tokens4;
  work.tables = tables.data();
  work.offsets = numbers_of(offsets);
  work.shift = shape.shift;
  work.base = numbers_of(base);
  work.to = numbers_of(numbers);
  decode_work(stream, work, numbers.size() / shape.width);
}

}  // namespace wfs
#endif
