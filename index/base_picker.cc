#include "index/base_picker.h"

#include <algorithm>

#include "base/error.h"
#include "base/log.h"
#include "index/base_names.h"

namespace wfs {
namespace {

constexpr std::size_t segments_sampled_max = 8;
constexpr std::uint64_t sampled_bytes_min = 1 << 20;  // shorter files are encoded sooner than compared
constexpr std::size_t files_by_name_max = 16;
constexpr std::uint64_t tensor_bytes_min = 4096;      // shorter ones are not worth a search
constexpr double tie = 0.2;                           // distances that say nothing
constexpr double distance_same = 1;                   // nothing nearer is looked for

// Storages that nothing is known of are named by numbers, which say nothing in another file.
bool has_name(const Segment& segment) {
  return segment.tensor && segment.tensor->dtype != Dtype::opaque;
}

struct Likeness {
  bool known = false;
  bool related = true;
  double distance = 0;
};

// Compares some tensors that `file` has as well.
Likeness likeness_of(const ByteSource& bytes, const Layout& layout, const BaseFile& file,
                     const std::function<bool(std::size_t segment)>& wanted) {
  std::vector<std::pair<std::size_t, std::size_t>> pairs;
  for (std::size_t i = 0; i < layout.segments.size(); ++i) {
    if (!is_sampled(layout.segments[i]) || !wanted(i)) continue;
    const auto at = file.match(layout, i);
    if (at && is_sampled(file.layout().segments[*at])) pairs.emplace_back(i, *at);
  }
  std::vector<double> distances;
  const std::size_t step = std::max<std::size_t>(1, pairs.size() / segments_sampled_max);
  for (std::size_t i = 0; i < pairs.size(); i += step) {
    const auto distance =
        distance_of(bytes, layout.segments[pairs[i].first], file.bytes(),
                    file.layout().segments[pairs[i].second]);
    if (distance) distances.push_back(*distance);
  }
  if (distances.empty()) return {};
  std::sort(distances.begin(), distances.end());
  double sum = 0;
  for (const double distance : distances) sum += distance;
  // Moments of an optimizer may be noise while others are not.
  return {true, distances[distances.size() / 4] < distance_far,
          sum / static_cast<double>(distances.size())};
}

}  // namespace

std::vector<std::shared_ptr<const BlockBase>> BasePlan::bases_of(const PlainBlock& block) const {
  const auto& segments = layout_.segments;
  const auto behind = std::upper_bound(
      segments.begin(), segments.end(), block.range.offset,
      [](std::uint64_t offset, const Segment& segment) { return offset < segment.range.offset; });
  if (behind == segments.begin()) return {};
  const auto& chosen = by_segment_[static_cast<std::size_t>(behind - segments.begin()) - 1];
  if (!chosen.file) return {};
  auto base = chosen.file->base_at(chosen.segment, *(behind - 1), block.range);
  if (!base) return {};
  base->reason = chosen.reason;
  return bases_over(*base, static_cast<std::uint32_t>(block.range.length), block.dtype, policy_);
}

BasePicker::BasePicker(Repository& repository, const PackSession& session, ContentUses uses)
    : repository_(repository),
      uses_(std::move(uses)),
      files_(repository, session),
      trees_(repository.catalog()) {}

void BasePicker::sort(std::vector<ContentRow>& contents) const {
  static const ContentUse unknown;
  const auto use_of = [&](const ContentRow& row) -> const ContentUse& {
    const auto at = uses_.find(row.id);
    return at == uses_.end() ? unknown : at->second;
  };
  std::stable_sort(contents.begin(), contents.end(), [&](const ContentRow& a, const ContentRow& b) {
    const ContentUse &use_a = use_of(a), &use_b = use_of(b);
    if (use_a.order != use_b.order) return use_a.order < use_b.order;
    return natural_less(use_a.path, use_b.path);
  });
}

BasePlan BasePicker::plan(const ContentId& id, const ByteSource& bytes, const Layout& layout,
                          const std::vector<TensorSketch>& sketches) {
  const BasePolicy& policy = repository_.settings().delta;
  BasePlan plan(layout, policy);
  const auto use = uses_.find(id);
  if (policy.depth_max == 0 || bytes.size() == 0) return plan;
  if (use != uses_.end()) {
    use_paths(id, use->second, bytes, layout, plan);
    use_names(id, use->second, bytes, layout, plan);
  }
  if (!sketches.empty()) use_values(id, layout, sketches, plan);
  return plan;
}

void BasePicker::add_candidate(const ContentId& id, const ContentId& base, BaseReason reason,
                               const ByteSource& bytes, const Layout& layout,
                               std::vector<Candidate>& to) {
  if (base == id) return;
  auto file = files_.open(base);
  if (!file) return;
  Candidate candidate{std::move(file), reason, std::nullopt};
  if (bytes.size() >= sampled_bytes_min) {
    const Likeness likeness =
        likeness_of(bytes, layout, *candidate.file, [](std::size_t) { return true; });
    if (!likeness.related) return;
    if (likeness.known) candidate.distance = likeness.distance;
  }
  // Before the first that is clearly farther.
  auto at = to.begin();
  while (at != to.end() && !(candidate.distance && at->distance && *candidate.distance + tie < *at->distance)) {
    ++at;
  }
  to.insert(at, std::move(candidate));
}

void BasePicker::use_paths(const ContentId& id, const ContentUse& use, const ByteSource& bytes,
                           const Layout& layout, BasePlan& plan) {
  std::vector<Candidate> candidates;
  for (const ContentId& before : use.before) {
    add_candidate(id, before, BaseReason::parent, bytes, layout, candidates);
  }
  for (const ContentId& sibling : trees_.siblings(use)) {
    if (std::find(use.before.begin(), use.before.end(), sibling) != use.before.end()) continue;
    add_candidate(id, sibling, BaseReason::sibling, bytes, layout, candidates);
  }
  for (const Candidate& candidate : candidates) take(candidate, layout, plan);
}

// For tensors that no path leads to: files that were split otherwise, renamed or copied.
void BasePicker::use_names(const ContentId& id, const ContentUse& use, const ByteSource& bytes,
                           const Layout& layout, BasePlan& plan) {
  const auto open = [&](std::size_t i) {
    const Segment& segment = layout.segments[i];
    return has_name(segment) && segment.range.length >= tensor_bytes_min &&
           !plan.by_segment_[i].file;
  };
  std::size_t opened = 0;
  for (const ContentId& other : trees_.others(use)) {
    bool any = false;
    for (std::size_t i = 0; i < layout.segments.size() && !any; ++i) any = open(i);
    if (!any || opened == files_by_name_max) return;
    if (other == id) continue;
    auto file = files_.open(other);
    if (!file) continue;
    ++opened;
    const Likeness likeness = likeness_of(bytes, layout, *file, open);
    if (!likeness.known || !likeness.related) continue;
    take({std::move(file), BaseReason::name, likeness.distance}, layout, plan);
  }
}

// For tensors that nothing leads to, or only a name that is also used for something else.
void BasePicker::use_values(const ContentId& id, const Layout& layout,
                            const std::vector<TensorSketch>& sketches, BasePlan& plan) {
  std::vector<bool> sketched(layout.segments.size());
  bool any = false;
  for (const TensorSketch& sketch : sketches) {
    const auto& chosen = plan.by_segment_[sketch.segment];
    const double enough = chosen.reason == BaseReason::name ? distance_same : distance_near;
    any = any || !chosen.file || chosen.distance > enough;
    sketched[sketch.segment] = true;
  }
  if (!any) return;
  const auto similar = repository_.catalog().read(
      [&](Database& database) { return find_similar(database, layout, sketches); });
  for (const SimilarTensor& found : similar) {
    auto& chosen = plan.by_segment_[found.segment];
    // What was not sketched has the distance of its model.
    const double enough = sketched[found.segment] ? found.distance + tie : distance_near;
    if (chosen.file && chosen.distance <= enough) continue;
    if (found.content == id) continue;
    auto file = files_.open(found.content);
    if (!file || !file->can_be_base(found.base_segment, layout.segments[found.segment])) continue;
    chosen = {std::move(file), found.base_segment, BaseReason::similar, found.distance};
  }
}

void BasePicker::take(const Candidate& candidate, const Layout& layout, BasePlan& plan) {
  for (std::size_t i = 0; i < layout.segments.size(); ++i) {
    if (plan.by_segment_[i].file) continue;
    if (candidate.reason == BaseReason::name && !has_name(layout.segments[i])) continue;
    if (const auto at = candidate.file->match(layout, i)) {
      plan.by_segment_[i] = {candidate.file, *at, candidate.reason, candidate.distance.value_or(0)};
    }
  }
}

}  // namespace wfs
