// Which vectors the codec works with. It takes the widest the machine has; every kind reads and
// writes the same bytes, which is why tests and benchmarks force each of them. Forcing is for the
// whole process and not for use while another thread encodes or decodes.
#pragma once

#include <string_view>
#include <vector>

namespace wfs {

// The kinds this machine can run: the fastest first, and last what every one of its architecture can:
// "portable", or "neon" on ARM.
std::vector<std::string_view> simd_kinds();

// The kind in use.
std::string_view simd_kind();

// Throws: Errc::invalid when the machine cannot run it. An empty name: the fastest.
void force_simd(std::string_view kind);

}  // namespace wfs
