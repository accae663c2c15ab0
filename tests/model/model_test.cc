// Random sequences of operations against the reference. WEIGHTFS_SEQUENCES is their number; a
// failure prints the seed of its sequence, which WEIGHTFS_SEED replays.
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <random>

#include "tests/model/sequence.h"

namespace wfs {
namespace {

void run(std::uint64_t seed) {
  Sequence sequence(seed);
  try {
    sequence.run();
  } catch (const std::exception& error) {
    for (const std::string& line : sequence.log()) std::cerr << line << "\n";
    ADD_FAILURE() << error.what() << "\nreplay it with WEIGHTFS_SEED=" << seed;
  }
}

TEST(Model, BranchesAndCommitsAreWhatTheReferenceIs) {
  if (const char* seed = std::getenv("WEIGHTFS_SEED")) {
    run(std::strtoull(seed, nullptr, 10));
    return;
  }
  const char* wanted = std::getenv("WEIGHTFS_SEQUENCES");
  const int count = wanted != nullptr ? std::atoi(wanted) : 60;
  std::random_device random;
  for (int i = 0; i < count && !HasFailure(); ++i) run(random());
}

}  // namespace
}  // namespace wfs
