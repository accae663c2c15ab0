#include "codec/encode_scratch.h"

namespace wfs {

EncodeScratch& encode_scratch() {
  thread_local EncodeScratch scratch;
  return scratch;
}

}  // namespace wfs
