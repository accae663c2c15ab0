#include "fs/control.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/log.h"
#include "fs/control_verbs.h"

namespace wfs {
namespace {

constexpr std::size_t connections_max = 16;
constexpr std::size_t request_bytes_max = 1 << 20;
constexpr int poll_ms = 200;

// A name that fits a socket address however long the path of the folder is.
sockaddr_un address_in(const Fd& folder, const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = cat("/proc/self/fd/", folder.get(), '/', name);
  expects(path.size() < sizeof address.sun_path, "the name of the socket is short");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

Fd listen_at(const stdfs::path& path) {
  const Fd folder = open_file(path.parent_path(), O_PATH | O_DIRECTORY);
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) fail_errno(errno, "control socket");
  // Only who holds the lock of the repository comes here: what lies there is left over.
  ::unlink(path.c_str());
  const sockaddr_un address = address_in(folder, path.filename());
  if (::fchmod(socket.get(), 0600) != 0 ||
      ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(socket.get(), 16) != 0) {
    fail_errno(errno, path.native());
  }
  return socket;
}

bool is_owner(int socket) {
  ucred peer{};
  socklen_t length = sizeof peer;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return false;
  return peer.uid == ::geteuid() || peer.uid == 0;
}

bool send_all(int socket, std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = ::send(socket, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

}  // namespace

ControlServer::ControlServer(Repository& repository, Capture& capture, FileSystem& files,
                             std::string mount)
    : repository_(repository),
      capture_(capture),
      files_(files),
      mount_(std::move(mount)),
      listener_(listen_at(RepositoryPaths(repository.path()).socket)),
      acceptor_([this] { accept_all(); }) {}

ControlServer::~ControlServer() {
  stop();
}

void ControlServer::stop() noexcept {
  {
    auto state = state_.lock();
    if (state->stopping) return;
    state->stopping = true;
    for (Connection& connection : state->connections)
      ::shutdown(connection.socket.get(), SHUT_RDWR);
  }
  acceptor_.join();
  listener_ = Fd();  // whoever was not accepted yet is told so
  // Nobody adds connections any more. Their threads take the lock once more as they end, so they
  // are waited for without it.
  std::list<Connection> ended;
  ended.swap(state_.lock()->connections);
  ended.clear();
  ::unlink(RepositoryPaths(repository_.path()).socket.c_str());
}

void ControlServer::accept_all() {
  while (!stopping()) {
    pollfd waiting{listener_.get(), POLLIN, 0};
    if (::poll(&waiting, 1, poll_ms) <= 0) continue;
    Fd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!socket || !is_owner(socket.get())) continue;
    std::list<Connection> ended;
    {
      auto state = state_.lock();
      for (auto at = state->connections.begin(); at != state->connections.end();) {
        const auto next = std::next(at);
        if (at->done) ended.splice(ended.end(), state->connections, at);
        at = next;
      }
      if (state->connections.size() < connections_max && !state->stopping) {
        Connection& added = state->connections.emplace_back();
        added.socket = std::move(socket);
        added.thread = std::jthread([this, &added] {
          serve(added.socket.get());
          auto locked = state_.lock();
          ::shutdown(added.socket.get(), SHUT_RDWR);
          added.done = true;
        });
      }
    }
  }
}

void ControlServer::serve(int socket) noexcept {
  try {
    std::string pending;
    std::array<char, 4096> piece{};
    for (;;) {
      const ssize_t got = ::recv(socket, piece.data(), piece.size(), 0);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return;
      pending.append(piece.data(), static_cast<std::size_t>(got));
      for (auto end = pending.find('\n'); end != pending.npos; end = pending.find('\n')) {
        const std::string request = pending.substr(0, end);
        pending.erase(0, end + 1);
        if (!send_all(socket, answer(request) + '\n')) return;
      }
      if (pending.size() > request_bytes_max) return;
    }
  } catch (const std::exception& error) {
    log(Level::error, cat("control socket: ", error.what()));
  }
}

std::string ControlServer::answer(const std::string& request) noexcept {
  return answer_control({repository_, capture_, files_, mount_, [this] { return stopping(); }},
                        request);
}

}  // namespace wfs
