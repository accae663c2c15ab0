// How the groups of GGUF's quants are laid out: which of their bytes are of one kind, and so share
// a table. Functions without state.
#pragma once

#include <cstdint>
#include <vector>

#include "codec/tensor.h"

namespace wfs {

// A class for each byte of a group; empty for types without groups.
std::vector<std::uint8_t> group_classes_of(Dtype dtype);

}  // namespace wfs
