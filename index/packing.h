// From staging to packs: encodes what was committed, in the background, and drops the staged bytes.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/pool.h"
#include "index/repository.h"

namespace wfs {

struct Packed {
  std::uint64_t contents = 0;
  std::uint64_t plain_bytes = 0;
  std::uint64_t stored_bytes = 0;  // payloads appended
  std::uint64_t failed = 0;        // contents left in staging: damaged there
};

// Packs every content that is staged now, and the records of the commits and trees not in a pack yet.
// Each pack is sealed and durable before one transaction names it; a crash leaves at worst an unnamed
// pack. A StagedFile that is held goes on reading from the pack. Stops early, with what is done kept, when
// `stop` becomes true. One caller at a time.
Packed pack_pending(Repository& repository, Pool& pool, const std::atomic<bool>& stop);

}  // namespace wfs
