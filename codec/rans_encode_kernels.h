// The kernels of codec/rans_encode.cc, which includes this file once for each instruction set:
// hence no guard.
HWY_BEFORE_NAMESPACE();
namespace wfs {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

// A table of planes needs a bit more, and has no low bits.
template <unsigned bits>
constexpr std::uint32_t frequency_mask = (2U << bits) - 1;
static_assert(1U << delta_table_bits < 1U << entry_low_bits_at);

#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128

// Number by number.
using V = std::uint32_t;

struct States {
  static constexpr std::size_t lanes = 1;
  static constexpr std::size_t vectors = rans_states;

  std::uint32_t* x;
  std::uint16_t* to;

  States(std::uint32_t* states, std::uint16_t* words) : x(states), to(words) {}
  void save(std::uint32_t*) const {}

  void shrink(std::size_t v) {
    *to++ = static_cast<std::uint16_t>(x[v]);
    x[v] >>= 16;
  }
  template <unsigned bits>
  void push_entry(std::size_t v, std::uint32_t entry) {
    const std::uint32_t frequency = entry & frequency_mask<bits>;
    if (x[v] >> (31 - bits) >= frequency) shrink(v);
    const std::uint32_t quotient = x[v] / frequency;
    x[v] += quotient * ((1U << bits) - frequency) + (entry >> 16);
  }
  template <class Symbol>
  static std::uint32_t entry_of(const Symbol* at, const std::uint32_t* table) {
    return table[*at];
  }
  template <class Number>
  void push_low(std::size_t v, std::uint32_t entry, std::uint32_t difference, Number) {
    const unsigned whole = entry >> entry_low_bits_at & 31;
    const unsigned bits = whole % 16;
    const std::uint32_t low = difference & ((std::uint32_t{1} << whole) - 1);
    if (x[v] >> (31 - bits) != 0) shrink(v);
    x[v] = x[v] << bits | (low >> (whole - bits));
  }
  void push_word(std::uint32_t entry, std::uint32_t difference) {
    if ((entry >> entry_low_bits_at & 16) != 0) *to++ = static_cast<std::uint16_t>(difference);
  }
  template <class Number>
  static Number load(const Number* at) {
    return *at;
  }
};

#else

using D = hn::ScalableTag<std::uint32_t>;
using DI = hn::RebindToSigned<D>;
using DF = hn::RebindToFloat<D>;
using D16 = hn::Rebind<std::uint16_t, D>;
using V = hn::Vec<D>;
using M = hn::Mask<D>;

#if HWY_TARGET > HWY_AVX3
// For each mask of lanes, the bytes that move their low halves to the front. On 8 lanes, the halves
// have been brought together before.
template <std::size_t lanes>
struct Gathering {
  static constexpr std::size_t bytes = 16;
  alignas(16) std::uint8_t of[std::size_t{1} << lanes][bytes];

  constexpr Gathering() : of{} {
    constexpr std::size_t stride = lanes == 4 ? 4 : 2;
    for (std::size_t mask = 0; mask < std::size_t{1} << lanes; ++mask) {
      std::size_t at = 0;
      for (std::size_t lane = 0; lane < lanes; ++lane) {
        if ((mask >> lane & 1) == 0) continue;
        of[mask][at++] = static_cast<std::uint8_t>(lane * stride);
        of[mask][at++] = static_cast<std::uint8_t>(lane * stride + 1);
      }
    }
  }
};
constexpr Gathering<hn::MaxLanes(D())> gathering;
#endif

// Stores the low halves of the lanes in the mask.
HWY_INLINE void store_words(V x, M mask, std::uint16_t*& to) {
#if HWY_TARGET <= HWY_AVX3
  hn::StoreU(hn::TruncateTo(D16(), hn::Compress(x, mask)), D16(), to);
  to += hn::CountTrue(D(), mask);
#else
  const std::uint64_t bits = hn::detail::BitsFromMask(mask);
  const hn::Full128<std::uint8_t> d8;
  const auto order = hn::Load(d8, gathering.of[bits]);
#if HWY_TARGET == HWY_AVX2
  const auto low = hn::BitCast(d8, hn::TruncateTo(D16(), x));
#else
  const auto low = hn::BitCast(d8, x);
#endif
  hn::StoreU(hn::TableLookupBytes(low, order), d8, reinterpret_cast<std::uint8_t*>(to));
  to += hwy::PopCount(bits);
#endif
}

struct States {
  static constexpr std::size_t lanes = hn::MaxLanes(D());
  static constexpr std::size_t vectors = rans_states / lanes;

  V x[vectors];
  std::uint16_t* to;

  HWY_INLINE States(const std::uint32_t* states, std::uint16_t* words) : to(words) {
    for (std::size_t v = 0; v < vectors; ++v) x[v] = hn::Load(D(), states + v * lanes);
  }
  HWY_INLINE void save(std::uint32_t* states) const {
    for (std::size_t v = 0; v < vectors; ++v) hn::Store(x[v], D(), states + v * lanes);
  }

  HWY_INLINE static auto is_signed(V v) { return hn::BitCast(DI(), v); }

  HWY_INLINE void shrink(std::size_t v, M mask) {
    store_words(x[v], mask, to);
    x[v] = hn::IfThenElse(mask, hn::ShiftRight<16>(x[v]), x[v]);
  }

  // The quotient, or one less: the remainder shows which. States are below frequency << (31 - bits)
  // here and at least 2^15, so quotients are from 16 to 2^21, and their floats 0.38 off at most.
  // Added to 2^23 - 1 they become integers in the low bits, 0.5 off by that.
  HWY_INLINE static V quotient(V state, V frequency) {
    const auto n = hn::ConvertTo(DF(), is_signed(state));
    const auto f = hn::ConvertTo(DF(), is_signed(frequency));
    const auto one_less = hn::Set(DF(), 8388607.0F);
#if HWY_TARGET <= HWY_AVX3
    const auto guess = hn::ApproximateReciprocal(f);
    const auto inverse = hn::Mul(guess, hn::NegMulAdd(f, guess, hn::Set(DF(), 2.0F)));
    const auto sum = hn::MulAdd(n, inverse, one_less);
#else
    const auto sum = hn::Add(hn::Div(n, f), one_less);
#endif
    return hn::And(hn::BitCast(D(), sum), hn::Set(D(), 0x7f'ffff));
  }

  template <unsigned bits>
  HWY_INLINE void push_entry(std::size_t v, V entry) {
    const D d;
    const V frequency = hn::And(entry, hn::Set(d, frequency_mask<bits>));
    const V start = hn::ShiftRight<16>(entry);
    const auto below = hn::Sub(is_signed(frequency), hn::Set(DI(), 1));
    const auto full = hn::Gt(is_signed(hn::ShiftRight<31 - bits>(x[v])), below);
    shrink(v, hn::RebindMask(d, full));
    const V q = quotient(x[v], frequency);
    const V remainder = hn::Sub(x[v], hn::Mul(q, frequency));
    const V pushed = hn::Add(hn::Add(hn::ShiftLeft<bits>(q), start), remainder);
    const auto over = hn::RebindMask(d, hn::Gt(is_signed(remainder), below));
    const V more = hn::Sub(hn::Set(d, 1U << bits), frequency);
    x[v] = hn::Add(pushed, hn::IfThenElseZero(over, more));
  }
  HWY_INLINE static V entry_of(const std::uint8_t* at, const std::uint32_t* table) {
    const hn::Rebind<std::uint8_t, D> d8;
    const V symbols = hn::Reverse(D(), hn::PromoteTo(D(), hn::LoadU(d8, at)));
    return hn::GatherIndex(D(), table, is_signed(symbols));
  }
  HWY_INLINE static V entry_of(const std::uint16_t* at, const std::uint32_t* table) {
    const V keys = hn::PromoteTo(D(), hn::LoadU(D16(), at));
    return hn::GatherIndex(D(), table, is_signed(keys));
  }

  HWY_INLINE static V load(const std::uint16_t* at) {
    return hn::PromoteTo(D(), hn::LoadU(D16(), at));
  }
  HWY_INLINE static V load(const std::uint32_t* at) {
    return hn::LoadU(D(), at);
  }

  HWY_INLINE static V low_bits_of(V entry) {
    return hn::And(hn::ShiftRight<entry_low_bits_at>(entry), hn::Set(D(), 31));
  }
  HWY_INLINE static M is_wide(V entry) {
    return hn::TestBit(entry, hn::Set(D(), 16U << entry_low_bits_at));
  }

  template <class Number>
  HWY_INLINE void push_low(std::size_t v, V entry, V difference, Number) {
    const D d;
    V bits = low_bits_of(entry);
    if constexpr (sizeof(Number) == 4) {
      bits = hn::And(bits, hn::Set(d, 15));
      const M wide = is_wide(entry);
      difference = hn::IfThenElse(wide, hn::ShiftRight<16>(difference), difference);
    }
    const V one = hn::Set(d, 1);
    const V low = hn::And(difference, hn::Sub(hn::Shl(one, bits), one));
    const V high = hn::Shr(x[v], hn::Sub(hn::Set(d, 31), bits));
    shrink(v, hn::RebindMask(d, hn::Gt(is_signed(high), hn::Zero(DI()))));
    x[v] = hn::Or(hn::Shl(x[v], bits), low);
  }
  HWY_INLINE void push_word(V entry, V difference) {
    store_words(difference, is_wide(entry), to);
  }
};

#endif

// The entries of 64 keys, or bytes, of which the last comes first. They are asked for long before
// they are needed: in vectors, that is what takes longest.
struct Entries {
  V of[States::vectors];

  HWY_INLINE void load(const std::uint16_t* keys, const std::uint32_t* table) {
#pragma GCC unroll 16
    for (std::size_t v = 0; v < States::vectors; ++v) {
      of[v] = States::entry_of(keys + v * States::lanes, table);
    }
  }
  HWY_INLINE void load(const std::uint8_t* bytes, const std::uint32_t* table) {
#pragma GCC unroll 16
    for (std::size_t v = 0; v < States::vectors; ++v) {
      of[v] = States::entry_of(bytes + rans_states - (v + 1) * States::lanes, table);
    }
  }
};

template <unsigned bits, class Symbol>
std::size_t push_symbols(const Symbol* first, std::ptrdiff_t step, std::size_t count,
                         const std::uint32_t* table, std::uint32_t* states, std::uint16_t* words) {
  States run(states, words);
  Entries entries;
  if (count != 0) entries.load(first, table);
  for (std::size_t left = count; left != 0; left -= rans_states) {
    if (left > rans_states) first += step;
    Entries next;
    next.load(first, table);
#pragma GCC unroll 16
    for (std::size_t v = 0; v < States::vectors; ++v) {
      run.template push_entry<bits>(v, entries.of[v]);
    }
    entries = next;
  }
  run.save(states);
  return static_cast<std::size_t>(run.to - words);
}

constexpr std::ptrdiff_t group = rans_states;

std::size_t push_bytes_kernel(const std::uint8_t* from, std::size_t count,
                              const std::uint32_t* table, std::uint32_t* states,
                              std::uint16_t* words) {
  const std::uint8_t* const last = from + count - (count == 0 ? 0 : rans_states);
  return push_symbols<planes_table_bits>(last, -group, count, table, states, words);
}

std::size_t push_keys_kernel(const std::uint16_t* keys, std::size_t count,
                             const std::uint32_t* table, std::uint32_t* states,
                             std::uint16_t* words) {
  return push_symbols<delta_table_bits>(keys, group, count, table, states, words);
}

std::size_t push_plane_keys_kernel(const std::uint16_t* keys, std::size_t count,
                                   const std::uint32_t* table, std::uint32_t* states,
                                   std::uint16_t* words) {
  return push_symbols<planes_table_bits>(keys, group, count, table, states, words);
}

template <class Number>
std::size_t push_tokens_of(const std::uint16_t* keys, const Number* differences, std::size_t count,
                           const std::uint32_t* table, std::uint32_t* states,
                           std::uint16_t* words) {
  States run(states, words);
  Entries entries;
  if (count != 0) entries.load(keys, table);
  for (std::size_t at = 0; at < count; at += rans_states) {
    V difference[States::vectors];
#pragma GCC unroll 16
    for (std::size_t v = 0; v < States::vectors; ++v) {
      difference[v] = States::load(differences + at + v * States::lanes);
    }
    if constexpr (sizeof(Number) == 4) {
#pragma GCC unroll 16
      for (std::size_t v = 0; v < States::vectors; ++v) {
        run.push_word(entries.of[v], difference[v]);
      }
    }
#pragma GCC unroll 16
    for (std::size_t v = 0; v < States::vectors; ++v) {
      run.push_low(v, entries.of[v], difference[v], Number{});
    }
    Entries next;
    next.load(keys + (at + rans_states < count ? at + rans_states : at), table);
#pragma GCC unroll 16
    for (std::size_t v = 0; v < States::vectors; ++v) {
      run.template push_entry<delta_table_bits>(v, entries.of[v]);
    }
    entries = next;
  }
  run.save(states);
  return static_cast<std::size_t>(run.to - words);
}

std::size_t push_tokens2_kernel(const std::uint16_t* keys, const std::uint16_t* differences,
                                std::size_t count, const std::uint32_t* table,
                                std::uint32_t* states, std::uint16_t* words) {
  return push_tokens_of(keys, differences, count, table, states, words);
}

std::size_t push_tokens4_kernel(const std::uint16_t* keys, const std::uint32_t* differences,
                                std::size_t count, const std::uint32_t* table,
                                std::uint32_t* states, std::uint16_t* words) {
  return push_tokens_of(keys, differences, count, table, states, words);
}

void reverse_kernel(std::uint16_t* words, std::size_t count) {
#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128
  std::reverse(words, words + count);
#else
  const hn::ScalableTag<std::uint16_t> d;
  constexpr std::size_t lanes = hn::MaxLanes(hn::ScalableTag<std::uint16_t>());
  std::uint16_t* end = words + count;
  for (; static_cast<std::size_t>(end - words) >= 2 * lanes; words += lanes, end -= lanes) {
    const auto first = hn::LoadU(d, words);
    const auto last = hn::LoadU(d, end - lanes);
    hn::StoreU(hn::Reverse(d, last), d, words);
    hn::StoreU(hn::Reverse(d, first), d, end - lanes);
  }
  std::reverse(words, end);
#endif
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace wfs
HWY_AFTER_NAMESPACE();
