// What others do with a block: zstd, byte planes with zstd, and both behind an exclusive or with
// the base, where there is one. One thread.
#pragma once

#include <string>
#include <vector>

#include "codec/encoding.h"
#include "tests/bench/blocks_of_files.h"

namespace wfs {

class PeerCodec {
 public:
  enum class Difference { none, exclusive_or };
  enum class Planes { together, apart };  // zstd -3 of all bytes; zstd -1 of each plane

  PeerCodec(Difference difference, Planes planes) : difference_(difference), planes_(planes) {}

  std::string name() const;
  EncodedBlock encode(const BlockPair& block) const;
  void decode(const EncodedBlock& stored, Bytes base, MutableBytes plain) const;

 private:
  Difference difference_;
  Planes planes_;
};

std::vector<PeerCodec> peer_codecs(bool with_base);

}  // namespace wfs
