#include "codec/decode.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/wire.h"
#include "codec/delta.h"
#include "codec/planes.h"
#include "codec/split.h"
#include "codec/zstd.h"

namespace wfs {
namespace {

void decode_raw(Bytes payload, MutableBytes plain) {
  if (payload.size() != plain.size()) fail(Errc::corrupt, "a raw block of another length");
  if (!plain.empty()) std::memcpy(plain.data(), payload.data(), plain.size());
}

void decode_fill(Bytes pattern, MutableBytes plain) {
  const std::size_t size = pattern.size();
  if ((size != 1 && size != 2 && size != 4 && size != 8) || size > plain.size()) {
    fail(Errc::corrupt, "a fill block with a wrong pattern");
  }
  std::memcpy(plain.data(), pattern.data(), size);
  // Doubles what is there until all is.
  for (std::size_t done = size; done < plain.size();) {
    const std::size_t more = std::min(done, plain.size() - done);
    std::memcpy(plain.data() + done, plain.data(), more);
    done += more;
  }
}

struct PlaneEntry {
  PlaneForm form;
  std::uint32_t length;
};

// Gives where the bytes of a plane are: in the payload itself, or in `scratch` after decoding
// there.
const std::byte* decode_plane(PlaneForm form, Bytes stored, MutableBytes scratch) {
  switch (form) {
    case PlaneForm::raw:
      if (stored.size() != scratch.size()) fail(Errc::corrupt, "a raw plane of another length");
      return stored.data();
    case PlaneForm::fill:
      if (stored.size() != 1) fail(Errc::corrupt, "a fill plane of more than a byte");
      std::fill(scratch.begin(), scratch.end(), stored[0]);
      return scratch.data();
    case PlaneForm::zstd:
      zstd_decompress(stored, scratch);
      return scratch.data();
  }
  fail(Errc::corrupt, "a plane of an unknown form");
}

void decode_planes(Bytes payload, MutableBytes plain) {
  Cursor cursor(payload);
  const auto head = cursor.number<std::uint8_t>();
  const auto rotation = (head & planes_rotated) != 0 ? Rotation::upper_half : Rotation::none;
  const std::size_t width = head & ~planes_rotated & 0xff;
  if (width != 2 && width != 4 && width != 8) fail(Errc::corrupt, "planes of an unknown width");
  const std::size_t count = plain.size() / width;
  if (count == 0) fail(Errc::corrupt, "planes of a block without a whole number");

  std::array<PlaneEntry, planes_width_max> entries{};
  for (std::size_t k = 0; k < width; ++k) {
    entries[k].form = static_cast<PlaneForm>(cursor.number<std::uint8_t>());
    entries[k].length = cursor.number<std::uint32_t>();
  }
  thread_local Buffer scratch;
  expects(plain.size() <= block_size_max, "a block is at most a block long");
  scratch.resize(block_size_max);
  std::array<const std::byte*, planes_width_max> planes{};
  for (std::size_t k = 0; k < width; ++k) {
    planes[k] = decode_plane(entries[k].form, cursor.take(entries[k].length),
                             MutableBytes(scratch).subspan(k * count, count));
  }
  const Bytes rest = cursor.take(plain.size() - count * width);
  if (!cursor.at_end()) fail(Errc::corrupt, "planes with bytes left over");
  merge_planes({planes.data(), width}, rotation, plain);
  if (!rest.empty()) std::memcpy(plain.data() + count * width, rest.data(), rest.size());
}

void decode_delta(Bytes payload, Bytes base, MutableBytes plain) {
  if (base.size() != plain.size()) fail(Errc::corrupt, "a delta against a base of another length");
  Cursor cursor(payload);
  const auto form = static_cast<DeltaForm>(cursor.number<std::uint8_t>());
  if (form != DeltaForm::planes) fail(Errc::corrupt, "a delta of an unknown form");
  const auto width = cursor.number<std::uint8_t>();
  if (width != 2 && width != 4 && width != 8) fail(Errc::corrupt, "a delta of an unknown width");
  decode_planes(cursor.take(cursor.left()), plain);
  add(plain, base, width, plain);
}

}  // namespace

void decode(Encoding encoding, Bytes payload, Bytes base, MutableBytes plain) {
  switch (encoding) {
    case Encoding::raw:
      return decode_raw(payload, plain);
    case Encoding::fill:
      return decode_fill(payload, plain);
    case Encoding::zstd:
      return zstd_decompress(payload, plain);
    case Encoding::planes:
      return decode_planes(payload, plain);
    case Encoding::delta:
      return decode_delta(payload, base, plain);
  }
  fail(Errc::corrupt, cat("encoding ", static_cast<unsigned>(encoding), " is not known"));
}

void decode_front(Encoding encoding, Bytes payload, Bytes base, MutableBytes plain,
                  std::size_t wanted) {
  expects(wanted <= plain.size(), "no more is wanted than there is");
  decode(encoding, payload, base, plain);
}

}  // namespace wfs
