// The socket by which mountctl asks the mounted repository: one JSON object a line, one line back
// for each. It lies in the repository folder, for its owner alone. One thread accepts, one thread a
// connection serves; their number is bounded. Any thread may stop it.
#pragma once

#include <list>
#include <string>
#include <thread>

#include "base/file.h"
#include "base/guarded.h"
#include "fs/capture.h"
#include "fs/filesystem.h"
#include "index/repository.h"

namespace wfs {

class ControlServer {
 public:
  // Listens from now on.
  ControlServer(Repository& repository, Capture& capture, FileSystem& files, std::string mount);
  ~ControlServer();  // stop()

  // Ends every connection and removes the socket.
  void stop() noexcept;

  // The answer to one request, without the line feed. Never throws: failures are answers.
  std::string answer(const std::string& request) noexcept;

 private:
  struct Connection {
    Fd socket;
    bool done = false;
    std::jthread thread;  // the last member: it ends before the socket is closed
  };
  struct State {
    std::list<Connection> connections;
    bool stopping = false;
  };

  void accept_all();
  void serve(int socket) noexcept;
  bool stopping() { return state_.lock()->stopping; }

  Repository& repository_;
  Capture& capture_;
  FileSystem& files_;
  std::string mount_;
  Fd listener_;
  Guarded<State> state_;
  std::jthread acceptor_;
};

}  // namespace wfs
