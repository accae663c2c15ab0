#include "mountctl/control_client.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "index/repository.h"

namespace wfs {
namespace {

Errc code_named(std::string_view name) {
  for (int number = 0;; ++number) {
    const auto code = static_cast<Errc>(number);
    if (name_of(code) == name) return code;
    if (name_of(code) == "unknown") return Errc::io;
  }
}

void send_all(const Fd& socket, std::string_view text) {
  while (!text.empty()) {
    const auto sent = ::send(socket.get(), text.data(), text.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) fail_errno(errno, "cannot ask the daemon; see daemon.log in the repository");
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
}

}  // namespace

std::optional<ControlClient> ControlClient::connect(const stdfs::path& repository) {
  const stdfs::path path = RepositoryPaths(repository).socket;
  // The path of a socket has 108 bytes at most; through the open folder any path is short.
  const Fd folder(::open(path.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return std::nullopt;
  const std::string name = cat("/proc/self/fd/", folder.get(), '/', path.filename().native());
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (name.size() >= sizeof address.sun_path) return std::nullopt;
  std::memcpy(address.sun_path, name.c_str(), name.size() + 1);
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) fail_errno(errno, "cannot make a socket");
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    return ControlClient(std::move(socket));
  }
  if (errno == ENOENT || errno == ECONNREFUSED) return std::nullopt;
  fail_errno(errno, cat("cannot reach the daemon at ", path.native()));
}

std::string ControlClient::ask(const std::string& request) {
  send_all(socket_, request + '\n');
  const std::string reply = read_line();
  const auto json = nlohmann::json::parse(reply, nullptr, false);
  if (!json.is_object()) fail(Errc::io, "the daemon gave no answer that can be understood");
  if (!json.value("ok", false)) {
    fail(code_named(json.value("error", "")), json.value("message", "the daemon says no"));
  }
  return reply;
}

std::string ControlClient::read_line() {
  std::string line;
  std::array<char, 4096> piece{};
  for (;;) {
    const auto got = ::recv(socket_.get(), piece.data(), piece.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail_errno(errno, "cannot hear the daemon");
    if (got == 0) {
      fail(Errc::io, "the daemon went away before it answered; see daemon.log in the repository");
    }
    line.append(piece.data(), static_cast<std::size_t>(got));
    if (line.ends_with('\n')) break;
  }
  line.pop_back();
  return line;
}

}  // namespace wfs
