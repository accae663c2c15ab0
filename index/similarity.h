// Finds, for the tensors of a file that arrives under a new name, stored tensors with values alike: by sketches
// (codec/sketch.h), looked up in the index and confirmed on their samples. Contents vote with all their
// tensors, so one chance hit gives no base. Functions without state; any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "codec/byte_source.h"
#include "codec/layout.h"
#include "codec/sketch.h"
#include "index/ids.h"
#include "index/sqlite.h"

namespace wfs {

class Repository;

struct SimilarTensor {
  std::size_t segment = 0;       // of the new file's layout
  ContentId content;             // that holds the stored tensor
  std::size_t base_segment = 0;  // of that content's layout
  double distance = 0;           // codec/sketch.h; of a tensor too short for one: what its model's others have
};

// Sketches of the tensors of a file that are long enough, at most two each; by segment.
struct TensorSketch {
  std::size_t segment = 0;
  std::uint16_t kind = 0;  // place, span and last dimension, hashed: others are not compared
  Sketch sketch;
};
std::vector<TensorSketch> sketch_tensors(const ByteSource& file, const Layout& layout);

// Makes the tensors of a content findable, and notes that it was looked at: also without any sketch. A
// second time changes nothing. Requires: the content has a row, and the sketches are of its layout.
void put_sketches(Database& database, const ContentId& content,
                  const std::vector<TensorSketch>& sketches);

// For each tensor that has one, the nearest stored tensor, of any shape and type; by segment. Tensors too
// short for a sketch follow their model: by name and shape, or by their order among those of their shape.
std::vector<SimilarTensor> find_similar(Database& database, const Layout& layout,
                                        const std::vector<TensorSketch>& sketches);

// Sketches one packed content that was never looked at (the index was made anew, or by an older version);
// false: there is none. Stops early, with nothing done, when `stop` becomes true.
bool sketch_missing(Repository& repository, const std::atomic<bool>& stop);

}  // namespace wfs
