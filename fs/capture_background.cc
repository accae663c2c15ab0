// What capture does in the background: hashing ahead of commits, and packing after them.
#include <algorithm>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/priority.h"
#include "fs/capture.h"
#include "index/rebase.h"
#include "index/similarity.h"

namespace wfs {
namespace {

constexpr auto retry_interval = std::chrono::seconds(3);
constexpr auto improve_interval = std::chrono::seconds(1);
constexpr unsigned pack_threads_max = 16;

void tell_of(const Rebased& rebased) {
  if (rebased.blocks == 0) return;
  log(Level::info, cat("rebased ", rebased.contents, " contents that are read often: ",
                       rebased.blocks, " blocks in ", rebased.stored_bytes, " bytes"));
}

}  // namespace

void Capture::take_unhashed() {
  std::vector<std::shared_ptr<StagedFile>> files;
  for (const auto& working : branches()) {
    for (auto& file : working->take_unhashed()) files.push_back(std::move(file));
  }
  if (files.empty()) return;
  auto shared = shared_.lock();
  for (auto& file : files) shared->unhashed.push_back(std::move(file));
  wake_hash_.notify_one();
}

// While a branch settles: a commit then finds hashed, and on disk, what was written long enough before it.
void Capture::hash_ahead() {
  // A commit is to find it done.
  lower_priority(Priority::background);
  for (;;) {
    std::shared_ptr<StagedFile> file;
    {
      auto shared = shared_.lock();
      shared.wait(wake_hash_, [&] { return !shared->unhashed.empty() || shared->stopping; });
      if (shared->stopping) return;
      file = std::move(shared->unhashed.front());
      shared->unhashed.pop_front();
    }
    try {
      // Nobody else holds what was removed or written over meanwhile.
      while (!stop_packing_ && file.use_count() > 1 && file->hash().advance(*file)) {
      }
      if (!stop_packing_ && file.use_count() > 1) file->sync();
    } catch (const std::exception& error) {
      log(Level::warning, cat("hashing ahead: ", error.what()));  // the commit tells why
    }
  }
}

void Capture::pack() {
  lower_priority(Priority::background);
  Pool pool(std::clamp(std::thread::hardware_concurrency(), 2u, pack_threads_max));
  for (;;) {
    {
      auto shared = shared_.lock();
      shared.wait_for(wake_pack_, improve_interval,
                      [&] { return shared->pack_wanted || shared->stopping; });
      if (shared->stopping) return;
      if (shared->pack_wanted) {
        shared->pack_wanted = false;
        shared->packing = true;
      }
    }
    if (!shared_.lock()->packing) {
      improve(pool);
      continue;
    }
    bool failed = false;
    all_sketched_ = false;
    try {
      const std::int64_t started = steady_ms();
      const Packed packed = pack_pending(repository_, pool, stop_packing_);
      if (packed.contents > 0) {
        log(Level::info, cat("packed ", packed.contents, " contents, ", packed.plain_bytes,
                             " bytes in ", packed.stored_bytes, ", ", steady_ms() - started, " ms"));
      }
      for (const auto& working : branches()) working->after_packed();
    } catch (const std::exception& error) {
      failed = true;
      log(Level::error, cat("packing: ", error.what()));
      shared_.lock()->last_error = cat("packing: ", error.what());
    }
    auto shared = shared_.lock();
    shared->packing = false;
    idle_.notify_all();
    if (!failed) continue;
    shared->pack_wanted = true;
    shared.wait_for(wake_pack_, retry_interval, [&] { return shared->stopping; });
  }
}

// While there is nothing to pack: what makes later reads or packs better, and may fail without harm.
void Capture::improve(Pool& pool) {
  const auto pack_wanted = [this] { return stop_packing_ || shared_.lock()->pack_wanted; };
  try {
    while (!all_sketched_) {
      if (pack_wanted()) return;
      all_sketched_ = !sketch_missing(repository_, stop_packing_);
    }
    if (pack_wanted()) return;
    if (settings_.rebase) tell_of(rebase_hot(repository_, pool, stop_packing_));
    improve_error_.clear();
  } catch (const std::exception& error) {
    // It is tried again soon, and may fail for long in the same way.
    if (improve_error_ != error.what()) log(Level::error, cat("improving what is packed: ", error.what()));
    improve_error_ = error.what();
  }
}

}  // namespace wfs
