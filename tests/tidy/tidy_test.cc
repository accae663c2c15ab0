// Rules of the source tree that a compiler does not know: the direction of includes, where the headers of
// C libraries may be seen, and that every promise of docs/SEMANTICS.md has its test.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace {

namespace stdfs = std::filesystem;

const stdfs::path root = SOURCE_ROOT;

// From the bottom up: a folder includes itself and folders before it.
const std::vector<std::string> folders = {"base", "codec", "index", "fs", "mountctl"};

std::vector<stdfs::path> sources_in(const std::string& folder) {
  std::vector<stdfs::path> files;
  for (const auto& entry : stdfs::recursive_directory_iterator(root / folder)) {
    const auto extension = entry.path().extension();
    if (extension == ".h" || extension == ".cc") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string text_of(const stdfs::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<std::string> includes_of(const stdfs::path& path) {
  static const std::regex line("#include [<\"]([^>\"]+)[>\"]");
  const std::string text = text_of(path);
  std::vector<std::string> names;
  for (std::sregex_iterator at(text.begin(), text.end(), line), end; at != end; ++at) {
    names.push_back((*at)[1]);
  }
  return names;
}

}  // namespace

TEST(Tidy, IncludesPointOneWay) {
  for (std::size_t level = 0; level < folders.size(); ++level) {
    const auto files = sources_in(folders[level]);
    EXPECT_FALSE(files.empty()) << folders[level];
    for (const auto& file : files) {
      for (const std::string& name : includes_of(file)) {
        for (std::size_t above = level + 1; above < folders.size(); ++above) {
          EXPECT_FALSE(name.starts_with(folders[above] + "/")) << file << " includes " << name;
        }
      }
    }
  }
}

TEST(Tidy, TheFilesystemAsksTheIndexForBytesAndNotTheCodec) {
  for (const auto& file : sources_in("fs")) {
    for (const std::string& name : includes_of(file)) {
      const bool allowed = !name.starts_with("codec/") || name == "codec/byte_source.h";
      EXPECT_TRUE(allowed) << file << " includes " << name;
    }
  }
}

TEST(Tidy, HeadersOfCLibrariesStayWhereTheyBelong) {
  const std::map<std::string, std::set<std::string>> homes = {
      {"sqlite3.h", {"index/sqlite.cc"}},
      {"zstd.h", {"codec/zstd.cc"}},
      {"xxhash.h", {"base/hash.cc"}},
      {"openssl/evp.h", {"base/hash.cc"}},
      {"fuse_lowlevel.h", {"fs/operations.cc", "fs/answers.h", "fs/libfuse.h", "fs/mount.cc",
                             "fs/requests.cc"}}};
  for (const std::string& folder : folders) {
    for (const auto& file : sources_in(folder)) {
      const std::string relative = stdfs::relative(file, root);
      for (const std::string& name : includes_of(file)) {
        const auto home = homes.find(name);
        if (home != homes.end()) {
          EXPECT_TRUE(home->second.contains(relative)) << relative << " includes " << name;
        }
        // nlohmann/json is slow to compile: no header may bring it along.
        if (name.starts_with("nlohmann/")) {
          EXPECT_TRUE(file.extension() == ".cc" || relative.ends_with("precompiled.h")) << relative;
        }
      }
    }
  }
}

TEST(Tidy, FileNamesAreUniqueAcrossFolders) {
  std::map<std::string, stdfs::path> seen;
  for (const std::string& folder : folders) {
    for (const auto& file : sources_in(folder)) {
      const auto [there, is_new] = seen.emplace(file.filename(), file);
      EXPECT_TRUE(is_new) << file << " and " << there->second;
    }
  }
}

TEST(Tidy, LinesAndFilesStayShort) {
  for (const std::string& folder : folders) {
    for (const auto& file : sources_in(folder)) {
      std::istringstream lines(text_of(file));
      std::string line;
      std::size_t number = 0;
      while (std::getline(lines, line)) {
        ++number;
        EXPECT_LE(line.size(), 120u) << file << ":" << number;
      }
      EXPECT_LE(number, 500u) << file;
    }
  }
}

TEST(Tidy, EveryPromiseOfSemanticsHasItsTest) {
  // A rule: "S7. text ... Test: tests/mount/test_posix.py::test_name" on one or more lines.
  const std::string text = text_of(root / "docs" / "SEMANTICS.md");
  static const std::regex rule("(^|\n)(S[0-9]+)\\. ");
  static const std::regex test("Test: `([^`:]+)::([^`]+)`");
  std::vector<std::pair<std::string, std::size_t>> rules;
  for (std::sregex_iterator at(text.begin(), text.end(), rule), end; at != end; ++at) {
    rules.emplace_back((*at)[2], static_cast<std::size_t>(at->position()));
  }
  EXPECT_GE(rules.size(), 30u);
  for (std::size_t i = 0; i < rules.size(); ++i) {
    EXPECT_EQ(rules[i].first, "S" + std::to_string(i + 1)) << "rules are numbered in order";
    const std::size_t end = i + 1 < rules.size() ? rules[i + 1].second : text.size();
    const std::string body = text.substr(rules[i].second, end - rules[i].second);
    std::smatch match;
    ASSERT_TRUE(std::regex_search(body, match, test)) << rules[i].first << " names no test";
    const stdfs::path file = root / match[1].str();
    ASSERT_TRUE(stdfs::exists(file)) << rules[i].first << ": " << file;
    std::string name = match[2];
    if (const auto dot = name.find('.'); dot != name.npos) {
      name = "TEST(" + name.substr(0, dot) + ", " + name.substr(dot + 1) + ")";
      const std::string fixture = "TEST_F" + name.substr(4);
      const std::string source = text_of(file);
      EXPECT_TRUE(source.find(name) != source.npos || source.find(fixture) != source.npos)
          << rules[i].first << ": " << file << " has no " << name;
    } else {
      EXPECT_NE(text_of(file).find("def " + name + "("), std::string::npos)
          << rules[i].first << ": " << file << " has no " << name;
    }
  }
}
