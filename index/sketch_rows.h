// Sketches as rows of the index: one row a content with those of all its tensors, and one row a band
// and content, by which contents are found. Each function is one query in the caller's transaction.
#pragma once

#include <optional>
#include <vector>

#include "codec/layout.h"
#include "codec/sketch.h"
#include "index/ids.h"
#include "index/sqlite.h"

namespace wfs {

struct StoredSketch {
  std::uint32_t segment = 0;
  std::uint16_t kind = 0;  // below 2^13; sketches of other kinds are not compared
  Sketch sketch;
};

using BandKey = std::int32_t;  // band, its value and the kind of the sketch
std::vector<BandKey> keys_of(const StoredSketch& sketch);

// Contents that have a row but were never looked at: the oldest packed one.
std::optional<std::int64_t> first_unsketched_content(Database& database);

// Replaces nothing: the sketches of a content never change.
void insert_sketches(Database& database, std::int64_t content,
                     const std::vector<StoredSketch>& sketches);

// Appends the newest contents with a band of this key, as far as `limit`.
void append_contents_with(Database& database, BandKey key, int limit,
                          std::vector<std::int64_t>& contents);

// What a candidate is compared by; nullopt: it is not packed or has no sketches. Throws Errc::corrupt.
struct SketchedContent {
  ContentId id;
  Layout layout;
  std::vector<StoredSketch> sketches;  // by segment
};
std::optional<SketchedContent> load_sketched_content(Database& database, std::int64_t number);

// The name and layout of a packed content.
struct PackedLayout {
  ContentId id;
  Layout layout;
};
std::optional<PackedLayout> load_packed_layout(Database& database, std::int64_t number);

}  // namespace wfs
