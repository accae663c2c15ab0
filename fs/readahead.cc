#include "fs/readahead.h"

namespace wfs {
namespace {

// What one thread decodes at a time: about as much as the pack is read by at once.
constexpr std::uint64_t run_bytes = 1 << 20;

}  // namespace

std::unique_ptr<ReadAhead> ReadAhead::over(const std::shared_ptr<const ByteSource>& source,
                                           Pool& pool, std::uint64_t window_max) {
  auto content = std::dynamic_pointer_cast<const PackedContent>(source);
  if (!content || content->size() < file_bytes_min || window_max < Streams::window_first_bytes) {
    return nullptr;
  }
  return std::make_unique<ReadAhead>(std::move(content), pool, window_max);
}

void ReadAhead::note(Range wanted) {
  const Range ahead = streams_.lock()->next(wanted);
  if (ahead.empty()) return;
  const SegmentMap& map = content_->map();
  const auto [first, last] = map.blocks_of(ahead);
  for (std::size_t from = first; from < last;) {
    std::size_t to = from + 1;
    while (to < last && map.offset_of(to + 1) - map.offset_of(from) <= run_bytes) ++to;
    const bool queued = pool_.try_submit([content = content_, from, to] {
      // The read that wants a block that cannot be read meets the same failure and answers for it.
      content->blocks().load_run(content->map(), from, to);
    });
    if (!queued) return;
    from = to;
  }
}

}  // namespace wfs
