#include "base/fault.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/error.h"

namespace wfs {
namespace {

struct Armed {
  std::string name;
  bool kills = true;
  std::atomic<long> passes_left = 0;
  int log = -1;
  bool any = false;

  Armed() {
    if (const char* path = std::getenv("WEIGHTFS_FAULT_LOG")) {
      log = ::open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    }
    if (const char* wanted = std::getenv("WEIGHTFS_FAULT")) {
      std::string_view text = wanted;
      if (const auto at = text.find('='); at != text.npos) {
        kills = text.substr(at + 1) != "error";
        text = text.substr(0, at);
      }
      passes_left = 1;
      if (const auto at = text.find(':'); at != text.npos) {
        passes_left = std::atol(std::string(text.substr(at + 1)).c_str());
        text = text.substr(0, at);
      }
      name = text;
    }
    any = log >= 0 || !name.empty();
  }
};

}  // namespace

void fault_point(const char* name) {
  static Armed armed;
  if (!armed.any) return;
  if (armed.log >= 0) {
    const std::string line = std::string(name) + "\n";
    if (::write(armed.log, line.data(), line.size()) < 0) return;
  }
  if (armed.name != name || armed.passes_left.fetch_sub(1) != 1) return;
  if (armed.kills) ::kill(::getpid(), SIGKILL);
  fail(Errc::io, std::string("fault point ") + name);
}

}  // namespace wfs
