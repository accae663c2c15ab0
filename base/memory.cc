#include "base/memory.h"

#include <malloc.h>

namespace wfs {

void keep_freed_memory() {
#ifdef __GLIBC__
  constexpr int mapped_from = 32 << 20;  // the most there is
  constexpr int kept = 64 << 20;
  constexpr int arenas = 2;
  ::mallopt(M_MMAP_THRESHOLD, mapped_from);
  ::mallopt(M_TRIM_THRESHOLD, kept);
  ::mallopt(M_ARENA_MAX, arenas);
#endif
}

}  // namespace wfs
