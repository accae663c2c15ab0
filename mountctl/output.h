// What mountctl prints: data on standard output, talk and progress on standard error. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "mountctl/verb.h"

namespace wfs {

void print(std::string_view line);                      // with a newline
void print_raw(Bytes bytes);                            // as it is
void say(const Common& common, std::string_view text);  // talk; nothing with --quiet
void warn(std::string_view text);                       // trouble; always

std::string size_text(std::uint64_t bytes);         // "1.4 GiB"
std::string local_time_text(std::int64_t time_ns);  // "2026-11-20 12:00:00"

// Text from a repository with what would steer a terminal shown as '?'.
std::string printable(std::string_view text);
std::string first_line(std::string_view text);

// One line that is written over, on a terminal only.
class Progress {
 public:
  Progress(const Common& common, std::string what);
  ~Progress();  // wipes the line
  Progress(Progress&&) = delete;

  void show(std::uint64_t done, std::uint64_t total);  // bytes; total 0: not known

 private:
  std::string what_;
  bool shown_;
  bool written_ = false;
  std::int64_t last_ms_ = 0;
};

}  // namespace wfs
