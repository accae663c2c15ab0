// How the process keeps the memory it frees.
#pragma once

namespace wfs {

// Blocks come and go by the thousand: their memory stays with the process instead of going back to the kernel,
// which clears each page of it again for every block. All threads take it from two heaps: a heap each would
// keep as much as its thread ever needed at once.
// Call once, before there are threads. Without glibc: nothing.
void keep_freed_memory();

}  // namespace wfs
