#include "codec/encoding.h"

namespace wfs {

std::string_view name_of(Encoding encoding) noexcept {
  switch (encoding) {
    case Encoding::raw:
      return "raw";
    case Encoding::fill:
      return "fill";
    case Encoding::zstd:
      return "zstd";
    case Encoding::planes:
      return "planes";
    case Encoding::delta:
      return "delta";
  }
  return "unknown";
}

}  // namespace wfs
