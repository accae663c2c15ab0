// Whether the bytes of a staged file are still those that were committed. The fast hash that commit() took
// beside the content's name tells accidents of memory and disk just as well; a file that a process before
// this one committed has none, and is held against its name. One thread.
#pragma once

#include <optional>

#include "base/hash.h"
#include "index/staging.h"

namespace wfs {

class ContentCheck {
 public:
  explicit ContentCheck(const StagedFile& file) : expected_(file.fast_hash()) {
    if (!expected_) slow_.emplace();
  }

  // The next bytes of the file.
  void add(Bytes bytes) { slow_ ? slow_->add(bytes) : fast_.add(bytes); }

  // Requires: not called before on this check.
  bool finds(const ContentId& content) {
    return slow_ ? ContentId{slow_->finish()} == content : fast_.finish() == *expected_;
  }

 private:
  std::optional<Hash128> expected_;
  Xxh3 fast_;
  std::optional<Sha256> slow_;
};

}  // namespace wfs
