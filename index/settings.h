// What an owner can choose for a repository: config.json, overridden by the environment (WEIGHTFS_SETTLE
// and so on), overridden by options of the command line. A value; read once at opening.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/file.h"
#include "index/base_policy.h"

namespace wfs {

enum class CaptureMode { settle, close, manual };

struct Settings {
  double settle_seconds = 2.0;
  CaptureMode capture = CaptureMode::settle;
  std::uint64_t cache_bytes_max = 256ull << 20;  // decoded blocks in memory
  // Decoded files on disk; none: a tenth of what is free; 0: off.
  std::optional<std::uint64_t> decoded_bytes_max;
  unsigned read_ahead_kib = 1024;                // of the kernel, for the mount
  unsigned listed_commits = 100;                 // the newest, in the top folder; all others are found by name
  BasePolicy delta;                              // how long chains of deltas may get
  bool rebase = true;                            // shorten the chains of tips that are read often
};

std::string_view name_of(CaptureMode mode) noexcept;
CaptureMode capture_mode_of(std::string_view name);  // throws Errc::invalid

// Reads config.json and the environment; throws Errc::invalid naming the setting that is wrong, and
// Errc::unsupported for a repository of a newer format.
Settings load_settings(const stdfs::path& config);

// The config.json of a new repository.
std::string new_config();

}  // namespace wfs
