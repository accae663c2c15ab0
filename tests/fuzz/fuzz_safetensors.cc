#include "tests/fuzz/check_layout.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  wfs::check_layout(std::as_bytes(std::span(data, size)), wfs::parse_safetensors);
  return 0;
}
