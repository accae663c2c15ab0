// How the process keeps the memory it frees.
#pragma once

namespace wfs {

// Blocks come and go by the thousand: their memory stays with the process, up to 64 MiB for each thread that
// frees some, instead of going back to the kernel, which clears each page of it again for every block.
// Call once, before there are threads. Without glibc: nothing.
void keep_freed_memory();

}  // namespace wfs
