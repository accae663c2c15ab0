#include "codec/rans_encode.h"

#include <algorithm>

#include "base/wire.h"

// One copy of the kernels for each instruction set; the best that the processor has is called.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "codec/rans_encode.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "codec/rans_encode_kernels.h"

#if HWY_ONCE
namespace wfs {
namespace {

HWY_EXPORT(push_bytes_kernel);
HWY_EXPORT(push_keys_kernel);
HWY_EXPORT(push_plane_keys_kernel);
HWY_EXPORT(push_tokens2_kernel);
HWY_EXPORT(push_tokens4_kernel);
HWY_EXPORT(reverse_kernel);

}  // namespace

void clear(KeyTable& table, unsigned bits) noexcept {
  table.fill(1U << bits);
}

void set_class(KeyTable& table, std::size_t class_index, const Frequencies& frequencies,
               unsigned width) noexcept {
  std::uint32_t start = 0;
  for (std::size_t s = 0; s < rans_symbols; ++s) {
    const auto high = static_cast<std::uint32_t>(s) >> (8 / width);
    const std::uint32_t low_bits = high > 1 ? high - 1 : 0;
    table[class_index * rans_symbols + s] =
        frequencies[s] | low_bits << entry_low_bits_at | start << 16;
    start += frequencies[s];
  }
}

RansEncoder::RansEncoder() : words_(words_max) {
  begin();
}

void RansEncoder::begin() noexcept {
  states_.fill(rans_low);
  used_ = 0;
}

void RansEncoder::push_bytes(Bytes plane, const KeyTable& table) noexcept {
  const auto* from = reinterpret_cast<const std::uint8_t*>(plane.data());
  const std::size_t whole = plane.size() / rans_states * rans_states;
  if (whole != plane.size()) {
    std::array<std::uint16_t, rans_states> last;
    last.fill(key_none);
    for (std::size_t i = whole; i < plane.size(); ++i) {
      last[rans_states - 1 - (i - whole)] = from[i];
    }
    used_ += HWY_DYNAMIC_DISPATCH(push_plane_keys_kernel)(last.data(), last.size(), table.data(),
                                                          states_.data(), words_.data() + used_);
  }
  used_ += HWY_DYNAMIC_DISPATCH(push_bytes_kernel)(from, whole, table.data(), states_.data(),
                                                   words_.data() + used_);
}

void RansEncoder::push_keys(std::span<const std::uint16_t> keys, const KeyTable& table) noexcept {
  used_ += HWY_DYNAMIC_DISPATCH(push_keys_kernel)(keys.data(), keys.size(), table.data(),
                                                  states_.data(), words_.data() + used_);
}

void RansEncoder::push_tokens(std::span<const std::uint16_t> keys, const std::uint16_t* differences,
                              const KeyTable& table) noexcept {
  used_ += HWY_DYNAMIC_DISPATCH(push_tokens2_kernel)(
      keys.data(), differences, keys.size(), table.data(), states_.data(), words_.data() + used_);
}

void RansEncoder::push_tokens(std::span<const std::uint16_t> keys, const std::uint32_t* differences,
                              const KeyTable& table) noexcept {
  used_ += HWY_DYNAMIC_DISPATCH(push_tokens4_kernel)(
      keys.data(), differences, keys.size(), table.data(), states_.data(), words_.data() + used_);
}

void RansEncoder::append_stream(Buffer& to) {
  HWY_DYNAMIC_DISPATCH(reverse_kernel)(words_.data(), used_);
  std::reverse(states_.begin(), states_.end());
  append_le(to, static_cast<std::uint32_t>(used_));
  append_bytes(to, std::as_bytes(std::span(states_)));
  append_bytes(to, std::as_bytes(std::span(words_.data(), used_)));
}

}  // namespace wfs
#endif  // HWY_ONCE
