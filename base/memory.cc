#include "base/memory.h"

#include <malloc.h>

namespace wfs {

void keep_freed_memory([[maybe_unused]] unsigned bytes) {
#ifdef __GLIBC__
  constexpr int mapped_from = 32 << 20;  // the most there is
  ::mallopt(M_MMAP_THRESHOLD, mapped_from);
  ::mallopt(M_TRIM_THRESHOLD, static_cast<int>(bytes));
#endif
}

}  // namespace wfs
