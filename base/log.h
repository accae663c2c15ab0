// One line a message on standard error (the daemon points it at its log file). Any thread.
#pragma once

#include <string_view>

namespace wfs {

enum class Level { error, warning, info, debug };

void set_log_level(Level level) noexcept;
bool logs(Level level) noexcept;
void log(Level level, std::string_view text) noexcept;

}  // namespace wfs
