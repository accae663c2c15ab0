// All blocks of a file, each with the bytes of a second file that it may be stored as a difference
// from: those of the tensor of the same name and type; in files without tensors, those at the same
// place. Small files are held several times, so that a pass over them takes long enough to measure.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "codec/layout.h"
#include "codec/split.h"

namespace wfs {

// Writes back and drops what caches hold of `bytes`, so that it is read from memory next.
void leave_caches(Bytes bytes) noexcept;

struct BlockPair {
  Bytes plain;
  Bytes base;  // as long as plain, or empty
  Dtype dtype = Dtype::opaque;
};

class BlocksOfFiles {
 public:
  // `base` is a path, or empty.
  BlocksOfFiles(const std::string& file, const std::string& base);
  BlocksOfFiles(const BlocksOfFiles&) = delete;
  BlocksOfFiles& operator=(const BlocksOfFiles&) = delete;

  void leave_caches() const noexcept;

  const std::vector<BlockPair>& pairs() const noexcept { return pairs_; }
  Format format() const noexcept { return format_; }
  std::uint64_t copies() const noexcept { return copies_; }
  std::uint64_t bytes() const noexcept { return file_.size(); }  // of all copies
  std::uint64_t bytes_with_base() const noexcept { return bytes_with_base_; }
  double split_mbps() const noexcept { return split_mbps_; }

 private:
  Buffer file_, base_;
  std::vector<BlockPair> pairs_;
  Format format_ = Format::opaque;
  std::uint64_t copies_ = 1;
  std::uint64_t bytes_with_base_ = 0;
  double split_mbps_ = 0;
};

}  // namespace wfs
