// The hashes of the bytes of a frozen staged file, made piece by piece: ahead of a commit by a thread that has
// time, and to the end by the commit itself, which goes on where the other was. Each piece is handed to
// the disk as it is hashed, so that syncing the file finds little left to write. Any thread; the lock is
// held over reading and hashing one piece.
#pragma once

#include <atomic>
#include <memory>
#include <optional>

#include "base/guarded.h"
#include "base/hash.h"
#include "index/ids.h"

namespace wfs {

class StagedFile;

class StagedHash {
 public:
  struct Hashed {
    ContentId content;
    Hash128 fast_hash;
  };

  // Hashes one piece more; false when none is left or somebody else is in a hurry for it.
  bool advance(const StagedFile& file);
  Hashed finish(const StagedFile& file);

 private:
  struct Running;
  struct State {
    std::shared_ptr<Running> running;
    std::optional<Hashed> done;
  };

  static bool step(State& state, const StagedFile& file);  // false: it is done

  std::atomic<bool> in_a_hurry_ = false;
  Guarded<State> state_;
};

}  // namespace wfs
