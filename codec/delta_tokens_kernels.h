// The kernels of codec/delta_tokens.cc, which includes this file once for each instruction set:
// hence no guard. Sums of floats are added up in one order everywhere, so that all give the same
// bytes.
HWY_BEFORE_NAMESPACE();
namespace wfs {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

constexpr bool portable = HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128;
constexpr std::size_t ahead = 2048;  // bytes, of what is asked for early
constexpr unsigned f16_shift = 10;
constexpr std::uint32_t f16_scale = (127 + 112) << 23;  // 2^112: from the exponents of F16 to F32's

template <class Number>
constexpr unsigned kept = 8 / sizeof(Number);  // K

template <class Number>
HWY_INLINE Number load_number(const std::uint8_t* from, std::size_t i) {
  Number number;
  std::memcpy(&number, from + i * sizeof number, sizeof number);
  return number;
}

// z of docs/FORMAT.md.
template <class Number>
HWY_INLINE Number difference(Number number, Number from) {
  using Signed = std::make_signed_t<Number>;
  constexpr unsigned last = sizeof(Number) * 8 - 1;
  constexpr auto below = static_cast<Number>(static_cast<Number>(~Number{0}) >> 1);
  const auto ordered = [](Number x) {
    return static_cast<Number>(x ^ (static_cast<Number>(static_cast<Signed>(x) >> last) & below));
  };
  const auto d = static_cast<Number>(ordered(number) - ordered(from));
  const auto sign = static_cast<Number>(static_cast<Signed>(d) >> last);
  return static_cast<Number>(static_cast<Number>(d << 1) ^ sign);
}

// Bits of z, found by the exponent it has as a float: that is how vectors do it.
HWY_INLINE int bit_length(std::uint32_t z) {
  std::uint32_t y = z >> 1;
  y &= ~(y >> 1);
  const auto as_float = static_cast<float>(static_cast<std::int32_t>(y));
  const auto field = static_cast<int>(std::bit_cast<std::uint32_t>(as_float) >> 23);
  return std::max(field - 125, static_cast<int>(std::min(z, std::uint32_t{1})));
}

// The exponent, as the base's exponents are counted, of the mean of 128 differences.
HWY_INLINE int mean_exponent(float sum, unsigned shift) {
  const auto field = static_cast<int>(std::bit_cast<std::uint32_t>(sum) >> 23);
  return std::max(0, field - 7 - (shift == f16_shift ? 112 : 0));
}

#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128

HWY_INLINE float value_of(std::uint32_t number, unsigned) {
  return std::bit_cast<float>(number);
}
HWY_INLINE float value_of(std::uint16_t number, unsigned shift) {
  if (shift != f16_shift) return std::bit_cast<float>(std::uint32_t{number} << 16);
  const std::uint32_t bits = (number & 0x7fffU) << 13 | (number & 0x8000U) << 16;
  return std::bit_cast<float>(bits) * std::bit_cast<float>(f16_scale);
}

template <class Number>
int group_exponent(const std::uint8_t* plain, const std::uint8_t* base, unsigned shift) {
  std::array<float, 32> sums{};
  for (std::size_t i = 0; i < offset_group; ++i) {
    const std::size_t lane = sizeof(Number) == 2 ? i % 2 * 16 + i / 2 % 16 : i % 32;
    const float change = value_of(load_number<Number>(plain, i), shift) -
                         value_of(load_number<Number>(base, i), shift);
    sums[lane] += std::fabs(change);
  }
  // Each to the one half the lanes away: vectors add up their halves.
  for (std::size_t half = 16; half > 0; half /= 2) {
    for (std::size_t i = 0; i < half; ++i) sums[i] += sums[i + half];
  }
  return mean_exponent(sums[0], shift);
}

#else

using D = hn::ScalableTag<std::uint32_t>;
using DI = hn::RebindToSigned<D>;
using DF = hn::RebindToFloat<D>;
using D16 = hn::Repartition<std::uint16_t, D>;
using DI16 = hn::RebindToSigned<D16>;
using DH16 = hn::Rebind<std::uint16_t, D>;
using V = hn::Vec<D>;
using V16 = hn::Vec<D16>;
using VF = hn::Vec<DF>;

template <class Number>
HWY_INLINE V load32(const std::uint8_t* from, std::size_t i) {
  return hn::BitCast(D(), hn::LoadU(hn::ScalableTag<std::uint8_t>(), from + i * sizeof(Number)));
}

HWY_INLINE VF value_of(V upper, bool is_f16) {
  if (!is_f16) return hn::BitCast(DF(), upper);
  const V magnitude = hn::ShiftRight<3>(hn::And(upper, hn::Set(D(), 0x7fff'0000)));
  const V sign = hn::And(upper, hn::Set(D(), 0x8000'0000));
  const auto scale = hn::BitCast(DF(), hn::Set(D(), f16_scale));
  return hn::Mul(hn::BitCast(DF(), hn::Or(magnitude, sign)), scale);
}

template <class AnyDF>
HWY_INLINE auto sum_of_halves(AnyDF df, hn::Vec<AnyDF> v) {
  if constexpr (hn::MaxLanes(AnyDF()) > 4) {
    const hn::Half<AnyDF> dh;
    return sum_of_halves(dh, hn::Add(hn::LowerHalf(dh, v), hn::UpperHalf(dh, v)));
  } else {
    const auto pairs = hn::Add(v, hn::Shuffle1032(v));
    (void)df;
    return hn::Add(pairs, hn::Shuffle2301(pairs));
  }
}

template <class Number>
HWY_INLINE int group_exponent(const std::uint8_t* plain, const std::uint8_t* base, unsigned shift) {
  constexpr std::size_t lanes = hn::MaxLanes(D());
  constexpr std::size_t vectors = 32 / lanes;
  const bool is_f16 = sizeof(Number) == 2 && shift == f16_shift;
  VF sums[vectors];
  for (std::size_t v = 0; v < vectors; ++v) sums[v] = hn::Zero(DF());
  for (std::size_t i = 0; i < offset_group; i += 32) {
    if constexpr (sizeof(Number) == 4) {
      for (std::size_t v = 0; v < vectors; ++v) {
        const V x = load32<Number>(plain, i + v * lanes);
        const V b = load32<Number>(base, i + v * lanes);
        const auto change = hn::Sub(value_of(x, false), value_of(b, false));
        sums[v] = hn::Add(sums[v], hn::Abs(change));
      }
    } else {
      const V odd = hn::Set(D(), 0xffff'0000);
      for (std::size_t v = 0; v < vectors / 2; ++v) {
        const V x = load32<Number>(plain, i + 2 * v * lanes);
        const V b = load32<Number>(base, i + 2 * v * lanes);
        const auto even_change =
            hn::Sub(value_of(hn::ShiftLeft<16>(x), is_f16), value_of(hn::ShiftLeft<16>(b), is_f16));
        const auto odd_change =
            hn::Sub(value_of(hn::And(x, odd), is_f16), value_of(hn::And(b, odd), is_f16));
        sums[v] = hn::Add(sums[v], hn::Abs(even_change));
        sums[v + vectors / 2] = hn::Add(sums[v + vectors / 2], hn::Abs(odd_change));
      }
    }
  }
  for (std::size_t half = vectors / 2; half > 0; half /= 2) {
    for (std::size_t v = 0; v < half; ++v) sums[v] = hn::Add(sums[v], sums[v + half]);
  }
  return mean_exponent(hn::GetLane(sum_of_halves(DF(), sums[0])), shift);
}

// Tokens of z, whose greatest exponent as a float is that of z + more.
template <unsigned kept_bits, int more>
HWY_INLINE V tokens_of(V z, V as_integer) {
  const auto floats = hn::ConvertTo(DF(), hn::BitCast(DI(), as_integer));
  const auto exponent = hn::BitCast(DI(), hn::ShiftRight<23>(hn::BitCast(D(), floats)));
  const auto least = hn::Set(DI(), 127 + static_cast<int>(kept_bits) - more);
  const V bits = hn::BitCast(D(), hn::Sub(hn::Max(exponent, least), least));
  return hn::Add(hn::ShiftLeft<kept_bits>(bits), hn::Shr(z, bits));
}

HWY_INLINE void tokens_of_group(const std::uint8_t* plain, const std::uint8_t* base, unsigned shift,
                                unsigned offset, std::uint16_t* keys_end, std::uint16_t* z_end) {
  const D d;
  const D16 d16;
  const DI16 di16;
  constexpr std::size_t lanes = hn::MaxLanes(D16());
  const V16 magnitude = hn::Set(d16, 0x7fff);
  const auto ordered = [&](V16 x) {
    const auto sign = hn::ShiftRight<15>(hn::BitCast(di16, x));
    return hn::Xor(x, hn::And(hn::BitCast(d16, sign), magnitude));
  };
  for (std::size_t i = 0; i < offset_group; i += lanes) {
    const V16 x = hn::BitCast(d16, load32<std::uint16_t>(plain, i));
    const V16 b = hn::BitCast(d16, load32<std::uint16_t>(base, i));
    const V16 change = hn::Sub(ordered(x), ordered(b));
    const V16 sign = hn::BitCast(d16, hn::ShiftRight<15>(hn::BitCast(di16, change)));
    const V16 z = hn::Xor(hn::Add(change, change), sign);
    const V16 exponent = hn::ShiftRightSame(hn::And(b, magnitude), static_cast<int>(shift));
    const V16 above = hn::SaturatedSub(exponent, hn::Set(d16, static_cast<std::uint16_t>(offset)));
    const V16 classes = hn::ShiftLeft<8>(hn::Min(above, hn::Set(d16, 7)));
    const V even = hn::And(hn::BitCast(d, z), hn::Set(d, 0xffff));
    const V odd = hn::ShiftRight<16>(hn::BitCast(d, z));
    const V tokens = hn::Or(tokens_of<kept<std::uint16_t>, 0>(even, even),
                            hn::ShiftLeft<16>(tokens_of<kept<std::uint16_t>, 0>(odd, odd)));
    const V16 keys = hn::Or(classes, hn::BitCast(d16, tokens));
    hn::StoreU(hn::Reverse(d16, keys), d16, keys_end - i - lanes);
    hn::StoreU(hn::Reverse(d16, z), d16, z_end - i - lanes);
  }
}

HWY_INLINE void tokens_of_group(const std::uint8_t* plain, const std::uint8_t* base, unsigned shift,
                                unsigned offset, std::uint16_t* keys_end, std::uint32_t* z_end) {
  const D d;
  const DI di;
  constexpr std::size_t lanes = hn::MaxLanes(D());
  const V magnitude = hn::Set(d, 0x7fff'ffff);
  const auto ordered = [&](V x) {
    const auto sign = hn::ShiftRight<31>(hn::BitCast(di, x));
    return hn::Xor(x, hn::And(hn::BitCast(d, sign), magnitude));
  };
  for (std::size_t i = 0; i < offset_group; i += lanes) {
    const V x = load32<std::uint32_t>(plain, i);
    const V b = load32<std::uint32_t>(base, i);
    const V change = hn::Sub(ordered(x), ordered(b));
    const V sign = hn::BitCast(d, hn::ShiftRight<31>(hn::BitCast(di, change)));
    const V z = hn::Xor(hn::Add(change, change), sign);
    const V exponent = hn::ShiftRightSame(hn::And(b, magnitude), static_cast<int>(shift));
    const auto above =
        hn::Sub(hn::BitCast(di, exponent), hn::Set(di, static_cast<std::int32_t>(offset)));
    const auto clamped = hn::Min(hn::Max(above, hn::Zero(di)), hn::Set(di, 7));
    const V classes = hn::ShiftLeft<8>(hn::BitCast(d, clamped));
    // Half of z fits a signed integer; without the bit behind its first, rounding keeps the length.
    const V half = hn::ShiftRight<1>(z);
    const V rounded = hn::AndNot(hn::ShiftRight<1>(half), half);
    const V keys = hn::Or(classes, tokens_of<kept<std::uint32_t>, 1>(z, rounded));
    hn::StoreU(hn::TruncateTo(DH16(), hn::Reverse(d, keys)), DH16(), keys_end - i - lanes);
    hn::StoreU(hn::Reverse(d, z), d, z_end - i - lanes);
  }
}

#endif

template <class Number>
HWY_INLINE void tokens_of_group_portable(const std::uint8_t* plain, const std::uint8_t* base,
                                         unsigned shift, unsigned offset, std::uint16_t* keys_end,
                                         Number* z_end) {
  constexpr auto magnitude = static_cast<Number>(static_cast<Number>(~Number{0}) >> 1);
  std::uint16_t* const keys = keys_end - offset_group;
  for (std::size_t i = 0; i < offset_group; ++i) {
    const std::size_t place = offset_group - 1 - i;
    const auto b = load_number<Number>(base, place);
    const auto z = difference(load_number<Number>(plain, place), b);
    const int exponent = static_cast<int>(static_cast<unsigned>(b & magnitude) >> shift);
    const int above = exponent - static_cast<int>(offset);
    const auto class_index = static_cast<unsigned>(std::clamp(above, 0, 7));
    unsigned token = z;
    if constexpr (sizeof(Number) > 1) {
      constexpr int first = static_cast<int>(kept<Number>) + 1;
      const auto bits = static_cast<unsigned>(std::max(bit_length(z), first) - first);
      token = (bits << kept<Number>)+(static_cast<unsigned>(z) >> bits);
      *(z_end - offset_group + i) = z;
    }
    keys[i] = static_cast<std::uint16_t>(class_index << 8 | token);
  }
}

template <class Number>
HWY_INLINE unsigned offset_of(const TokenJob& job, std::size_t at) {
  int offset = job.origin;
  if constexpr (sizeof(Number) > 1) {
    if (job.relative) {
      offset += group_exponent<Number>(job.plain + at, job.base + at, job.shift);
    }
  }
  return static_cast<unsigned>(std::clamp(offset, 0, 255));
}

template <class Number>
void tokens_kernel(const TokenJob& job, Number* z_end) {
  for (std::size_t g = 0; g < job.groups; ++g) {
    const std::size_t at = g * offset_group * sizeof(Number);
    const std::size_t done = g * offset_group;
    for (std::size_t i = 0; i < offset_group * sizeof(Number); i += 64) {
      hwy::Prefetch(job.plain + at + ahead + i);
      hwy::Prefetch(job.base + at + ahead + i);
    }
    const unsigned offset = offset_of<Number>(job, at);
    job.offsets[g] = static_cast<std::uint8_t>(offset);
    if constexpr (sizeof(Number) == 1 || portable) {
      tokens_of_group_portable<Number>(job.plain + at, job.base + at, job.shift, offset,
                                       job.keys_end - done,
                                       sizeof(Number) == 1 ? z_end : z_end - done);
    } else {
      tokens_of_group(job.plain + at, job.base + at, job.shift, offset, job.keys_end - done,
                      z_end - done);
    }
  }
}

void tokens1_kernel(const TokenJob& job) {
  tokens_kernel<std::uint8_t>(job, nullptr);
}
void tokens2_kernel(const TokenJob& job, std::uint16_t* z_end) {
  tokens_kernel(job, z_end);
}
void tokens4_kernel(const TokenJob& job, std::uint32_t* z_end) {
  tokens_kernel(job, z_end);
}

// Keys of bytes in groups, the last first. The compiler vectorises it.
template <GroupOperation operation>
HWY_INLINE void group_keys(const std::uint8_t* HWY_RESTRICT plain,
                           const std::uint8_t* HWY_RESTRICT base,
                           const std::uint16_t* HWY_RESTRICT upper, std::size_t length,
                           std::uint16_t* HWY_RESTRICT keys) {
  for (std::size_t i = 0; i < length; ++i) {
    const auto symbol = static_cast<std::uint8_t>(
        operation == GroupOperation::difference ? plain[i] - base[i] : plain[i] ^ base[i]);
    keys[length - 1 - i] = static_cast<std::uint16_t>(upper[i] | symbol);
  }
}

void differences_kernel(const std::uint8_t* plain, const std::uint8_t* base,
                        const std::uint16_t* upper, std::size_t length, std::uint16_t* keys) {
  group_keys<GroupOperation::difference>(plain, base, upper, length, keys);
}
void exclusives_kernel(const std::uint8_t* plain, const std::uint8_t* base,
                       const std::uint16_t* upper, std::size_t length, std::uint16_t* keys) {
  group_keys<GroupOperation::exclusive_or>(plain, base, upper, length, keys);
}

template <class Number>
void lengths_kernel(const std::uint8_t* plain, const std::uint8_t* base, unsigned shift,
                    SampledLengths& sampled) {
  constexpr int lengths = SampledLengths::lengths;
  constexpr auto magnitude = static_cast<Number>(static_cast<Number>(~Number{0}) >> 1);
  std::array<std::uint16_t, offset_group> constant;
  std::array<std::uint16_t, offset_group> relative;
  int zero = 0;
  if constexpr (sizeof(Number) > 1) zero = group_exponent<Number>(plain, base, shift);
  zero -= SampledLengths::relative_zero;
  for (std::size_t i = 0; i < offset_group; ++i) {
    const auto b = load_number<Number>(base, i);
    const int length = bit_length(difference(load_number<Number>(plain, i), b));
    const auto exponent = static_cast<int>(static_cast<unsigned>(b & magnitude) >> shift);
    const int above = std::clamp(exponent - zero, 0, int{SampledLengths::relatives} - 1);
    constant[i] = static_cast<std::uint16_t>(exponent * lengths + length);
    relative[i] = static_cast<std::uint16_t>(above * lengths + length);
  }
  for (const std::uint16_t at : constant) ++sampled.constant[at];
  for (const std::uint16_t at : relative) ++sampled.relative[at];
}

void lengths1_kernel(const std::uint8_t* plain, const std::uint8_t* base, unsigned shift,
                     SampledLengths& sampled) {
  lengths_kernel<std::uint8_t>(plain, base, shift, sampled);
}
void lengths2_kernel(const std::uint8_t* plain, const std::uint8_t* base, unsigned shift,
                     SampledLengths& sampled) {
  lengths_kernel<std::uint16_t>(plain, base, shift, sampled);
}
void lengths4_kernel(const std::uint8_t* plain, const std::uint8_t* base, unsigned shift,
                     SampledLengths& sampled) {
  lengths_kernel<std::uint32_t>(plain, base, shift, sampled);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace wfs
HWY_AFTER_NAMESPACE();
