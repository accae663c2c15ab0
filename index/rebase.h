// Shortens the chains of deltas of contents that are read often: their blocks are encoded anew against the
// first ancestor, or alone, in a new pack. A base is taken from a block's own chain only, so no block can
// become its own ancestor; the old records stay where they are, and who reads them goes on.
// One caller at a time, and not while contents are packed.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/pool.h"
#include "index/repository.h"

namespace wfs {

struct Rebased {
  std::uint64_t contents = 0;
  std::uint64_t blocks = 0;
  std::uint64_t stored_bytes = 0;  // payloads appended
};

// Every block of a packed content is at most one delta deep afterwards, or as deep as it was when its
// ancestor has no such bytes. Each pack and the rows that it moves are one transaction.
Rebased rebase(Repository& repository, Pool& pool, const ContentId& content,
               const std::atomic<bool>& stop);

// Rebases the contents that a tip of a branch names and that were decoded more than twice over at a depth
// of more than one.
Rebased rebase_hot(Repository& repository, Pool& pool, const std::atomic<bool>& stop);

}  // namespace wfs
