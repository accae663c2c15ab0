#include "base/guarded.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

namespace wfs {
namespace {

TEST(Guarded, ChangesOfManyThreadsAllCount) {
  Guarded<int> sum(std::in_place, 0);
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int k = 0; k < 5000; ++k) ++*sum.lock();
      });
    }
  }
  EXPECT_EQ(*sum.lock(), 20000);
}

TEST(Guarded, WaitingFreesTheLockUntilTheConditionHolds) {
  Guarded<std::string> text(std::in_place, "before");
  std::condition_variable changed;
  std::jthread writer([&] {
    *text.lock() = "after";
    changed.notify_all();
  });
  auto lock = text.lock();
  lock.wait(changed, [&] { return *lock == "after"; });
  EXPECT_EQ(lock->size(), 5U);
}

TEST(Guarded, WaitingEndsWithItsTime) {
  Guarded<int> nothing(std::in_place, 0);
  std::condition_variable never;
  auto lock = nothing.lock();
  EXPECT_FALSE(lock.wait_for(never, std::chrono::milliseconds(1), [] { return false; }));
}

}  // namespace
}  // namespace wfs
