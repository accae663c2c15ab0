#include "tests/bench/peer_codecs.h"

#include <algorithm>

#include "base/wire.h"
#include "codec/split.h"
#include "codec/tensor.h"
#include "codec/zstd.h"

namespace wfs {
namespace {

template <unsigned width>
void shuffle(const std::byte* from, std::size_t count, std::byte* to) {
  for (unsigned plane = 0; plane < width; ++plane) {
    for (std::size_t i = 0; i < count; ++i) to[plane * count + i] = from[i * width + plane];
  }
}

// All planes of a number at once: the compiler makes byte interleaving of it.
template <unsigned width>
void unshuffle(const std::byte* from, std::size_t count, std::byte* to) {
  for (std::size_t i = 0; i < count; ++i) {
    for (unsigned plane = 0; plane < width; ++plane) {
      to[i * width + plane] = from[plane * count + i];
    }
  }
}

void to_planes(unsigned width, Bytes from, std::byte* to) {
  const std::size_t count = from.size() / width;
  if (width == 8) return shuffle<8>(from.data(), count, to);
  if (width == 4) return shuffle<4>(from.data(), count, to);
  shuffle<2>(from.data(), count, to);
}

void from_planes(unsigned width, const std::byte* from, MutableBytes to) {
  const std::size_t count = to.size() / width;
  if (width == 8) return unshuffle<8>(from, count, to.data());
  if (width == 4) return unshuffle<4>(from, count, to.data());
  unshuffle<2>(from, count, to.data());
}

void exclusive_or(const std::byte* a, const std::byte* b, std::size_t size, std::byte* to) {
  for (std::size_t i = 0; i < size; ++i) to[i] = a[i] ^ b[i];
}

struct Scratch {
  Buffer difference = Buffer(block_size_max);
  Buffer planes = Buffer(block_size_max);
  Buffer frames = Buffer(2 * block_size_max);
};

Scratch& scratch() {
  thread_local Scratch mine;
  return mine;
}

// u8 width; for each plane u32 length and a frame; the bytes behind the last whole number.
std::size_t encode_planes(unsigned width, Bytes plain, MutableBytes out) {
  to_planes(width, plain, scratch().planes.data());
  const std::size_t count = plain.size() / width;
  out[0] = static_cast<std::byte>(width);
  std::size_t at = 1;
  for (unsigned plane = 0; plane < width; ++plane) {
    const Bytes bytes = Bytes(scratch().planes).subspan(plane * count, count);
    const std::size_t size = zstd_compress(bytes, out.subspan(at + 4), ZstdEffort::fast);
    store_le(out.data() + at, static_cast<std::uint32_t>(size));
    at += 4 + size;
  }
  const Bytes rest = plain.subspan(count * width);
  std::copy(rest.begin(), rest.end(), out.begin() + static_cast<std::ptrdiff_t>(at));
  return at + rest.size();
}

void decode_planes(Bytes payload, MutableBytes plain) {
  const auto width = static_cast<unsigned>(payload[0]);
  const std::size_t count = plain.size() / width;
  std::size_t at = 1;
  for (unsigned plane = 0; plane < width; ++plane) {
    const auto size = load_le<std::uint32_t>(payload.data() + at);
    zstd_decompress(payload.subspan(at + 4, size),
                    MutableBytes(scratch().planes).subspan(plane * count, count));
    at += 4 + size;
  }
  from_planes(width, scratch().planes.data(), plain);
  std::copy_n(payload.data() + at, plain.size() - count * width, plain.data() + count * width);
}

}  // namespace

std::string PeerCodec::name() const {
  const std::string codec = planes_ == Planes::apart ? "shuffle + zstd -1" : "zstd -3";
  return difference_ == Difference::exclusive_or ? "xor + " + codec : codec;
}

EncodedBlock PeerCodec::encode(const BlockPair& block) const {
  Scratch& mine = scratch();
  Bytes plain = block.plain;
  if (difference_ == Difference::exclusive_or && !block.base.empty()) {
    exclusive_or(plain.data(), block.base.data(), plain.size(), mine.difference.data());
    plain = Bytes(mine.difference).first(plain.size());
  }
  const unsigned width = width_of(block.dtype);
  const bool apart = planes_ == Planes::apart && width > 1 && plain.size() >= width;
  const std::size_t size = apart ? encode_planes(width, plain, mine.frames)
                                 : zstd_compress(plain, mine.frames, ZstdEffort::normal);
  const Bytes frames = Bytes(mine.frames).first(size);
  return {apart ? Encoding::planes : Encoding::zstd, Buffer(frames.begin(), frames.end())};
}

void PeerCodec::decode(const EncodedBlock& stored, Bytes base, MutableBytes plain) const {
  Scratch& mine = scratch();
  const bool difference = difference_ == Difference::exclusive_or && !base.empty();
  const MutableBytes to = difference ? MutableBytes(mine.difference).first(plain.size()) : plain;
  if (stored.encoding == Encoding::planes) {
    decode_planes(stored.payload, to);
  } else {
    zstd_decompress(stored.payload, to);
  }
  if (difference) exclusive_or(to.data(), base.data(), plain.size(), plain.data());
}

std::vector<PeerCodec> peer_codecs(bool with_base) {
  using Difference = PeerCodec::Difference;
  using Planes = PeerCodec::Planes;
  std::vector<PeerCodec> peers = {{Difference::none, Planes::together},
                                  {Difference::none, Planes::apart}};
  if (with_base) {
    peers.emplace_back(Difference::exclusive_or, Planes::together);
    peers.emplace_back(Difference::exclusive_or, Planes::apart);
  }
  return peers;
}

}  // namespace wfs
