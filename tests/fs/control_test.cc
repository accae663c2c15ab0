#include "fs/control.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "tests/fs/mounted.h"

namespace wfs {
namespace {

using Json = nlohmann::json;

class ControlTest : public Mounted {
 protected:
  Json ask(const std::string& request) { return Json::parse(server().answer(request)); }
  ControlServer& server() {
    if (!server_) {
      server_ =
          std::make_unique<ControlServer>(*repository_, *capture_, *files_, "/the/mount");
    }
    return *server_;
  }
  ~ControlTest() override { server_.reset(); }

  // A connection as mountctl makes one.
  Fd connect() {
    const Fd folder = open_file(repository_->path(), O_PATH | O_DIRECTORY);
    Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = cat("/proc/self/fd/", folder.get(), "/control");
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      fail_errno(errno, path);
    }
    return socket;
  }

  static std::string line_of(const Fd& socket) {
    std::string line;
    char c = 0;
    while (::recv(socket.get(), &c, 1, 0) == 1 && c != '\n') line += c;
    return line;
  }

  std::unique_ptr<ControlServer> server_;
};

TEST_F(ControlTest, StatusTellsOfEveryBranch) {
  write("main", "f", "x");
  const CommitId id = commit("first");
  write("main", "f", "y");
  const Json status = ask(R"({"verb":"status"})");
  EXPECT_EQ(status.at("ok"), true);
  EXPECT_EQ(status.at("pid"), ::getpid());
  EXPECT_EQ(status.at("mount"), "/the/mount");
  ASSERT_EQ(status.at("branches").size(), 1u);
  EXPECT_EQ(status.at("branches")[0].at("name"), "main");
  EXPECT_EQ(status.at("branches")[0].at("tip"), hex(id));
  EXPECT_EQ(status.at("branches")[0].at("pending"), true);
}

TEST_F(ControlTest, CommitSaysWhetherItIsNew) {
  write("main", "f", "x");
  const std::string request = R"({"verb":"commit","branch":"main","message":"m","author":"a"})";
  const Json first = ask(request);
  EXPECT_EQ(first.at("new"), true);
  const Json again = ask(request);
  EXPECT_EQ(again.at("new"), false);
  EXPECT_EQ(again.at("id"), first.at("id"));
}

TEST_F(ControlTest, BranchesAndTagsAreMadeAndDeleted) {
  write("main", "f", "x");
  const std::string id = hex(commit("first"));
  EXPECT_EQ(ask(R"({"verb":"branch","name":"exp","from":")" + id + "\"}").at("ok"), true);
  EXPECT_EQ(read("exp/f"), "x");
  EXPECT_EQ(ask(R"({"verb":"branch","name":"empty","from":""})").at("ok"), true);
  EXPECT_EQ(ask(R"({"verb":"tag","name":"v1","id":")" + id + "\"}").at("ok"), true);
  EXPECT_EQ(read("exp/f@v1"), "x");
  EXPECT_EQ(ask(R"({"verb":"delete_tag","name":"v1"})").at("ok"), true);
  EXPECT_EQ(read("exp/f@v1"), "absent");
  EXPECT_EQ(ask(R"({"verb":"delete_branch","name":"exp"})").at("ok"), true);
  EXPECT_EQ(ino("exp"), 0u);
}

TEST_F(ControlTest, FailuresAreAnswersWithTheNameOfTheirCode) {
  struct Case {
    const char* request;
    const char* error;
  };
  for (const Case& of :
       {Case{"", "invalid"}, Case{"no json", "invalid"}, Case{"[1]", "invalid"},
        Case{R"({"verb":"nosuch"})", "unsupported"}, Case{R"({"verb":7})", "invalid"},
        Case{R"({"verb":"commit","branch":"nosuch"})", "not_found"},
        Case{R"({"verb":"branch","name":"main","from":""})", "exists"},
        Case{R"({"verb":"branch","name":"@x","from":""})", "invalid"},
        Case{R"({"verb":"tag","name":"v1","id":"zz"})", "invalid"},
        Case{R"({"verb":"delete_tag","name":"v1"})", "not_found"}}) {
    const Json answer = ask(of.request);
    EXPECT_EQ(answer.at("ok"), false) << of.request;
    EXPECT_EQ(answer.at("error"), of.error) << of.request;
    EXPECT_FALSE(answer.at("message").get<std::string>().empty()) << of.request;
  }
}

TEST_F(ControlTest, SocketIsOfItsOwnerAloneAndGoneAtTheEnd) {
  const stdfs::path path = RepositoryPaths(repository_->path()).socket;
  server();
  struct stat found {};
  ASSERT_EQ(::lstat(path.c_str(), &found), 0);
  EXPECT_TRUE(S_ISSOCK(found.st_mode));
  EXPECT_EQ(found.st_mode & 0777, 0600u);
  server_->stop();
  EXPECT_FALSE(stdfs::exists(path));
}

TEST_F(ControlTest, LinesOfOneConnectionAreAnsweredInOrder) {
  server();
  const Fd socket = connect();
  const std::string lines = "{\"verb\":\"status\"}\nno json\n{\"verb\":\"wait\"}\n";
  ASSERT_EQ(::send(socket.get(), lines.data(), lines.size(), 0),
            static_cast<ssize_t>(lines.size()));
  EXPECT_EQ(Json::parse(line_of(socket)).at("ok"), true);
  EXPECT_EQ(Json::parse(line_of(socket)).at("ok"), false);
  EXPECT_EQ(Json::parse(line_of(socket)).at("pending_commits"), 0);
}

TEST_F(ControlTest, OpenConnectionsDoNotHoldUpTheEnd) {
  server();
  const Fd idle = connect();
  const Fd half = connect();
  ASSERT_EQ(::send(half.get(), "{\"ve", 4, 0), 4);
  server_->stop();
  EXPECT_EQ(line_of(idle), "");
}

}  // namespace
}  // namespace wfs
