// Runs the built mountctl the way a user would, in a temporary folder.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/file.h"
#include "tests/index/temporary_folder.h"

namespace wfs {

struct Finished {
  int status = 0;
  std::string out;  // standard output
  std::string err;  // standard error

  std::vector<nlohmann::json> lines() const {
    std::vector<nlohmann::json> all;
    std::istringstream text(out);
    for (std::string line; std::getline(text, line);) all.push_back(nlohmann::json::parse(line));
    return all;
  }
  std::string line() const { return out.substr(0, out.find('\n')); }
};

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

class Command : public testing::Test {
 protected:
  stdfs::path root() const { return folder_.path(); }
  stdfs::path repository() const { return root() / "repository"; }

  static std::string text_of(const stdfs::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  void put(const std::string& name, const std::string& text) {
    stdfs::create_directories((root() / name).parent_path());
    std::ofstream(root() / name) << text;
  }

  // Runs it in the folder `where`, with these words after the program's name.
  Finished run_in(const stdfs::path& where, std::vector<std::string> words) {
    words.insert(words.begin(), MOUNTCTL);
    std::vector<char*> pointers;
    for (std::string& word : words) pointers.push_back(word.data());
    pointers.push_back(nullptr);
    const stdfs::path out = root() / "stdout", err = root() / "stderr";
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    constexpr int flags = O_WRONLY | O_CREAT | O_TRUNC;
    ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, out.c_str(), flags, 0600);
    ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, err.c_str(), flags, 0600);
    ::posix_spawn_file_actions_addchdir_np(&actions, where.c_str());
    pid_t child = 0;
    EXPECT_EQ(::posix_spawn(&child, MOUNTCTL, &actions, nullptr, pointers.data(), environ), 0);
    ::posix_spawn_file_actions_destroy(&actions);
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    Finished finished{WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), text_of(out),
                      text_of(err)};
    EXPECT_FALSE(contains(finished.err, "terminate called")) << finished.err;
    return finished;
  }
  Finished run(std::vector<std::string> words) { return run_in(root(), std::move(words)); }

  // `mountctl VERB -r REPOSITORY WORDS`, which has to succeed.
  Finished ok(const std::string& verb, std::vector<std::string> words = {}) {
    const Finished finished = on(verb, std::move(words));
    EXPECT_EQ(finished.status, 0) << verb << ": " << finished.err;
    return finished;
  }
  Finished on(const std::string& verb, std::vector<std::string> words = {}) {
    words.insert(words.begin(), {verb, "-r", repository().native()});
    return run(std::move(words));
  }

  // Has to end with `status` and a message that holds each of `parts`.
  void refuses(const Finished& finished, int status, const std::vector<std::string>& parts = {}) {
    EXPECT_EQ(finished.status, status) << finished.err;
    EXPECT_FALSE(finished.err.empty());
    EXPECT_EQ(finished.out, "");
    for (const std::string& part : parts) EXPECT_TRUE(contains(finished.err, part)) << finished.err;
  }

  TemporaryFolder folder_;
};

// With a repository that holds one commit of a small folder.
class CommandOnRepository : public Command {
 protected:
  CommandOnRepository() {
    EXPECT_EQ(run({"init", repository().native()}).status, 0);
    put("model/config.json", "{}");
    put("model/sub/notes", "some words");
    first_ = import_model("first");
  }

  std::string import_model(const std::string& message) {
    return ok("import", {(root() / "model").native(), "-m", message}).line();
  }

  std::string first_;
};

}  // namespace wfs
