// Picks, for each block that is to be packed, the stored bytes it is likely to differ little from: the same
// tensor of the same path in the commit before, of the checkpoint before, of another file of the branch, or
// of any file with values alike; and puts contents in an order in which bases come first. What it picks is a
// guess: a wrong one costs time and no bytes. One thread.
#pragma once

#include <vector>

#include "index/base_files.h"
#include "index/base_policy.h"
#include "index/base_trees.h"
#include "index/content_rows.h"
#include "index/similarity.h"

namespace wfs {

// The bases of one content. Holds the files they are in.
class BasePlan {
 public:
  BasePlan(const Layout& layout, const BasePolicy& policy)
      : layout_(layout), policy_(policy), by_segment_(layout.segments.size()) {}

  // What a block of the content may be encoded against, in the order to be tried.
  std::vector<std::shared_ptr<const BlockBase>> bases_of(const PlainBlock& block) const;

 private:
  friend class BasePicker;
  struct SegmentBase {
    std::shared_ptr<const BaseFile> file;  // null: none
    std::size_t segment = 0;
    BaseReason reason = BaseReason::parent;
    double distance = 0;  // 0 when it is not known
  };

  const Layout& layout_;
  BasePolicy policy_;
  std::vector<SegmentBase> by_segment_;
};

class BasePicker {
 public:
  BasePicker(Repository& repository, const PackSession& session, ContentUses uses);

  // Sorts the contents so that what one may be based on comes before it.
  void sort(std::vector<ContentRow>& contents) const;

  // Requires: `layout` outlives the plan; the sketches are of it.
  BasePlan plan(const ContentId& id, const ByteSource& bytes, const Layout& layout,
                const std::vector<TensorSketch>& sketches);

 private:
  struct Candidate {
    std::shared_ptr<const BaseFile> file;
    BaseReason reason = BaseReason::parent;
    std::optional<double> distance;
  };

  void add_candidate(const ContentId& id, const ContentId& base, BaseReason reason,
                     const ByteSource& bytes, const Layout& layout, std::vector<Candidate>& to);
  void use_paths(const ContentId& id, const ContentUse& use, const ByteSource& bytes,
                 const Layout& layout, BasePlan& plan);
  void use_names(const ContentId& id, const ContentUse& use, const ByteSource& bytes,
                 const Layout& layout, BasePlan& plan);
  void use_values(const ContentId& id, const Layout& layout,
                  const std::vector<TensorSketch>& sketches, BasePlan& plan);
  static void take(const Candidate& candidate, const Layout& layout, BasePlan& plan);

  Repository& repository_;
  ContentUses uses_;
  BaseFiles files_;
  BaseTrees trees_;
};

}  // namespace wfs
