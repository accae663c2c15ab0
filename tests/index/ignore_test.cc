#include "index/ignore.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace wfs {
namespace {

struct Case {
  const char* rules;
  const char* path;
  bool ignored;
  bool is_folder = false;
};

TEST(Ignore, FollowsTheRulesOfGitignore) {
  const Case cases[] = {
      {"*.log", "a.log", true},
      {"*.log", "sub/a.log", true},
      {"*.log", "a.logs", false},
      {"# comment\n\n*.log", "a.log", true},
      {"\\#x", "#x", true},
      {"\\!x", "!x", true},
      {"*.log\n!keep.log", "keep.log", false},
      {"*.log\n!keep.log\nkeep.*", "keep.log", true},
      {"!keep.log\n*.log", "keep.log", true},
      {"/top", "top", true},
      {"/top", "sub/top", false},
      {"top", "sub/top", true},
      {"sub/top", "sub/top", true},
      {"sub/top", "x/sub/top", false},
      {"runs/", "runs", true, true},
      {"runs/", "runs", false, false},
      {"runs/", "runs/a/b", true},
      {"runs/\n!runs/keep", "runs/keep", true},
      {"runs/*\n!runs/keep", "runs/keep", false},
      {"runs/*", "runs/a/b", true},
      {"**/cache", "cache", true},
      {"**/cache", "a/b/cache", true},
      {"**/a/b", "x/a/b", true},
      {"a/**/b", "a/b", true},
      {"a/**/b", "a/x/y/b", true},
      {"a/**/b", "a/xb", false},
      {"a/**", "a/x/y", true},
      {"a/**", "a", false, true},
      {"a**b", "axxb", true},
      {"a**b/c", "ax/yb/c", false},
      {"a?c", "abc", true},
      {"a?c/d", "a/c/d", false},
      {"*/x", "a/x", true},
      {"*/x", "a/b/x", false},
      {"a[0-9].pt", "a7.pt", true},
      {"a[0-9].pt", "ax.pt", false},
      {"a[!0-9].pt", "ax.pt", true},
      {"a[^0-9].pt", "a5.pt", false},
      {"a[]x]b", "a]b", true},
      {"[[:digit:]_]x", "3x", true},
      {"[[:digit:]_]x", "_x", true},
      {"[a-", "[a-", false},
      {"a\\*b", "a*b", true},
      {"a\\*b", "axb", false},
      {"end\\", "end\\", false},
      {"trailing   ", "trailing", true},
      {"kept\\ ", "kept ", true},
      {"dos\r\nb", "dos", true},
      {"/", "a", false},
      {"*", "anything/at/all", true},
  };
  for (const Case& one : cases) {
    EXPECT_EQ(IgnoreRules(one.rules).ignored(one.path, one.is_folder), one.ignored)
        << one.rules << " on " << one.path;
  }
}

TEST(Ignore, NoRulesNameNothing) {
  EXPECT_TRUE(IgnoreRules().empty());
  EXPECT_TRUE(IgnoreRules("# only\n\n/\n").empty());
  EXPECT_FALSE(IgnoreRules().ignored("a", false));
}

TEST(Ignore, AHostilePatternTakesNoLongerThanItsLength) {
  std::string pattern, text(250, 'a');
  for (int i = 0; i < 100; ++i) pattern += "*a";
  const IgnoreRules rules(pattern + "b");
  const auto start = std::chrono::steady_clock::now();
  EXPECT_FALSE(rules.ignored(text, false));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

TEST(TemporaryNames, AreThoseOfWellKnownPrograms) {
  for (const char* name : {".tmpA1b2C3", ".tmp", "ab12.3f.incomplete", ".~lock.table.ods#",
                           ".model.safetensors.X7h2Qk", ".a.Zz9yX0"}) {
    EXPECT_TRUE(is_temporary_name(name)) << name;
  }
  for (const char* name :
       {"model.safetensors", "tmp", "a.tmp", "incomplete", ".gitignore", ".config.backup",
        ".log.202611", ".model.X7h2Q", "model.X7h2Qk", "..X7h2Qk", ".weightfsignore"}) {
    EXPECT_FALSE(is_temporary_name(name)) << name;
  }
}

}  // namespace
}  // namespace wfs
