#include "codec/delta.h"

#include <cstring>
#include <type_traits>

#include "base/error.h"

namespace wfs {
namespace {

template <class Number>
Number ordered(Number number) noexcept {
  using Signed = std::make_signed_t<Number>;
  constexpr unsigned last = sizeof(Number) * 8 - 1;
  const auto mirror = static_cast<Number>(static_cast<Signed>(number) >> last);
  return static_cast<Number>(number ^ (mirror & static_cast<Number>(Number(~Number{0}) >> 1)));
}

template <class Number>
void subtract_as(Bytes plain, Bytes base, MutableBytes differences) {
  using Signed = std::make_signed_t<Number>;
  constexpr unsigned last = sizeof(Number) * 8 - 1;
  const std::size_t end = plain.size() / sizeof(Number) * sizeof(Number);
#pragma GCC ivdep  // the result may be in the place of an operand, which the compiler must not fear
  for (std::size_t at = 0; at < end; at += sizeof(Number)) {
    Number number, from;
    std::memcpy(&number, plain.data() + at, sizeof number);
    std::memcpy(&from, base.data() + at, sizeof from);
    const auto d = static_cast<Number>(ordered(number) - ordered(from));
    const auto sign = static_cast<Number>(static_cast<Signed>(d) >> last);
    const auto z = static_cast<Number>(static_cast<Number>(d << 1) ^ sign);
    std::memcpy(differences.data() + at, &z, sizeof z);
  }
  if constexpr (sizeof(Number) > 1) {
    subtract_as<std::uint8_t>(plain.subspan(end), base.subspan(end), differences.subspan(end));
  }
}

template <class Number>
void add_as(Bytes differences, Bytes base, MutableBytes plain) {
  const std::size_t end = plain.size() / sizeof(Number) * sizeof(Number);
#pragma GCC ivdep  // the result may be in the place of an operand, which the compiler must not fear
  for (std::size_t at = 0; at < end; at += sizeof(Number)) {
    Number z, from;
    std::memcpy(&z, differences.data() + at, sizeof z);
    std::memcpy(&from, base.data() + at, sizeof from);
    const auto d = static_cast<Number>((z >> 1) ^ static_cast<Number>(0 - (z & 1)));
    const Number number = ordered(static_cast<Number>(ordered(from) + d));
    std::memcpy(plain.data() + at, &number, sizeof number);
  }
  if constexpr (sizeof(Number) > 1) {
    add_as<std::uint8_t>(differences.subspan(end), base.subspan(end), plain.subspan(end));
  }
}

}  // namespace

unsigned token_count(unsigned width) noexcept {
  const unsigned kept = 8 / width;
  return width == 1 ? 256 : (8 * width - kept + 1) << kept;
}

void subtract(Bytes plain, Bytes base, unsigned width, MutableBytes differences) {
  expects(base.size() == plain.size() && differences.size() == plain.size(),
          "a difference is of bytes of one length");
  switch (width) {
    case 1: return subtract_as<std::uint8_t>(plain, base, differences);
    case 2: return subtract_as<std::uint16_t>(plain, base, differences);
    case 4: return subtract_as<std::uint32_t>(plain, base, differences);
    case 8: return subtract_as<std::uint64_t>(plain, base, differences);
    default: expects(false, "numbers of 1, 2, 4 or 8 bytes");
  }
}

void add(Bytes differences, Bytes base, unsigned width, MutableBytes plain) {
  expects(base.size() == plain.size() && differences.size() == plain.size(),
          "a sum is of bytes of one length");
  switch (width) {
    case 1: return add_as<std::uint8_t>(differences, base, plain);
    case 2: return add_as<std::uint16_t>(differences, base, plain);
    case 4: return add_as<std::uint32_t>(differences, base, plain);
    case 8: return add_as<std::uint64_t>(differences, base, plain);
    default: expects(false, "numbers of 1, 2, 4 or 8 bytes");
  }
}

void combine(Bytes coded, Bytes base, GroupOperation operation, MutableBytes plain) {
  expects(base.size() == coded.size() && plain.size() == coded.size(),
          "bytes of one length are combined");
  const std::size_t size = plain.size();
  const std::byte* const x = coded.data();
  const std::byte* const from = base.data();
  std::byte* const to = plain.data();
  if (operation == GroupOperation::exclusive_or) {
#pragma GCC ivdep
    for (std::size_t i = 0; i < size; ++i) to[i] = x[i] ^ from[i];
  } else {
#pragma GCC ivdep
    for (std::size_t i = 0; i < size; ++i) {
      to[i] = static_cast<std::byte>(std::to_integer<unsigned>(x[i]) +
                                     std::to_integer<unsigned>(from[i]));
    }
  }
}

}  // namespace wfs
