#include "index/staged_hash.h"

#include <algorithm>

#include "index/staging.h"

namespace wfs {
namespace {

constexpr std::size_t piece_bytes = 1 << 20;

}  // namespace

struct StagedHash::Running {
  Sha256 hasher;
  Xxh3 fast;
  std::uint64_t at = 0;
};

bool StagedHash::step(State& state, const StagedFile& file) {
  if (state.done) return false;
  if (!state.running) state.running = std::make_shared<Running>();
  Running& running = *state.running;
  const std::uint64_t size = file.size();
  if (running.at < size) {
    thread_local Buffer buffer(piece_bytes);
    const Range range{running.at, std::min<std::uint64_t>(piece_bytes, size - running.at)};
    const auto piece = MutableBytes(buffer).first(static_cast<std::size_t>(range.length));
    file.start_sync(range);
    file.read(range.offset, piece);
    running.hasher.add(piece);
    running.fast.add(piece);
    running.at = range.end();
  }
  if (running.at < size) return true;
  state.done = Hashed{ContentId{running.hasher.finish()}, running.fast.finish()};
  state.running = nullptr;
  return false;
}

bool StagedHash::advance(const StagedFile& file) {
  if (in_a_hurry_) return false;
  return step(*state_.lock(), file);
}

StagedHash::Hashed StagedHash::finish(const StagedFile& file) {
  in_a_hurry_ = true;
  auto state = state_.lock();
  while (step(*state, file)) {
  }
  return *state->done;
}

}  // namespace wfs
