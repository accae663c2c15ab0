#include "codec/rans_decode.h"

#include "codec/rans_work.h"
#include "hwy/cache_control.h"

// Compiles this file once more for each kind of vectors the architecture has.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "codec/rans_decode.cc"
#include "hwy/foreach_target.h"  // before highway.h
#include "hwy/highway.h"

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

namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::CappedTag<std::uint32_t, 16>;
using SignedTag = hn::RebindToSigned<Tag>;
using Vector = hn::Vec<Tag>;
using Lanes = hn::Mask<SignedTag>;

constexpr Tag tag;
constexpr SignedTag signed_tag;
constexpr std::size_t lanes = hn::MaxLanes(Tag());
constexpr std::size_t vectors = rans_group / lanes;
constexpr std::size_t ahead = 2048;  // bytes, of what is asked for early

// Vectors of bytes at any address, as elements of another type.
template <class AnyTag>
HWY_INLINE hn::Vec<AnyTag> load_any(AnyTag wanted, const std::uint8_t* from) {
  return hn::BitCast(wanted, hn::LoadU(hn::Repartition<std::uint8_t, AnyTag>(), from));
}
template <class AnyTag>
HWY_INLINE void store_any(AnyTag, hn::Vec<AnyTag> vector, std::uint8_t* to) {
  const hn::Repartition<std::uint8_t, AnyTag> bytes;
  hn::StoreU(hn::BitCast(bytes, vector), bytes, to);
}

HWY_INLINE Vector load_states(const RansStream& stream, std::size_t v) {
  return hn::Load(tag, stream.states.data() + v * lanes);
}

// x = x << 16 | next word, in these lanes. Signed comparisons serve: a state is below 2^31.
HWY_INLINE void append_words(Vector& x, Lanes which, const std::uint8_t*& next) {
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
  const std::uint32_t bits = which.raw;
  const hn::Rebind<std::uint16_t, Tag> words_tag;
  const Vector words = hn::PromoteTo(tag, load_any(words_tag, next));
  x.raw = _mm512_or_si512(_mm512_mask_slli_epi32(x.raw, which.raw, x.raw, 16),
                          _mm512_maskz_expand_epi32(which.raw, words.raw));
#elif HWY_TARGET == HWY_AVX2
  const auto bits = static_cast<std::uint32_t>(hn::detail::BitsFromMask(which));
  const hn::Rebind<std::uint16_t, Tag> words_tag;
  const hn::Rebind<std::uint8_t, Tag> places_tag;
  const Vector places = hn::PromoteTo(tag, hn::LoadU(places_tag, spread_of_8[bits].data()));
  const Vector words = hn::TableLookupLanes(hn::PromoteTo(tag, load_any(words_tag, next)),
                                            hn::IndicesFromVec(tag, places));
  x = hn::IfThenElse(hn::RebindMask(tag, which), hn::Or(hn::ShiftLeft<16>(x), words), x);
#else
  static_assert(lanes == 4);
  const auto bits = static_cast<std::uint32_t>(hn::detail::BitsFromMask(which));
  const hn::Repartition<std::uint8_t, Tag> bytes_tag;
  const auto words = hn::TableLookupBytesOr0(hn::LoadU(bytes_tag, next),
                                             hn::LoadU(bytes_tag, spread_of_4[bits].data()));
  const Vector longer = hn::Or(hn::ShiftLeft<16>(x), hn::BitCast(tag, words));
  x = hn::IfThenElse(hn::RebindMask(tag, which), longer, x);
#endif
  next += 2 * hwy::PopCount(bits);
}

HWY_INLINE void refill(Vector& x, const std::uint8_t*& next) {
  const auto low = hn::Set(signed_tag, static_cast<std::int32_t>(rans_low));
  append_words(x, hn::Lt(hn::BitCast(signed_tag, x), low), next);
}

template <unsigned bits>
HWY_INLINE Vector slots_of(Vector x) {
  return hn::And(x, hn::Set(tag, (1U << bits) - 1));
}

// Decodes one symbol a lane; gives the entries of the table, which hold it in their highest byte.
template <unsigned bits>
HWY_INLINE Vector symbols(Vector& x, const std::uint32_t* table, Vector places,
                          const std::uint8_t*& next) {
  const Vector entries = hn::GatherIndex(tag, table, hn::BitCast(signed_tag, places));
  const Vector field = hn::Set(tag, 0xfff);
  x = hn::Add(hn::Mul(hn::And(entries, field), hn::ShiftRight<bits>(x)),
              hn::And(hn::ShiftRight<12>(entries), field));
  refill(x, next);
  return entries;
}

// One group of numbers at a time: x holds the states, `next` the place in the words.
struct PlaneKernel {
  static HWY_INLINE void decode(const RansWork& work, std::size_t group, Vector (&x)[vectors],
                                const std::uint8_t*& next) {
    const hn::Rebind<std::uint8_t, Tag> bytes_tag;
    std::uint8_t* const to = work.to + group * rans_group;
#pragma GCC unroll 16
    for (std::size_t v = 0; v < vectors; ++v) {
      const Vector entries = symbols<planes_table_bits>(
          x[v], work.tables, slots_of<planes_table_bits>(x[v]), next);
      hn::StoreU(hn::TruncateTo(bytes_tag, hn::ShiftRight<24>(entries)), bytes_tag, to + v * lanes);
    }
  }
};

struct ClassesKernel {
  static HWY_INLINE void decode(const RansWork& work, std::size_t group, Vector (&x)[vectors],
                                const std::uint8_t*& next) {
    const hn::Rebind<std::uint8_t, Tag> bytes_tag;
    const std::uint8_t* const classes = work.classes + group * rans_group;
    std::uint8_t* const to = work.to + group * rans_group;
#pragma GCC unroll 16
    for (std::size_t v = 0; v < vectors; ++v) {
      const Vector table = hn::PromoteTo(tag, hn::LoadU(bytes_tag, classes + v * lanes));
      const Vector places = hn::Or(slots_of<delta_table_bits>(x[v]),
                                   hn::ShiftLeft<delta_table_bits>(table));
      const Vector entries = symbols<delta_table_bits>(x[v], work.tables, places, next);
      hn::StoreU(hn::TruncateTo(bytes_tag, hn::ShiftRight<24>(entries)), bytes_tag, to + v * lanes);
    }
  }
};

template <Rotation rotation>
struct Highest2Kernel {
  static HWY_INLINE void decode(const RansWork& work, std::size_t group, Vector (&x)[vectors],
                                const std::uint8_t*& next) {
    const hn::Rebind<std::uint8_t, Tag> bytes_tag;
    const hn::Rebind<std::uint16_t, Tag> numbers_tag;
    const std::uint8_t* const low = work.below[0] + group * rans_group;
    std::uint8_t* const to = work.to + group * rans_group * 2;
    hwy::Prefetch(low + ahead);
    hwy::Prefetch(next + ahead);
#pragma GCC unroll 16
    for (std::size_t v = 0; v < vectors; ++v) {
      const Vector entries = symbols<planes_table_bits>(
          x[v], work.tables, slots_of<planes_table_bits>(x[v]), next);
      Vector n = hn::Or(hn::And(hn::ShiftRight<16>(entries), hn::Set(tag, 0xff00)),
                        hn::PromoteTo(tag, hn::LoadU(bytes_tag, low + v * lanes)));
      if (rotation == Rotation::upper_half) n = hn::Or(hn::ShiftRight<1>(n), hn::ShiftLeft<15>(n));
      store_any(numbers_tag, hn::TruncateTo(numbers_tag, n), to + v * lanes * 2);
    }
  }
};

template <Rotation rotation>
struct Highest4Kernel {
  static HWY_INLINE void decode(const RansWork& work, std::size_t group, Vector (&x)[vectors],
                                const std::uint8_t*& next) {
    const hn::Rebind<std::uint8_t, Tag> bytes_tag;
    const std::size_t at = group * rans_group;
    std::uint8_t* const to = work.to + at * 4;
    for (const std::uint8_t* below : work.below) hwy::Prefetch(below + at + ahead);
    hwy::Prefetch(next + ahead);
    const auto plane = [&](std::size_t k, std::size_t v) HWY_ATTR {
      return hn::PromoteTo(tag, hn::LoadU(bytes_tag, work.below[k] + at + v * lanes));
    };
#pragma GCC unroll 16
    for (std::size_t v = 0; v < vectors; ++v) {
      const Vector entries = symbols<planes_table_bits>(
          x[v], work.tables, slots_of<planes_table_bits>(x[v]), next);
      const Vector low = hn::Or(plane(0, v), hn::ShiftLeft<8>(plane(1, v)));
      Vector upper = hn::Or(hn::And(entries, hn::Set(tag, 0xff000000)),
                            hn::ShiftLeft<16>(plane(2, v)));
      if (rotation == Rotation::upper_half) {
        upper = hn::Or(hn::And(hn::ShiftRight<1>(upper), hn::Set(tag, 0x7fff0000)),
                       hn::ShiftLeft<31>(plane(2, v)));
      }
      store_any(tag, hn::Or(low, upper), to + v * lanes * 4);
    }
  }
};

// Mirrors negative numbers, and back.
template <class AnyTag>
HWY_INLINE hn::Vec<AnyTag> mirrored(AnyTag numbers_tag, hn::Vec<AnyTag> numbers) {
  constexpr unsigned last = sizeof(hn::TFromD<AnyTag>) * 8 - 1;
  const hn::RebindToSigned<AnyTag> as_signed;
  const auto negative = hn::ShiftRight<last>(hn::BitCast(as_signed, numbers));
  return hn::Xor(numbers, hn::ShiftRight<1>(hn::BitCast(numbers_tag, negative)));
}

template <class Number>
struct TokensKernel {
  using NumbersTag = hn::Rebind<Number, Tag>;
  static constexpr unsigned kept = token_bits<Number>;
  static constexpr bool has_words = sizeof(Number) == 4;

  static HWY_INLINE Vector load_numbers(const std::uint8_t* from) {
    if constexpr (sizeof(Number) == 4) {
      return load_any(tag, from);
    } else {
      return hn::PromoteTo(tag, load_any(NumbersTag(), from));
    }
  }
  static HWY_INLINE hn::Vec<NumbersTag> narrow(Vector vector) {
    if constexpr (sizeof(Number) == 4) {
      return vector;
    } else {
      return hn::TruncateTo(NumbersTag(), vector);
    }
  }
  // How many bits follow a token.
  static HWY_INLINE Vector length_of(Vector token) {
    const Vector one = hn::Set(tag, 1);
    const Vector length = hn::ShiftRight<kept>(token);
    return hn::Sub(
        hn::BitCast(tag, hn::Max(hn::BitCast(signed_tag, length), hn::BitCast(signed_tag, one))),
        one);
  }
  static HWY_INLINE void store_sum(Vector token, Vector length, Vector low,
                                   const std::uint8_t* base, std::uint8_t* to) {
    const NumbersTag numbers;
    const Vector high = hn::Sub(token, hn::ShiftLeft<kept>(length));
    const auto z = narrow(hn::Or(hn::Shl(high, length), low));
    const auto sign = hn::Sub(hn::Zero(numbers), hn::And(z, hn::Set(numbers, 1)));
    const auto d = hn::Xor(hn::ShiftRight<1>(z), sign);
    const auto old = mirrored(numbers, load_any(numbers, base));
    store_any(numbers, mirrored(numbers, hn::Add(old, d)), to);
  }

  static HWY_INLINE void decode(const RansWork& work, std::size_t group, Vector (&x)[vectors],
                                const std::uint8_t*& next) {
    constexpr std::size_t step = lanes * sizeof(Number);
    const std::size_t at = group * rans_group * sizeof(Number);
    const std::uint8_t* const base = work.base + at;
    std::uint8_t* const to = work.to + at;
    for (std::size_t line = 0; line < rans_group * sizeof(Number); line += 64) {
      hwy::Prefetch(base + ahead + line);
    }
    hwy::Prefetch(next + ahead);
    hwy::Prefetch(next + ahead + 64);

    const auto offset = hn::Set(signed_tag, work.offsets[group / 2]);
    const Vector magnitude = hn::Set(tag, static_cast<Number>(static_cast<Number>(~Number{0}) >> 1));
    Vector tokens[vectors];
#pragma GCC unroll 16
    for (std::size_t v = 0; v < vectors; ++v) {
      const Vector exponents = hn::ShiftRightSame(
          hn::And(load_numbers(base + v * step), magnitude), static_cast<int>(work.shift));
      const auto distance = hn::Sub(hn::BitCast(signed_tag, exponents), offset);
      const auto table = hn::BitCast(
          tag, hn::Min(hn::Max(distance, hn::Zero(signed_tag)), hn::Set(signed_tag, 7)));
      const Vector places = hn::Or(slots_of<delta_table_bits>(x[v]),
                                   hn::ShiftLeft<delta_table_bits>(table));
      tokens[v] =
          hn::ShiftRight<24>(symbols<delta_table_bits>(x[v], work.tables, places, next));
    }
    Vector low[vectors];
#pragma GCC unroll 16
    for (std::size_t v = 0; v < vectors; ++v) {
      const Vector length = length_of(tokens[v]);
      const Vector count = has_words ? hn::And(length, hn::Set(tag, 15)) : length;
      low[v] = hn::AndNot(hn::Shl(hn::Set(tag, ~0U), count), x[v]);
      x[v] = hn::Shr(x[v], count);
      refill(x[v], next);
      if (!has_words) store_sum(tokens[v], length, low[v], base + v * step, to + v * step);
    }
    if (!has_words) return;
#pragma GCC unroll 16
    for (std::size_t v = 0; v < vectors; ++v) {
      const Vector length = length_of(tokens[v]);
      const auto is_long = hn::Gt(hn::BitCast(signed_tag, length), hn::Set(signed_tag, 15));
      append_words(low[v], is_long, next);
      store_sum(tokens[v], length, low[v], base + v * step, to + v * step);
    }
  }
};

template <class Kernel>
void run(RansStream& stream, RansWork& work) {
  const RansWork fixed = work;
  Vector x[vectors];
#pragma GCC unroll 16
  for (std::size_t v = 0; v < vectors; ++v) {
    x[v] = hn::Load(tag, stream.states.data() + v * lanes);
  }
  const std::uint8_t* next = stream.next;
  const std::uint8_t* const limit = stream.limit;
  std::size_t group = fixed.group;
  for (; group < fixed.groups_end && next <= limit; ++group) {
    Kernel::decode(fixed, group, x, next);
  }
#pragma GCC unroll 16
  for (std::size_t v = 0; v < vectors; ++v) {
    hn::Store(x[v], tag, stream.states.data() + v * lanes);
  }
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
      return run<TokensKernel<std::uint16_t>>(stream, work);
    case RansKind::tokens4:
      return run<TokensKernel<std::uint32_t>>(stream, work);
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
