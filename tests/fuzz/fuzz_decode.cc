// Input: u8 encoding, u8 dtype, u16 length of the block, payload. Decodes the payload as it is, and
// encodes it as the bytes of a block, which must come back.
#include <algorithm>

#include "base/wire.h"
#include "codec/decode.h"
#include "codec/encode.h"

namespace wfs {
namespace {

void check(Bytes input) {
  if (input.size() < 4) return;
  Cursor cursor(input);
  const auto encoding = static_cast<Encoding>(cursor.number<std::uint8_t>());
  const auto dtype = static_cast<Dtype>(cursor.number<std::uint8_t>() % dtype_count);
  Buffer block(cursor.number<std::uint16_t>());
  const Bytes payload = cursor.take(cursor.left());
  try {
    decode(encoding, payload, {}, block);
  } catch (const Error& error) {
    expects(error.code() == Errc::corrupt, "a payload decodes or is corrupt");
  }

  const Bytes plain = payload.first(std::min<std::size_t>(payload.size(), 64 * 1024));
  const EncodedBlock encoded = encode(plain, dtype);
  expects(encoded.payload.size() <= plain.size(), "no block grows");
  Buffer decoded(plain.size());
  decode(encoded.encoding, encoded.payload, {}, decoded);
  expects(std::equal(plain.begin(), plain.end(), decoded.begin()), "a block comes back");
}

}  // namespace
}  // namespace wfs

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  wfs::check(std::as_bytes(std::span(data, size)));
  return 0;
}
