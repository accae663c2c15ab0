// Finds, for the tensors of a file that arrives under a new name, stored tensors with values alike: by sketches
// of a few hundred values a tensor (codec/sketch.h), looked up in the index and confirmed on their samples.
// Models vote as a whole, so one chance hit gives no base. Functions without state; any thread.
#pragma once

#include <cstdint>
#include <vector>

#include "codec/byte_source.h"
#include "codec/layout.h"
#include "codec/sketch.h"
#include "index/ids.h"
#include "index/sqlite.h"

namespace wfs {

struct SimilarTensor {
  std::size_t segment = 0;       // of the new file's layout
  ContentId content;             // that holds the stored tensor
  std::size_t base_segment = 0;  // of that content's layout
  double distance = 0;           // estimate of the bits of a weight that differ; see codec/sketch.h
};

// Sketches of the tensors of a file that are long enough, at most two each.
struct TensorSketch {
  std::size_t segment = 0;
  unsigned part = 0;  // 0: the first block of the tensor, 1: the middle one
  Sketch sketch;
};
std::vector<TensorSketch> sketch_tensors(const ByteSource& file, const Layout& layout);

// Makes the tensors of a content findable. Requires: the content has a row.
void put_sketches(Database& database, const ContentId& content,
                  const std::vector<TensorSketch>& sketches);

// For each tensor that has one, the nearest stored tensor; by segment.
std::vector<SimilarTensor> find_similar(Database& database, const Layout& layout,
                                        const std::vector<TensorSketch>& sketches);

}  // namespace wfs
