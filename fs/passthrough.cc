#include "fs/passthrough.h"

#include <sys/utsname.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <system_error>
#include <utility>

#include "base/bytes.h"
#include "base/log.h"

namespace wfs {
namespace {

constexpr int kernel_major = 6;
constexpr int kernel_minor = 9;

bool may_administer() {
  constexpr unsigned bit = 21;  // CAP_SYS_ADMIN
  constexpr std::string_view name = "CapEff:";
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(name)) {
      return (std::stoull(line.substr(name.size()), nullptr, 16) >> bit & 1) != 0;
    }
  }
  return false;
}

}  // namespace

std::string passthrough_obstacle() {
  if (FUSE_USE_VERSION < 317) {
    return cat("libfuse ", libfuse_version(),
               " is older than 3.17; build with one that packaging/libfuse makes");
  }
  utsname kernel{};
  int found_major = 0;
  int found_minor = 0;
  ::uname(&kernel);
  std::sscanf(kernel.release, "%d.%d", &found_major, &found_minor);
  if (std::pair(found_major, found_minor) < std::pair(kernel_major, kernel_minor)) {
    return cat("Linux ", kernel.release, " is older than 6.9");
  }
  if (!may_administer()) return "it takes CAP_SYS_ADMIN; mount as root";
  return "";
}

void Passthrough::turn_off(const std::string& why) {
  on_ = false;
  state_.lock()->obstacle = why;
}

std::string Passthrough::obstacle() {
  return on_ ? std::string() : state_.lock()->obstacle;
}

Passthrough::Way Passthrough::enter(Ino ino, const Fd& decoded,
                                    const std::function<int(int fd)>& open) {
  if (!active_) return {};
  int refused = 0;
  Way way{.counted = true, .backing_id = 0};
  {
    auto state = state_.lock();
    Opened& opened = state->opened[ino];
    if (opened.handles == 0 && decoded && on_) {
      opened.backing_id = std::max(open(decoded.get()), 0);
      if (opened.backing_id == 0) refused = errno == 0 ? EIO : errno;
    }
    ++opened.handles;
    way.backing_id = opened.backing_id;
  }
  if (refused != 0) {
    const std::string reason = std::generic_category().message(refused);
    turn_off(cat("the kernel does not take decoded files: ", reason));
    log(Level::warning, cat("decoded files are not handed to the kernel: ", reason));
  }
  return way;
}

void Passthrough::leave(Ino ino) noexcept {
  auto state = state_.lock();
  const auto at = state->opened.find(ino);
  if (at == state->opened.end() || --at->second.handles > 0) return;
  if (at->second.backing_id != 0) {
    state->unused.push_back(at->second.backing_id);
    has_unused_ = true;
  }
  state->opened.erase(at);
}

std::vector<int> Passthrough::take_unused() {
  if (!has_unused_) return {};
  auto state = state_.lock();
  has_unused_ = false;
  return std::exchange(state->unused, {});
}

}  // namespace wfs
