// Decodes what a sequential reader will want next, on threads of its own, so that the reader waits
// for bytes and not for decoding. It only fills the cache of blocks: a wrong guess costs time,
// never correctness, and no read waits for it. One ReadAhead a handle; any thread.
#pragma once

#include <cstdint>
#include <memory>

#include "base/guarded.h"
#include "base/pool.h"
#include "index/contents.h"

namespace wfs {

class ReadAhead {
 public:
  // `window_max` is how far it runs ahead at most, in bytes.
  ReadAhead(std::shared_ptr<const PackedContent> content, Pool& pool, std::uint64_t window_max)
      : content_(std::move(content)), pool_(pool), window_max_(window_max) {}

  // One of these for `source`; null when there is nothing to decode in it.
  static std::unique_ptr<ReadAhead> over(const std::shared_ptr<const ByteSource>& source,
                                         Pool& pool, std::uint64_t window_max);

  // A read of `wanted` arrived.
  void note(Range wanted);

  // How far it runs ahead now; 0: the reads are not sequential.
  std::uint64_t window() { return state_.lock()->window; }

 private:
  struct State {
    std::uint64_t end = 0;  // of the furthest read of the run
    std::uint64_t window = 0;
    std::uint64_t asked = 0;  // everything before it was asked for
    unsigned run = 0;         // reads that followed one another
  };

  // What to decode now that `wanted` was read.
  Range next(Range wanted);

  std::shared_ptr<const PackedContent> content_;
  Pool& pool_;
  std::uint64_t window_max_;
  Guarded<State> state_;
};

}  // namespace wfs
