// Input: u8 encoding, u8 dtype, u16 length of the block, payload. Decodes the payload against a base
// made from its own bytes, with every kind of vectors, which must agree; and encodes it as the bytes of a
// block, which must come back. Highest bit of the dtype: a base of one byte less.
#include <algorithm>
#include <optional>

#include "base/wire.h"
#include "codec/decode.h"
#include "codec/encode.h"
#include "codec/simd.h"

namespace wfs {
namespace {

std::optional<Buffer> decoded(Encoding encoding, Bytes payload, Bytes base, std::size_t size,
                              std::size_t wanted) {
  Buffer block(size);
  try {
    decode_front(encoding, payload, base, block, wanted);
  } catch (const Error& error) {
    expects(error.code() == Errc::corrupt, "a payload decodes or is corrupt");
    return std::nullopt;
  }
  return block;
}

void check_decoding(Encoding encoding, Bytes payload, Bytes base, std::size_t size) {
  std::optional<Buffer> first;
  for (const std::string_view kind : simd_kinds()) {
    force_simd(kind);
    const auto block = decoded(encoding, payload, base, size, size);
    if (kind == simd_kinds().front()) first = block;
    expects(block == first, "every kind of vectors decodes alike");
    const std::size_t wanted = size / 3;
    const auto front = decoded(encoding, payload, base, size, wanted);
    expects(!block || (front && std::equal(front->begin(),
                                           front->begin() + static_cast<std::ptrdiff_t>(wanted),
                                           block->begin())),
            "the front of a block is that of the whole");
  }
  force_simd({});
}

void check(Bytes input) {
  if (input.size() < 4) return;
  Cursor cursor(input);
  const auto encoding = static_cast<Encoding>(cursor.number<std::uint8_t>());
  const auto type = cursor.number<std::uint8_t>();
  const auto dtype = static_cast<Dtype>((type & 0x7f) % dtype_count);
  const std::size_t size = cursor.number<std::uint16_t>();
  const Bytes payload = cursor.take(cursor.left());
  Buffer base(size - (size > 0 && type >= 0x80 ? 1 : 0), std::byte{0x3d});
  for (std::size_t i = 0; i < std::min(base.size(), payload.size()); ++i) {
    base[i] = payload[payload.size() - 1 - i];
  }
  check_decoding(encoding, payload, base, size);

  const Bytes plain = payload.first(std::min<std::size_t>(payload.size(), 64 * 1024));
  Buffer near(plain.begin(), plain.end());
  for (std::size_t i = 0; i < near.size(); i += 5) near[i] ^= std::byte{1};
  for (const Bytes from : {Bytes(), Bytes(near)}) {
    const EncodedBlock encoded = encode(plain, dtype, from);
    expects(encoded.payload.size() <= plain.size(), "no block grows");
    const Bytes used = encoded.encoding == Encoding::delta ? from : Bytes();
    const auto block = decoded(encoded.encoding, encoded.payload, used, plain.size(), plain.size());
    expects(block && std::equal(plain.begin(), plain.end(), block->begin()), "a block comes back");
  }
}

}  // namespace
}  // namespace wfs

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  wfs::check(std::as_bytes(std::span(data, size)));
  return 0;
}
