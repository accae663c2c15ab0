#include "base/pool.h"

#include <gtest/gtest.h>

#include <atomic>

#include "base/error.h"

namespace wfs {
namespace {

TEST(Pool, EveryTaskGivesItsResult) {
  Pool pool(3, 4);
  std::vector<std::future<int>> results;
  for (int i = 0; i < 200; ++i) results.push_back(pool.submit([i] { return i * i; }));
  for (int i = 0; i < 200; ++i) EXPECT_EQ(results[static_cast<std::size_t>(i)].get(), i * i);
}

TEST(Pool, AnExceptionReachesTheOneWhoWaitsAndThePoolGoesOn) {
  Pool pool(1);
  auto bad = pool.submit([]() -> int { fail(Errc::corrupt, "as it should"); });
  try {
    bad.get();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::corrupt);
  }
  EXPECT_EQ(pool.submit([] { return 7; }).get(), 7);
}

TEST(Pool, EndsOnlyAfterWhatIsQueued) {
  std::atomic<int> done = 0;
  {
    Pool pool(2, 64);
    for (int i = 0; i < 50; ++i) pool.submit([&] { ++done; });
  }
  EXPECT_EQ(done, 50);
}

TEST(Pool, TrySubmitRefusesWhenTheQueueIsFull) {
  std::promise<void> started;
  std::promise<void> gate;
  std::atomic<int> done = 0;
  {
    Pool pool(1, 1);
    pool.submit([&] {
      started.set_value();
      gate.get_future().wait();
    });
    started.get_future().wait();
    EXPECT_TRUE(pool.try_submit([&] { ++done; }));
    EXPECT_FALSE(pool.try_submit([&] { ++done; }));
    gate.set_value();
  }
  EXPECT_EQ(done, 1);
}

}  // namespace
}  // namespace wfs
