#include "index/similarity.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <unordered_map>

#include "base/error.h"
#include "base/log.h"
#include "base/wire.h"
#include "index/content_rows.h"
#include "index/repository.h"
#include "index/sketch_rows.h"

namespace wfs {
namespace {

// More than real files have, so that made-up ones cost little.
constexpr std::size_t sketches_max = 40'000;

constexpr unsigned kind_bits = 13;

// Part in the lowest bit, so that the start of a tensor never meets the middle of another.
std::uint16_t kind_of(const SketchPlace& place, const Tensor& tensor) {
  Buffer bytes;
  append_le(bytes, place.span);
  append_le(bytes, tensor.shape.empty() ? std::uint64_t{0} : tensor.shape.back());
  const std::uint64_t hash = xxh3_64(bytes) & ((1u << (kind_bits - 1)) - 1);
  return static_cast<std::uint16_t>(hash << 1 | (place.first != 0 ? 1u : 0u));
}

StoredSketch stored_of(const TensorSketch& sketch) {
  return {static_cast<std::uint32_t>(sketch.segment), sketch.kind, sketch.sketch};
}

// Bits of the fraction; 0: a type that bases are not converted from or to.
int precision_of(Dtype dtype) noexcept {
  switch (dtype) {
    case Dtype::f32: return 23;
    case Dtype::f16: return 10;
    case Dtype::bf16: return 7;
    default: return 0;
  }
}

// What a base of another type costs beyond the distance, which is one of bf16.
double cost_of_conversion(Dtype from, Dtype to) noexcept {
  if (from == to) return 0;
  const int has = precision_of(from);
  const int wants = precision_of(to);
  if (has == 0 || wants == 0) return 8;
  return 0.3 + std::max(0, wants - has);
}

void append_sketches(const ByteSource& file, const Layout& layout, std::size_t index,
                     std::vector<TensorSketch>& sketches) {
  const Segment& segment = layout.segments[index];
  for (const SketchPlace& place : sketch_places(segment)) {
    if (sketches.size() >= sketches_max) return;
    const auto sketch = sketch_of(file, segment, place);
    if (sketch) sketches.push_back({index, kind_of(place, *segment.tensor), *sketch});
  }
}

struct NewTensor {
  std::size_t segment = 0;
  const Tensor* tensor = nullptr;
  std::vector<StoredSketch> sketches;
  std::optional<SimilarTensor> found;
  double cost = 0;        // of what was found
  std::int64_t from = 0;  // the content's number
};

// A stored content that many tensors voted for, arranged for look-ups.
class Candidate {
 public:
  Candidate(std::int64_t number, SketchedContent content)
      : number_(number), content_(std::move(content)) {
    for (std::size_t i = 0; i < content_.sketches.size(); ++i) {
      const StoredSketch& sketch = content_.sketches[i];
      by_kind_[sketch.kind].push_back(i);
      for (const BandKey key : keys_of(sketch)) by_key_.emplace_back(key, sketch.segment);
      by_segment_.try_emplace(sketch.segment, i);
    }
    std::sort(by_key_.begin(), by_key_.end());
    for (std::size_t i = 0; i < layout().segments.size(); ++i) {
      if (layout().segments[i].tensor) by_name_.emplace(layout().segments[i].tensor->name, i);
    }
  }
  Candidate(Candidate&&) = default;

  std::int64_t number() const noexcept { return number_; }
  const ContentId& id() const noexcept { return content_.id; }
  const Layout& layout() const noexcept { return content_.layout; }
  std::size_t tensors() const noexcept { return by_segment_.size(); }  // that have a sketch

  std::optional<std::size_t> segment_named(std::string_view name) const {
    const auto at = by_name_.find(name);
    return at == by_name_.end() ? std::nullopt : std::optional(at->second);
  }

  struct Match {
    std::size_t segment = 0;
    double distance = 0;
    double cost = 0;  // distance, and what the conversion costs
  };

  // The best related tensor of those with the same name, with the same rank among those of their kind, and
  // with a band in common. The first one that is near is taken.
  std::optional<Match> nearest(const NewTensor& wanted, std::size_t rank) const {
    std::optional<Match> best;
    auto improve = [&](std::size_t segment) {
      const auto match = compare(wanted, segment);
      if (match && (!best || match->cost < best->cost)) best = match;
      return best && best->distance < distance_near;
    };
    const auto same_name = segment_named(wanted.tensor->name);
    if (same_name && improve(*same_name)) return best;
    for (const StoredSketch& sketch : wanted.sketches) {
      const auto kind = by_kind_.find(sketch.kind);
      if (kind == by_kind_.end()) continue;
      if (rank < kind->second.size() && improve(content_.sketches[kind->second[rank]].segment)) {
        return best;
      }
      for (const BandKey key : keys_of(sketch)) {
        auto at = std::lower_bound(by_key_.begin(), by_key_.end(), std::pair(key, 0u));
        for (int tried = 0; tried < tried_max; ++tried, ++at) {
          if (at == by_key_.end() || at->first != key) break;
          improve(at->second);
        }
      }
    }
    return best;
  }

 private:
  static constexpr int tried_max = 16;  // tensors of one content that share a band

  // Over the sketches that both have; one that is related is enough, since tensors grow and are cut.
  std::optional<Match> compare(const NewTensor& wanted, std::size_t segment) const {
    const auto first = by_segment_.find(segment);
    if (first == by_segment_.end()) return std::nullopt;
    bool related = false;
    double sum = 0;
    int compared = 0;
    for (const StoredSketch& sketch : wanted.sketches) {
      for (std::size_t i = first->second; i < content_.sketches.size(); ++i) {
        const StoredSketch& stored = content_.sketches[i];
        if (stored.segment != segment) break;
        if (stored.kind != sketch.kind) continue;
        related = related || is_related(stored.sketch.samples, sketch.sketch.samples);
        sum += distance(stored.sketch.samples, sketch.sketch.samples);
        ++compared;
      }
    }
    if (!related) return std::nullopt;
    const double mean = sum / compared;
    const Dtype from = layout().segments[segment].tensor->dtype;
    return Match{segment, mean, mean + cost_of_conversion(from, wanted.tensor->dtype)};
  }

  std::int64_t number_;
  SketchedContent content_;
  std::unordered_map<std::uint16_t, std::vector<std::size_t>> by_kind_;  // of sketches
  std::unordered_map<std::size_t, std::size_t> by_segment_;              // to its first sketch
  std::vector<std::pair<BandKey, std::uint32_t>> by_key_;                // to segments; sorted
  std::unordered_map<std::string_view, std::size_t> by_name_;            // to its segment
};

class Search {
 public:
  Search(Database& database, const Layout& layout, const std::vector<TensorSketch>& sketches)
      : database_(database), layout_(layout) {
    for (const TensorSketch& sketch : sketches) {
      if (tensors_.empty() || tensors_.back().segment != sketch.segment) {
        NewTensor& tensor = tensors_.emplace_back();
        tensor.segment = sketch.segment;
        tensor.tensor = &*layout.segments[sketch.segment].tensor;
      }
      tensors_.back().sketches.push_back(stored_of(sketch));
    }
  }

  std::vector<SimilarTensor> run() {
    // A model may be in one file here and in many there: what one round leaves over votes again.
    while (tried_.size() < candidates_max) {
      const std::size_t before = found_count();
      for (const std::int64_t number : elect()) try_candidate(number);
      if (found_count() == before || found_count() == tensors_.size()) break;
    }
    std::vector<SimilarTensor> found = short_tensors();
    for (const NewTensor& tensor : tensors_) {
      if (tensor.found) found.push_back(*tensor.found);
    }
    std::sort(found.begin(), found.end(), [](const SimilarTensor& a, const SimilarTensor& b) {
      return a.segment < b.segment;
    });
    return found;
  }

 private:
  static constexpr std::size_t elected = 3;
  static constexpr std::size_t candidates_max = 24;
  static constexpr int contents_a_band = 32;  // the newest of a long series are as good as all

  std::size_t found_count() const {
    return static_cast<std::size_t>(std::count_if(
        tensors_.begin(), tensors_.end(), [](const NewTensor& tensor) { return tensor.found; }));
  }

  // The contents with most bands in common with the tensors that have no base yet; newer ones first.
  std::vector<std::int64_t> elect() {
    std::vector<BandKey> keys;
    for (const NewTensor& tensor : tensors_) {
      if (tensor.found) continue;
      for (const StoredSketch& sketch : tensor.sketches) {
        const auto more = keys_of(sketch);
        keys.insert(keys.end(), more.begin(), more.end());
      }
    }
    std::sort(keys.begin(), keys.end());  // neighbours are on one page of the index
    keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
    std::unordered_map<std::int64_t, std::size_t> votes;
    std::vector<std::int64_t> hits;
    for (const BandKey key : keys) {
      hits.clear();
      append_contents_with(database_, key, contents_a_band, hits);
      for (const std::int64_t content : hits) ++votes[content];
    }
    for (const std::int64_t content : tried_) votes.erase(content);
    std::vector<std::pair<std::size_t, std::int64_t>> order;
    for (const auto& [content, count] : votes) order.emplace_back(count, content);
    std::sort(order.rbegin(), order.rend());
    std::vector<std::int64_t> best;
    for (const auto& [count, content] : order) {
      // Those by far behind the first are there by chance.
      if (best.size() == elected || 8 * count < order.front().first) break;
      best.push_back(content);
    }
    tried_.insert(tried_.end(), best.begin(), best.end());
    return best;
  }

  void try_candidate(std::int64_t number) {
    auto content = load(number);
    if (!content) return;
    const Candidate& candidate = candidates_.emplace_back(number, std::move(*content));
    std::unordered_map<std::uint16_t, std::size_t> ranks;
    for (NewTensor& tensor : tensors_) {
      const std::size_t rank = ranks[tensor.sketches.front().kind]++;
      const auto match = candidate.nearest(tensor, rank);
      if (!match || !is_better(*match, number, tensor)) continue;
      tensor.found = {tensor.segment, candidate.id(), match->segment, match->distance};
      tensor.cost = match->cost;
      tensor.from = number;
    }
  }

  // A damaged row of what can be made anew must not hold back what is new.
  std::optional<SketchedContent> load(std::int64_t number) {
    try {
      return load_sketched_content(database_, number);
    } catch (const Error& error) {
      if (error.code() != Errc::corrupt) throw;
      return std::nullopt;
    }
  }

  // Of two about as near, the newer: its successors will look like it.
  static bool is_better(const Candidate::Match& match, std::int64_t number,
                        const NewTensor& tensor) {
    constexpr double same = 0.2;
    if (!tensor.found) return true;
    const double gain = tensor.cost - match.cost;
    return gain > same || (gain > -same && number > tensor.from);
  }

  // Small tensors go where the others of their model went, when most of those did.
  std::vector<SimilarTensor> short_tensors() {
    std::vector<SimilarTensor> found;
    const Candidate* best = nullptr;
    std::size_t best_count = 0;
    double mean = 0;
    for (const Candidate& candidate : candidates_) {
      std::size_t count = 0;
      double sum = 0;
      for (const NewTensor& tensor : tensors_) {
        if (!tensor.found || tensor.from != candidate.number()) continue;
        ++count;
        sum += tensor.found->distance;
      }
      if (count <= best_count) continue;
      best = &candidate;
      best_count = count;
      mean = sum / static_cast<double>(count);
    }
    if (best == nullptr || 2 * best_count < std::min(tensors_.size(), best->tensors())) return found;
    for (const auto& [segment, base] : pairs_with(*best)) {
      found.push_back({segment, best->id(), base, mean});
    }
    return found;
  }

  using Groups = std::map<std::vector<std::uint64_t>, std::vector<std::size_t>>;

  static Groups by_shape(const Layout& layout) {
    Groups groups;
    for (std::size_t i = 0; i < layout.segments.size(); ++i) {
      const auto& tensor = layout.segments[i].tensor;
      if (tensor) groups[tensor->shape].push_back(i);
    }
    return groups;
  }

  // By name and shape; without the name by order, where there are as many of the shape on both sides.
  std::vector<std::pair<std::size_t, std::size_t>> pairs_with(const Candidate& base) const {
    std::vector<std::pair<std::size_t, std::size_t>> pairs;
    const Groups theirs = by_shape(base.layout());
    std::vector<bool> sketched(layout_.segments.size());
    for (const NewTensor& tensor : tensors_) sketched[tensor.segment] = true;
    for (const auto& [shape, segments] : by_shape(layout_)) {
      const auto group = theirs.find(shape);
      if (group == theirs.end()) continue;
      for (std::size_t rank = 0; rank < segments.size(); ++rank) {
        const std::size_t segment = segments[rank];
        if (sketched[segment]) continue;
        const Tensor& tensor = *layout_.segments[segment].tensor;
        auto at = base.segment_named(tensor.name);
        if (!at && segments.size() == group->second.size()) at = group->second[rank];
        if (at && may_pair(tensor, *base.layout().segments[*at].tensor)) {
          pairs.emplace_back(segment, *at);
        }
      }
    }
    return pairs;
  }

  static bool may_pair(const Tensor& a, const Tensor& b) {
    return a.shape == b.shape && (a.dtype == b.dtype || (is_float(a.dtype) && is_float(b.dtype)));
  }

  Database& database_;
  const Layout& layout_;
  std::vector<NewTensor> tensors_;
  std::vector<Candidate> candidates_;
  std::vector<std::int64_t> tried_;  // contents that were elected
};

}  // namespace

std::vector<TensorSketch> sketch_tensors(const ByteSource& file, const Layout& layout) {
  std::vector<TensorSketch> sketches;
  for (std::size_t i = 0; i < layout.segments.size(); ++i) {
    append_sketches(file, layout, i, sketches);
  }
  return sketches;
}

void put_sketches(Database& database, const ContentId& content,
                  const std::vector<TensorSketch>& sketches) {
  const auto row = find_content(database, content);
  if (!row) fail(Errc::not_found, cat("the index has no content ", hex(content)));
  std::vector<StoredSketch> stored;
  for (const TensorSketch& sketch : sketches) stored.push_back(stored_of(sketch));
  insert_sketches(database, row->number, stored);
}

std::vector<SimilarTensor> find_similar(Database& database, const Layout& layout,
                                        const std::vector<TensorSketch>& sketches) {
  if (sketches.empty()) return {};
  return Search(database, layout, sketches).run();
}

bool sketch_missing(Repository& repository, const std::atomic<bool>& stop) {
  const auto content = repository.catalog().read([](Database& database) {
    const auto number = first_unsketched_content(database);
    return number ? load_packed_layout(database, *number) : std::nullopt;
  });
  if (!content) return false;
  std::vector<TensorSketch> sketches;
  try {
    const auto file = repository.contents().open(content->id);
    for (std::size_t i = 0; i < content->layout.segments.size(); ++i) {
      if (stop) return true;
      append_sketches(*file, content->layout, i, sketches);
    }
  } catch (const Error& error) {
    // What cannot be read is no base either; `check` tells of it.
    if (error.code() != Errc::corrupt && error.code() != Errc::not_found) throw;
    log(Level::warning, cat("content ", hex(content->id), " is not sketched: ", error.what()));
    sketches.clear();
  }
  repository.catalog().write(Durability::later, [&](Database& database) {
    if (find_content(database, content->id)) put_sketches(database, content->id, sketches);
  });
  return true;
}

}  // namespace wfs
