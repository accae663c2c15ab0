#include "mountctl/background.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>

namespace wfs {
namespace {

// What comes through the pipe: 'R' when ready, or the number of the Errc and the message.
constexpr char ready_mark = 'R';

void tell(const Fd& pipe, std::string_view text) {
  while (!text.empty()) {
    const auto written = ::write(pipe.get(), text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;  // whoever waited has been interrupted
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

std::string hear(const Fd& pipe) {
  std::string text;
  std::array<char, 1024> piece{};
  for (;;) {
    const auto got = ::read(pipe.get(), piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return text;
    text.append(piece.data(), static_cast<std::size_t>(got));
    if (text.front() == ready_mark) return text;
  }
}

void redirect(const stdfs::path& log) {
  const Fd null = open_file("/dev/null", O_RDWR);
  const Fd file = open_file(log, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW);
  std::fflush(nullptr);
  if (::dup2(null.get(), STDIN_FILENO) < 0 || ::dup2(file.get(), STDOUT_FILENO) < 0 ||
      ::dup2(file.get(), STDERR_FILENO) < 0 || ::chdir("/") != 0) {
    fail_errno(errno, "cannot go into the background");
  }
}

Exit run_daemon(const stdfs::path& log, Fd pipe,
                const std::function<Exit(const std::function<void()>&)>& serve) {
  bool told = false;
  try {
    redirect(log);
    return serve([&] {
      told = true;
      tell(pipe, std::string(1, ready_mark));
      pipe = Fd();
    });
  } catch (const Error& error) {
    if (told) throw;
    std::string text(1, static_cast<char>(error.code()));
    tell(pipe, cat("E", text, error.what()));
    return exit_of(error.code());
  }
}

}  // namespace

Exit run_in_background(const stdfs::path& log,
                       const std::function<Exit(const std::function<void()>& ready)>& serve) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) fail_errno(errno, "cannot make a pipe");
  Fd reading(ends[0]), writing(ends[1]);
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child < 0) fail_errno(errno, "cannot start the daemon");
  if (child == 0) {
    reading = Fd();
    ::setsid();
    // A second child, which leads no session, can never get a terminal.
    const pid_t daemon = ::fork();
    if (daemon != 0) ::_exit(daemon < 0 ? 1 : 0);
    return run_daemon(log, std::move(writing), serve);
  }
  writing = Fd();
  const std::string heard = hear(reading);
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  if (!heard.empty() && heard.front() == ready_mark) return Exit::ok;
  if (heard.size() >= 2) fail(static_cast<Errc>(heard[1]), heard.substr(2));
  fail(Errc::io, cat("the daemon ended before the mount answered; see ", log.native()));
}

}  // namespace wfs
