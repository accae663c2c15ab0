#include "base/log.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <ctime>

namespace wfs {
namespace {
std::atomic<Level> level_now = Level::warning;
}

void set_log_level(Level level) noexcept { level_now = level; }

bool logs(Level level) noexcept { return level <= level_now; }

void log(Level level, std::string_view text) noexcept {
  if (!logs(level)) return;
  static constexpr std::array<const char*, 4> names = {"error", "warning", "info", "debug"};
  std::timespec now{};
  std::timespec_get(&now, TIME_UTC);
  std::tm parts{};
  ::gmtime_r(&now.tv_sec, &parts);
  std::array<char, 32> time{};
  std::strftime(time.data(), time.size(), "%FT%TZ", &parts);
  std::fprintf(stderr, "%s weightfs %s: %.*s\n", time.data(),
               names[static_cast<std::size_t>(level)], static_cast<int>(text.size()), text.data());
}

}  // namespace wfs
