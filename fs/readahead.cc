#include "fs/readahead.h"

#include <algorithm>

#include "base/error.h"

namespace wfs {
namespace {

constexpr std::uint64_t window_first_bytes = 1 << 20;
// The kernel sends several reads of one reader at a time and they are served in any order: a read
// this near to the run belongs to it.
constexpr std::uint64_t near_bytes = 4 << 20;
constexpr unsigned run_min = 2;

}  // namespace

std::unique_ptr<ReadAhead> ReadAhead::over(const std::shared_ptr<const ByteSource>& source,
                                           Pool& pool, std::uint64_t window_max) {
  auto content = std::dynamic_pointer_cast<const PackedContent>(source);
  if (!content || window_max < window_first_bytes) return nullptr;
  return std::make_unique<ReadAhead>(std::move(content), pool, window_max);
}

Range ReadAhead::next(Range wanted) {
  auto state = state_.lock();
  const bool near =
      wanted.offset <= state->end + near_bytes && wanted.end() + near_bytes >= state->end;
  if (!near) {
    *state = State{.end = wanted.end(), .window = 0, .asked = wanted.end(), .run = 0};
    return {};
  }
  if (wanted.end() <= state->end) return {};
  state->end = wanted.end();
  if (++state->run < run_min) return {};
  state->window = std::clamp(state->window * 2, window_first_bytes, window_max_);
  const std::uint64_t from = std::max(state->asked, state->end);
  const std::uint64_t to = std::min(state->end + state->window, content_->size());
  // Half a window at a time, so that not every read makes the threads look for work.
  if (to <= from || (to - from < state->window / 2 && to < content_->size())) return {};
  state->asked = to;
  return Range{from, to - from};
}

void ReadAhead::note(Range wanted) {
  const Range ahead = next(wanted);
  if (ahead.empty()) return;
  const auto [first, last] = content_->map().blocks_of(ahead);
  for (std::size_t i = first; i < last; ++i) {
    if (content_->blocks().cached(content_->map().blocks()[i].id)) continue;
    const bool queued = pool_.try_submit([content = content_, i] {
      try {
        content->blocks().load(content->map().blocks()[i]);
      } catch (const std::exception&) {
        // The read that wants the block meets the same failure and answers for it.
      }
    });
    if (!queued) return;
  }
}

}  // namespace wfs
