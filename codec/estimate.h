// Cheap guesses of how bytes will compress, from a quarter of them. Functions without state.
#pragma once

#include "base/bytes.h"

namespace wfs {

struct Estimate {
  double bits = 8;      // entropy of a byte on its own
  double repeated = 0;  // share of places whose 8 bytes were seen shortly before
};

Estimate estimate(Bytes bytes);

}  // namespace wfs
