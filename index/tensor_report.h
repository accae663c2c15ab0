// The health of a content's tensors as JSON, gathered block by block while it is packed:
// {"tensors": [{"name", "count", "nan", "inf", "min", "max", "l2"}, ...]}. One thread.
#pragma once

#include <memory>
#include <string>

#include "codec/layout.h"
#include "codec/tensor_health.h"

namespace wfs {

class TensorReport {
 public:
  // Requires: `layout` outlives the report.
  explicit TensorReport(const Layout& layout);
  ~TensorReport();

  // What was measured in the block at `offset` of the content. Requires: the blocks in order.
  void add(std::uint64_t offset, const HealthMeter& block);

  // Empty when there is nothing to say.
  std::string finish();

 private:
  struct State;
  void next();

  std::unique_ptr<State> state_;
};

}  // namespace wfs
