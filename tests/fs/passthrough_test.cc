#include "fs/passthrough.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cerrno>

namespace wfs {
namespace {

class PassthroughTest : public ::testing::Test {
 protected:
  Passthrough::Way enter(Ino ino, const Fd& file) {
    return passthrough_.enter(ino, file, [this](int) {
      ++asked_;
      errno = EPERM;
      return answer_;
    });
  }

  Passthrough passthrough_;
  const Fd file_ = open_file("/dev/null", O_RDONLY);
  const Fd none_;
  int answer_ = 7;
  int asked_ = 0;
};

TEST_F(PassthroughTest, OffItCountsNothing) {
  const auto way = enter(1, file_);
  EXPECT_FALSE(way.counted);
  EXPECT_EQ(way.backing_id, 0);
  EXPECT_EQ(asked_, 0);
}

TEST_F(PassthroughTest, HandlesOfOneInodeShareOneBackingIdUntilTheLastIsGone) {
  passthrough_.turn_on();
  EXPECT_EQ(enter(1, file_).backing_id, 7);
  EXPECT_EQ(enter(1, none_).backing_id, 7);
  EXPECT_EQ(asked_, 1);
  passthrough_.leave(1);
  EXPECT_TRUE(passthrough_.take_unused().empty());
  passthrough_.leave(1);
  EXPECT_EQ(passthrough_.take_unused(), std::vector<int>{7});
  EXPECT_TRUE(passthrough_.take_unused().empty());
}

TEST_F(PassthroughTest, WhileAHandleReadsThroughTheDaemonAllOthersDo) {
  passthrough_.turn_on();
  EXPECT_EQ(enter(1, none_).backing_id, 0);
  EXPECT_EQ(enter(1, file_).backing_id, 0);
  EXPECT_EQ(enter(2, file_).backing_id, 7);
  passthrough_.leave(1);
  EXPECT_EQ(enter(1, file_).backing_id, 0);
  passthrough_.leave(1);
  passthrough_.leave(1);
  EXPECT_EQ(enter(1, file_).backing_id, 7);
}

TEST_F(PassthroughTest, AKernelThatRefusesTurnsItOffAndReadingGoesOn) {
  passthrough_.turn_on();
  EXPECT_EQ(enter(1, file_).backing_id, 7);
  answer_ = 0;
  const auto way = enter(2, file_);
  EXPECT_TRUE(way.counted);
  EXPECT_EQ(way.backing_id, 0);
  EXPECT_FALSE(passthrough_.on());
  EXPECT_NE(passthrough_.obstacle().find("not permitted"), std::string::npos);
  EXPECT_EQ(enter(3, file_).backing_id, 0);
  EXPECT_EQ(asked_, 2);
  // The inode that passes through has to go on doing so.
  EXPECT_EQ(enter(1, none_).backing_id, 7);
}

}  // namespace
}  // namespace wfs
