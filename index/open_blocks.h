// The blocks of the pack that is being written: they have no row yet, so their bytes are read from the staged
// file they came from. Any thread.
#pragma once

#include <memory>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "base/guarded.h"
#include "index/ids.h"
#include "index/staging.h"

namespace wfs {

class OpenBlocks {
 public:
  struct Place {
    std::shared_ptr<const StagedFile> file;
    Range range;
  };

  // False: another one has claimed it, and brings its bytes.
  bool claim(const BlockId& id) { return state_.lock()->claimed.insert(id).second; }

  void put(const BlockId& id, Place place) {
    state_.lock()->places.insert_or_assign(id, std::move(place));
  }
  std::optional<Place> find(const BlockId& id) {
    auto state = state_.lock();
    const auto at = state->places.find(id);
    return at == state->places.end() ? std::nullopt : std::optional(at->second);
  }

  // The pack is sealed.
  void clear() {
    State old;  // destroyed after the lock is given up
    auto state = state_.lock();
    std::swap(*state, old);
    state.release();
  }

 private:
  struct State {
    std::unordered_set<BlockId> claimed;
    std::unordered_map<BlockId, Place> places;
  };
  Guarded<State> state_;
};

}  // namespace wfs
