#include "base/error.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <set>
#include <vector>

namespace wfs {
namespace {

constexpr int errc_count = static_cast<int>(Errc::ambiguous) + 1;

TEST(Error, EveryCauseHasANameOfItsOwnAndAnErrno) {
  std::set<std::string_view> names;
  for (int i = 0; i < errc_count; ++i) {
    const auto code = static_cast<Errc>(i);
    EXPECT_NE(name_of(code), "unknown") << i;
    EXPECT_TRUE(names.insert(name_of(code)).second) << name_of(code);
    EXPECT_GT(errno_of(code), 0) << name_of(code);
  }
}

TEST(Error, ErrnoOfTheSystemReturnsAsItself) {
  for (const int number : {ENOENT, EEXIST, EINVAL, EROFS, EBUSY, ENOSPC, ENOTSUP, EACCES, ENOTEMPTY,
                           EISDIR, ENOTDIR, ENAMETOOLONG, EFBIG, EXDEV, EIO}) {
    try {
      fail_errno(number, "the call");
    } catch (const Error& error) {
      EXPECT_EQ(errno_of(error.code()), number) << error.what();
      EXPECT_TRUE(std::string_view(error.what()).starts_with("the call: ")) << error.what();
    }
  }
}

TEST(Error, KnowsTheLineThatFailed) {
  const unsigned here = __LINE__ + 2;
  try {
    fail(Errc::busy, "why");
  } catch (const Error& error) {
    EXPECT_EQ(error.where().line(), here);
    EXPECT_EQ(error.code(), Errc::busy);
    EXPECT_STREQ(error.what(), "why");
  }
}

TEST(ErrorDeathTest, ABrokenExpectationAborts) {
  expects(true, "nothing happens");
  EXPECT_DEATH(expects(false, "two is three"), "bug: two is three");
}

}  // namespace
}  // namespace wfs
