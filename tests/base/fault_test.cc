#include "base/fault.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/bytes.h"
#include "base/error.h"

namespace wfs {
namespace {

// Each child starts the program anew, so that the environment is read as a process reads it.
class FaultDeathTest : public testing::Test {
 protected:
  FaultDeathTest() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

void pass_three_times(const char* armed) {
  ::setenv("WEIGHTFS_FAULT", armed, 1);
  for (int i = 1; i <= 3; ++i) {
    try {
      fault_point("here");
    } catch (const Error& error) {
      std::fprintf(stderr, "error %d in pass %d\n", errno_of(error.code()), i);
      std::_Exit(40 + i);
    }
    fault_point("elsewhere");
  }
  std::_Exit(40);
}

TEST_F(FaultDeathTest, AnArmedPointKillsItsProcess) {
  EXPECT_EXIT(pass_three_times("here"), testing::KilledBySignal(SIGKILL), "");
  EXPECT_EXIT(pass_three_times("here:2=kill"), testing::KilledBySignal(SIGKILL), "");
}

TEST_F(FaultDeathTest, AnArmedPointFailsInTheWantedPassOnly) {
  EXPECT_EXIT(pass_three_times("here=error"), testing::ExitedWithCode(41), "error 5 in pass 1");
  EXPECT_EXIT(pass_three_times("here:3=error"), testing::ExitedWithCode(43), "error 5 in pass 3");
}

TEST_F(FaultDeathTest, OtherPointsAndLaterPassesDoNothing) {
  EXPECT_EXIT(pass_three_times("nowhere"), testing::ExitedWithCode(40), "");
  EXPECT_EXIT(pass_three_times("here:4"), testing::ExitedWithCode(40), "");
}

TEST_F(FaultDeathTest, TheLogNamesEveryPassing) {
  const auto path = std::filesystem::temp_directory_path() / cat("weightfs-fault-", ::getpid());
  ::setenv("WEIGHTFS_FAULT_LOG", path.c_str(), 1);
  const auto pass = [&] {
    fault_point("one");
    fault_point("two");
    std::ifstream log(std::getenv("WEIGHTFS_FAULT_LOG"));
    std::stringstream text;
    text << log.rdbuf();
    std::filesystem::remove(std::getenv("WEIGHTFS_FAULT_LOG"));
    std::_Exit(text.str() == "one\ntwo\n" ? 0 : 1);
  };
  EXPECT_EXIT(pass(), testing::ExitedWithCode(0), "");
  ::unsetenv("WEIGHTFS_FAULT_LOG");
}

}  // namespace
}  // namespace wfs
