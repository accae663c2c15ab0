#include "mountctl/output.h"

#include <unistd.h>

#include <array>
#include <cstdio>
#include <ctime>

#include "base/clock.h"

namespace wfs {
namespace {

void write_out(Bytes bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), stdout) != bytes.size()) {
    fail_errno(errno, "cannot write to standard output");
  }
}

}  // namespace

void print(std::string_view line) {
  write_out(as_bytes(line));
  write_out(as_bytes("\n"));
}

void print_raw(Bytes bytes) {
  write_out(bytes);
}

void say(const Common& common, std::string_view text) {
  if (!common.quiet) warn(text);
}

void warn(std::string_view text) {
  std::fputs(cat(text, '\n').c_str(), stderr);
}

std::string size_text(std::uint64_t bytes) {
  static constexpr std::array<const char*, 6> units = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  if (bytes < 1024) return cat(bytes, " B");
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < units.size()) {
    value /= 1024;
    ++unit;
  }
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "%.1f %s", value, units[unit]);
  return text.data();
}

std::string local_time_text(std::int64_t time_ns) {
  const auto seconds = static_cast<std::time_t>(time_ns / 1'000'000'000);
  std::tm local{};
  ::localtime_r(&seconds, &local);
  std::array<char, 40> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &local)};
}

std::string printable(std::string_view text) {
  std::string shown(text);
  for (char& c : shown) {
    if ((c >= 0 && c < ' ' && c != '\n' && c != '\t') || c == 0x7f) c = '?';
  }
  return shown;
}

std::string first_line(std::string_view text) {
  return printable(text.substr(0, text.find('\n')));
}

Progress::Progress(const Common& common, std::string what)
    : what_(std::move(what)), shown_(!common.quiet && ::isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
  if (written_) std::fputs("\r\033[K", stderr);
}

void Progress::show(std::uint64_t done, std::uint64_t total) {
  constexpr std::int64_t interval_ms = 100;
  if (!shown_ || steady_ms() - last_ms_ < interval_ms) return;
  last_ms_ = steady_ms();
  written_ = true;
  std::string line = cat("\r\033[K", what_, ' ', size_text(done));
  if (total > 0) {
    constexpr std::uint64_t width = 24;
    const std::uint64_t filled = std::min(done, total) * width / total;
    line += cat(" of ", size_text(total), " [", std::string(filled, '#'),
                std::string(width - filled, '.'), "] ", std::min(done, total) * 100 / total, '%');
  }
  std::fputs(line.c_str(), stderr);
}

}  // namespace wfs
