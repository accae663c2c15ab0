// Asks the daemon that has a repository mounted: one line of JSON there, one back. One thread.
#pragma once

#include <optional>
#include <string>

#include "base/file.h"

namespace wfs {

class ControlClient {
 public:
  // Nullopt when no daemon listens there.
  static std::optional<ControlClient> connect(const stdfs::path& repository);

  // The reply, which is {"ok":true,...}. Throws what the daemon says went wrong, and Errc::io when
  // it goes away before it answers. Waits as long as the daemon works on it.
  std::string ask(const std::string& request);

 private:
  explicit ControlClient(Fd socket) : socket_(std::move(socket)) {}

  std::string read_line();

  Fd socket_;
};

}  // namespace wfs
