// The states of 64 numbers as pairs of vectors, and the two steps of a stream on them: decode symbols,
// append words. Included by rans_decode.cc once for each kind of vectors, hence without a guard; not
// for the portable kind, which has no vectors.
HWY_BEFORE_NAMESPACE();
namespace wfs {
namespace HWY_NAMESPACE {

#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128

namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::CappedTag<std::uint32_t, 16>;
using SignedTag = hn::RebindToSigned<Tag>;
using HalvesTag = hn::Repartition<std::uint16_t, Tag>;
using BytesTag = hn::Repartition<std::uint8_t, Tag>;
using HalfBytesTag = hn::Rebind<std::uint8_t, HalvesTag>;  // as many bytes as there are halves
using Vector = hn::Vec<Tag>;
using Halves = hn::Vec<HalvesTag>;

constexpr Tag tag;
constexpr SignedTag signed_tag;
constexpr HalvesTag halves_tag;
constexpr BytesTag bytes_tag;
constexpr HalfBytesTag half_bytes_tag;
constexpr std::size_t lanes = hn::MaxLanes(Tag());
constexpr std::size_t pairs = rans_group / (2 * lanes);
constexpr std::size_t ahead = 2048;  // bytes, of what is asked for early

// Neighbouring numbers, as many as two vectors hold: those at even places and those at odd ones. As
// halves of 32 bits they are in their order without a permutation, as are the words for them.
struct Pair {
  Vector even, odd;
};

HWY_INLINE Vector load_any(const std::uint8_t* from) {
  return hn::BitCast(tag, hn::LoadU(bytes_tag, from));
}
HWY_INLINE void store_any(Vector vector, std::uint8_t* to) {
  hn::StoreU(hn::BitCast(bytes_tag, vector), bytes_tag, to);
}

// Both in one vector of halves. Requires: below 2^16.
HWY_INLINE Vector joined(Pair pair) { return hn::Or(pair.even, hn::ShiftLeft<16>(pair.odd)); }
HWY_INLINE Pair parted(Vector halves) {
  return {hn::And(halves, hn::Set(tag, 0xffff)), hn::ShiftRight<16>(halves)};
}

// The same numbers as they lie in memory, each block of 16 bytes of a vector at a place of its own.
struct Row {
  Vector first, second;
};

#if HWY_TARGET == HWY_AVX2
// Blocks change places while they are loaded and stored, so that pairing stays within blocks.
HWY_INLINE Row load_row(const std::uint8_t* from) {
  const hn::Half<BytesTag> block;
  const auto blocks = [&](std::size_t at) HWY_ATTR {
    return hn::BitCast(tag, hn::Combine(bytes_tag, hn::LoadU(block, from + at + 32),
                                        hn::LoadU(block, from + at)));
  };
  return {blocks(0), blocks(16)};
}
HWY_INLINE void store_row(Row row, std::uint8_t* to) {
  const hn::Half<BytesTag> block;
  const auto first = hn::BitCast(bytes_tag, row.first);
  const auto second = hn::BitCast(bytes_tag, row.second);
  hn::StoreU(hn::LowerHalf(block, first), block, to);
  hn::StoreU(hn::LowerHalf(block, second), block, to + 16);
  hn::StoreU(hn::UpperHalf(block, first), block, to + 32);
  hn::StoreU(hn::UpperHalf(block, second), block, to + 48);
}
HWY_INLINE Pair paired(Row row) {
  const __m256 first = _mm256_castsi256_ps(row.first.raw);
  const __m256 second = _mm256_castsi256_ps(row.second.raw);
  return {Vector{_mm256_castps_si256(_mm256_shuffle_ps(first, second, 0x88))},
          Vector{_mm256_castps_si256(_mm256_shuffle_ps(first, second, 0xdd))}};
}
#else
HWY_INLINE Row load_row(const std::uint8_t* from) {
  return {load_any(from), load_any(from + lanes * 4)};
}
HWY_INLINE void store_row(Row row, std::uint8_t* to) {
  store_any(row.first, to);
  store_any(row.second, to + lanes * 4);
}
HWY_INLINE Pair paired(Row row) {
  return {hn::ConcatEven(tag, row.second, row.first), hn::ConcatOdd(tag, row.second, row.first)};
}
#endif

HWY_INLINE Row in_row(Pair pair) {
#if HWY_TARGET == HWY_AVX3_DL
  const auto low = _mm512_set_epi32(23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  const auto high = _mm512_set_epi32(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8);
  return {Vector{_mm512_permutex2var_epi32(pair.even.raw, low, pair.odd.raw)},
          Vector{_mm512_permutex2var_epi32(pair.even.raw, high, pair.odd.raw)}};
#else
  static_assert(lanes == 4 || HWY_TARGET == HWY_AVX2);
  return {hn::InterleaveLower(tag, pair.even, pair.odd),
          hn::InterleaveUpper(tag, pair.even, pair.odd)};
#endif
}

// x = x << 16 | next word, for the numbers whose half of `missing` is zero.
HWY_INLINE void append_words(Pair& x, Vector missing, const std::uint8_t*& next) {
  const Halves halves = hn::BitCast(halves_tag, missing);
#if HWY_TARGET == HWY_AVX3_DL
  const __mmask32 bits = _mm512_testn_epi16_mask(halves.raw, halves.raw);
  const auto words = _mm512_maskz_expand_epi16(bits, _mm512_loadu_si512(next));
  const __mmask16 even = _mm512_testn_epi32_mask(missing.raw, _mm512_set1_epi32(0xffff));
  const __mmask16 odd = _mm512_testn_epi32_mask(missing.raw, _mm512_set1_epi32(-0x10000));
  const auto words_up = _mm512_slli_epi32(words, 16);
  x.even.raw = _mm512_mask_shldi_epi32(x.even.raw, even, x.even.raw, words_up, 16);
  x.odd.raw = _mm512_mask_shldi_epi32(x.odd.raw, odd, x.odd.raw, words, 16);
  next += 2 * hwy::PopCount(bits);
#else
  const auto wanted = hn::Eq(halves, hn::Zero(halves_tag));
  const auto bits = static_cast<std::uint32_t>(hn::detail::BitsFromMask(wanted));
#if HWY_TARGET == HWY_AVX2
  const hn::Half<BytesTag> block;
  const std::size_t used = 2 * hwy::PopCount(bits & 0xff);
  const auto spread = hn::Combine(bytes_tag, hn::LoadU(block, spread_words[bits >> 8].data()),
                                  hn::LoadU(block, spread_words[bits & 0xff].data()));
  const auto from = hn::Combine(bytes_tag, hn::LoadU(block, next + used), hn::LoadU(block, next));
#else
  static_assert(lanes == 4);
  const auto spread = hn::LoadU(bytes_tag, spread_words[bits].data());
  const auto from = hn::LoadU(bytes_tag, next);
#endif
  const Pair words = parted(hn::BitCast(tag, hn::TableLookupBytesOr0(from, spread)));
  const Vector which = hn::BitCast(tag, hn::VecFromMask(halves_tag, wanted));
#if HWY_TARGET == HWY_SSE4  // has no shifts by lane
  const auto which_signed = hn::BitCast(signed_tag, which);
  const auto even = hn::ShiftRight<31>(hn::ShiftLeft<16>(which_signed));
  const auto odd = hn::ShiftRight<31>(which_signed);
  x.even = hn::IfVecThenElse(hn::BitCast(tag, even), hn::ShiftLeft<16>(x.even), x.even);
  x.odd = hn::IfVecThenElse(hn::BitCast(tag, odd), hn::ShiftLeft<16>(x.odd), x.odd);
#else
  const Vector sixteen = hn::Set(tag, 16);
  x.even = hn::Shl(x.even, hn::And(which, sixteen));
  x.odd = hn::Shl(x.odd, hn::And(hn::ShiftRight<16>(which), sixteen));
#endif
  x.even = hn::Or(x.even, words.even);
  x.odd = hn::Or(x.odd, words.odd);
  next += 2 * hwy::PopCount(bits);
#endif
}

// A state is below 2^31, so what it has above its lower bound fits half a lane.
HWY_INLINE void refill(Pair& x, const std::uint8_t*& next) {
  static_assert(rans_low == 1U << 15);
  const Vector odd = hn::And(hn::Add(x.odd, x.odd), hn::Set(tag, 0xffff0000));
  append_words(x, hn::Or(hn::ShiftRight<15>(x.even), odd), next);
}

template <unsigned bits>
HWY_INLINE Vector symbols_of(Vector& x, const std::uint32_t* tables, Vector first) {
  const Vector places = hn::Or(hn::And(x, hn::Set(tag, (1U << bits) - 1)), first);
  const Vector entries = hn::GatherIndex(tag, tables, hn::BitCast(signed_tag, places));
  x = hn::Add(hn::Mul(hn::ShiftRight<entry_frequency_shift>(entries), hn::ShiftRight<bits>(x)),
              hn::And(entries, hn::Set(tag, entry_place_mask)));
  return entries;
}

// Decodes a symbol for each number, by the table that begins at `first`. Gives the entries of the
// tables, which hold what the symbols stand for.
template <unsigned bits>
HWY_INLINE Pair symbols(Pair& x, const std::uint32_t* tables, Pair first,
                        const std::uint8_t*& next) {
  Pair entries;
  entries.even = symbols_of<bits>(x.even, tables, first.even);
  entries.odd = symbols_of<bits>(x.odd, tables, first.odd);
  refill(x, next);
  return entries;
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace wfs
HWY_AFTER_NAMESPACE();
