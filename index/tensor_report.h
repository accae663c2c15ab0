// The health of a content's tensors as JSON, gathered block by block while it is packed:
// {"tensors": [{"name", "count", "nan", "inf", "min", "max", "l2"}, ...]}. One thread.
#pragma once

#include <memory>
#include <string>

#include "base/bytes.h"
#include "codec/layout.h"

namespace wfs {

class TensorReport {
 public:
  // Requires: `layout` outlives the report.
  explicit TensorReport(const Layout& layout);
  ~TensorReport();

  // Requires: the blocks of a content, in order.
  void add(std::uint64_t offset, Bytes plain);

  // Empty when there is nothing to say.
  std::string finish();

 private:
  struct State;
  void next();

  std::unique_ptr<State> state_;
};

}  // namespace wfs
