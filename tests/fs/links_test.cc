#include "fs/links.h"

#include <gtest/gtest.h>

namespace wfs {
namespace {

TEST(Links, NumberDependsOnTheNameAlone) {
  Links links;
  const Ino first = links.put(1, "@main~1", {"@aaaa", 5});
  EXPECT_EQ(first, Links::ino_of(1, "@main~1"));
  EXPECT_EQ(links.put(1, "@main~1", {"@bbbb", 6}), first);
  EXPECT_EQ(links.target(first)->path, "@bbbb") << "the target of the last lookup";
  EXPECT_NE(links.put(2, "@main~1", {"x", 0}), first);
  EXPECT_EQ(first >> 62, 1u) << "apart from commits and working folders";
}

TEST(Links, LivesUntilEveryLookupIsForgotten) {
  Links links;
  const Ino ino = links.put(1, "a", {"x", 0});
  links.put(1, "a", {"x", 0});
  links.forget(ino, 1);
  EXPECT_TRUE(links.target(ino));
  links.forget(ino, 1);
  EXPECT_FALSE(links.target(ino));
  links.forget(ino, 1);
}

}  // namespace
}  // namespace wfs
