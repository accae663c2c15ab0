#include "index/tensor_report.h"

#include <nlohmann/json.hpp>
#include <optional>


namespace wfs {
namespace {

// A file may claim millions of tensors; real ones have thousands.
constexpr std::size_t tensors_max = 20'000;

}  // namespace

struct TensorReport::State {
  explicit State(const Layout& of) : layout(of) {}

  const Layout& layout;
  std::size_t at = 0;  // the segment that is being read
  std::optional<HealthMeter> meter;
  nlohmann::json tensors = nlohmann::json::array();
};

TensorReport::TensorReport(const Layout& layout) : state_(std::make_unique<State>(layout)) {}

TensorReport::~TensorReport() = default;

void TensorReport::add(std::uint64_t offset, const HealthMeter& block) {
  const auto& segments = state_->layout.segments;
  while (state_->at < segments.size() && segments[state_->at].range.end() <= offset) next();
  if (state_->at == segments.size() || state_->tensors.size() >= tensors_max) return;
  if (!segments[state_->at].tensor) return;
  if (state_->meter) {
    state_->meter->merge(block);
  } else {
    state_->meter = block;
  }
}

std::string TensorReport::finish() {
  while (state_->at < state_->layout.segments.size()) next();
  if (state_->tensors.empty()) return "";
  // Names are whatever bytes a file has.
  return nlohmann::json{{"tensors", state_->tensors}}.dump(
      -1, ' ', true, nlohmann::json::error_handler_t::replace);
}

void TensorReport::next() {
  if (state_->meter) {
    const Health health = state_->meter->finish();
    state_->tensors.push_back({{"name", state_->layout.segments[state_->at].tensor->name},
                               {"count", health.count},
                               {"nan", health.nan},
                               {"inf", health.inf},
                               {"min", health.min},
                               {"max", health.max},
                               {"l2", health.l2}});
    state_->meter.reset();
  }
  ++state_->at;
}

}  // namespace wfs
