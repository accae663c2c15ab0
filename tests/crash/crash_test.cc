// Stops the scenario at every fault point, by death and by an error, and looks at what is left:
// what was acknowledged is there, byte for byte, and the repository works. WEIGHTFS_PASSINGS is how
// many passings of each point are tried.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <deque>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <vector>

#include "base/error.h"
#include "index/check.h"
#include "index/rebuild.h"
#include "tests/crash/scenario.h"
#include "tests/index/temporary_folder.h"

namespace wfs {
namespace {

struct Ended {
  int status = 0;
  std::optional<std::size_t> last;  // step that was acknowledged last
  std::map<std::size_t, std::string> commits;
};

// The program at work, with one more variable in its environment.
class Child {
 public:
  Child(stdfs::path repository, const char* name, const std::string& value)
      : repository_(std::move(repository)), child_(::fork()) {
    if (child_ != 0) return;
    ::setenv(name, value.c_str(), 1);
    const int out = ::open(output().c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    const int err = ::open(errors().c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (out < 0 || err < 0 || ::dup2(out, 1) < 0 || ::dup2(err, 2) < 0) ::_exit(126);
    ::execl(SCENARIO, SCENARIO, repository_.c_str(), nullptr);
    ::_exit(127);
  }

  const stdfs::path& repository() const { return repository_; }
  std::string errors() const { return repository_.string() + ".err"; }

  Ended wait() const {
    Ended ended;
    ::waitpid(child_, &ended.status, 0);
    std::ifstream lines(output());
    std::size_t step = 0;
    for (std::string commit; lines >> step >> commit;) {
      ended.last = step;
      if (commit != "-") ended.commits[step] = commit;
    }
    return ended;
  }

 private:
  std::string output() const { return repository_.string() + ".out"; }

  stdfs::path repository_;
  pid_t child_;
};

std::string text_of(const stdfs::path& file) {
  std::stringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

void expect_same(const Files& found, const Files& expected, const std::string& where) {
  for (const auto& [name, bytes] : expected) {
    const auto at = found.find(name);
    if (at == found.end()) {
      ADD_FAILURE() << where << ": " << name << " is missing";
    } else {
      EXPECT_TRUE(at->second == bytes) << where << ": bytes of " << name;
    }
  }
  for (const auto& [name, bytes] : found) {
    EXPECT_TRUE(expected.contains(name)) << where << ": unexpected " << name;
  }
}

void expect_clean(Repository& repository) {
  for (const Finding& finding : check(repository, CheckDepth::data, nullptr).findings) {
    ADD_FAILURE() << finding.object << ' ' << finding.name << ": " << finding.what;
  }
}

// What is left holds everything that `ended` was told, and works.
void expect_whole(const stdfs::path& path, const Ended& ended) {
  Opened opened(path);
  expect_clean(opened.repository());
  for (const auto& [step, id] : ended.commits) {
    expect_same(opened.read("@" + id.substr(0, 12)), Scenario::files_after(step),
                cat("commit of step ", step));
  }
  Files before = ended.last ? Scenario::files_after(*ended.last) : Files();
  Files after = Scenario::files_after(ended.last ? *ended.last + 1 : 0);
  Files found = opened.read("main");
  // The step under way may have done anything to the files it is about.
  std::set<std::string> touched;
  for (const auto& [name, bytes] : before) {
    if (!after.contains(name) || after.at(name) != bytes) touched.insert(name);
  }
  for (const auto& [name, bytes] : after) {
    if (!before.contains(name)) touched.insert(name);
  }
  for (const std::string& name : touched) {
    before.erase(name);
    found.erase(name);
  }
  expect_same(found, before, "main");

  opened.write("after.txt", "after");
  const auto committed = opened.capture().commit_now("main", "after", "crash");
  ASSERT_TRUE(committed);
  EXPECT_EQ(opened.read("@" + hex(committed->id.digest.bytes).substr(0, 12))["after.txt"], "after");
  EXPECT_TRUE(opened.capture().wait_idle(20)) << opened.capture().status().last_error;
  expect_clean(opened.repository());
}

class CrashTest : public ::testing::Test {
 protected:
  stdfs::path new_repository(const std::string& name) {
    const stdfs::path path = folder_.path() / name;
    Repository::create(path);
    return path;
  }

  // How often each point is passed.
  std::map<std::string, long> points() {
    const std::string log = folder_.path() / "points";
    const Child run(new_repository("log"), "WEIGHTFS_FAULT_LOG", log);
    const Ended ended = run.wait();
    EXPECT_EQ(ended.status, 0) << text_of(run.errors());
    EXPECT_EQ(ended.last, Scenario::count() - 1);
    expect_whole(run.repository(), ended);
    std::map<std::string, long> points;
    std::ifstream lines(log);
    for (std::string line; std::getline(lines, line);) ++points[line];
    EXPECT_TRUE(points.contains("rebase.before_commit")) << "no chain of deltas was shortened";
    return points;
  }

  // Stops one run for each fault. A few run at once: they wait for the disk most of the time.
  void stop_at_each(const std::vector<std::string>& faults) {
    constexpr std::size_t at_once = 4;
    std::deque<std::pair<std::string, Child>> runs;
    for (std::size_t next = 0; next < faults.size() || !runs.empty();) {
      while (next < faults.size() && runs.size() < at_once) {
        const std::string& fault = faults[next++];
        runs.emplace_back(fault,
                          Child(new_repository(cat("faulty-", next)), "WEIGHTFS_FAULT", fault));
      }
      look_at(runs.front().first, runs.front().second);
      runs.pop_front();
    }
  }

  static void look_at(const std::string& fault, const Child& run) {
    SCOPED_TRACE("WEIGHTFS_FAULT=" + fault);
    const Ended ended = run.wait();
    // Threads may pass a point less often than when it was counted.
    const bool killed = WIFSIGNALED(ended.status) && WTERMSIG(ended.status) == SIGKILL;
    EXPECT_TRUE(ended.status == 0 || (!fault.ends_with("=error") && killed))
        << "status " << ended.status << ": " << text_of(run.errors());
    try {
      expect_whole(run.repository(), ended);
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
    }
    stdfs::remove_all(run.repository());
  }

  // `wanted` passings of each point: the first ones, some in between and the last.
  std::vector<std::string> faults(long wanted, const std::string& how) {
    if (const char* more = std::getenv("WEIGHTFS_PASSINGS")) wanted = std::atol(more);
    std::vector<std::string> faults;
    for (const auto& [point, count] : points()) {
      std::set<long> passings{1};
      for (long i = 1; i < wanted; ++i) passings.insert(1 + (count - 1) * i / (wanted - 1));
      for (const long passing : passings) faults.push_back(cat(point, ':', passing, how));
    }
    return faults;
  }

  TemporaryFolder folder_;
};

TEST_F(CrashTest, DeathAtAnyFaultPointLosesNothingThatWasAcknowledged) {
  stop_at_each(faults(3, ""));
}

TEST_F(CrashTest, AnErrorAtAnyFaultPointLosesNothingAndCanBeTriedAgain) {
  stop_at_each(faults(2, "=error"));
}

}  // namespace
}  // namespace wfs
