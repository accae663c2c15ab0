// Decodes what sequential readers of a handle will want next, on threads of its own, so that they wait
// for bytes and not for decoding. It only fills the cache of blocks: a wrong guess costs time,
// never correctness, and no read waits for it. One ReadAhead a handle; any thread.
#pragma once

#include <cstdint>
#include <memory>

#include "base/guarded.h"
#include "base/pool.h"
#include "fs/streams.h"
#include "index/contents.h"

namespace wfs {

class ReadAhead {
 public:
  // Shorter contents are decoded before anybody could be ahead of their reader.
  static constexpr std::uint64_t file_bytes_min = Streams::window_first_bytes;

  // `window_max` is how far it runs ahead at most, in bytes.
  ReadAhead(std::shared_ptr<const PackedContent> content, Pool& pool, std::uint64_t window_max)
      : content_(std::move(content)),
        pool_(pool),
        streams_(std::in_place, content_->size(), window_max) {}

  // One of these for `source`; null when there is nothing to decode in it, or little.
  static std::unique_ptr<ReadAhead> over(const std::shared_ptr<const ByteSource>& source,
                                         Pool& pool, std::uint64_t window_max);

  // A read of `wanted` arrived.
  void note(Range wanted);

  // How far it runs ahead of the last read; 0: that was not sequential.
  std::uint64_t window() { return streams_.lock()->window(); }

 private:
  std::shared_ptr<const PackedContent> content_;
  Pool& pool_;
  Guarded<Streams> streams_;
};

}  // namespace wfs
