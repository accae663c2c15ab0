#include "index/settings.h"

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace wfs {
namespace {

constexpr int repository_version = 1;

void require_range(std::string_view name, double value, double low, double high) {
  if (value >= low && value <= high) return;
  fail(Errc::invalid, cat("setting ", name, " is ", value, "; it must be from ", low, " to ", high));
}

double number_of(std::string_view name, const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0') {
    fail(Errc::invalid, cat("setting ", name, " is '", text, "'; it must be a number"));
  }
  return value;
}

void check(const Settings& settings) {
  require_range("settle", settings.settle_seconds, 0, 86'400);
  require_range("cache_mib", static_cast<double>(settings.cache_bytes_max >> 20), 1, 1 << 20);
  require_range("read_ahead_kib", settings.read_ahead_kib, 4, 65'536);
  require_range("listed_commits", settings.listed_commits, 0, 1'000'000);
  require_range("delta.depth_max", settings.delta.depth_max, 0, 16);
  require_range("delta.run", settings.delta.run, 1, 1024);
}

}  // namespace

std::string_view name_of(CaptureMode mode) noexcept {
  switch (mode) {
    case CaptureMode::settle: return "settle";
    case CaptureMode::close: return "close";
    case CaptureMode::manual: return "manual";
  }
  return "settle";
}

CaptureMode capture_mode_of(std::string_view name) {
  for (const auto mode : {CaptureMode::settle, CaptureMode::close, CaptureMode::manual}) {
    if (name_of(mode) == name) return mode;
  }
  fail(Errc::invalid, cat("'", name, "' is no capture mode; use settle, close or manual"));
}

namespace {

void read_environment(Settings& settings) {
  if (const char* text = std::getenv("WEIGHTFS_SETTLE")) {
    settings.settle_seconds = number_of("WEIGHTFS_SETTLE", text);
  }
  if (const char* text = std::getenv("WEIGHTFS_CAPTURE")) settings.capture = capture_mode_of(text);
  if (const char* text = std::getenv("WEIGHTFS_CACHE_MIB")) {
    const double mib = number_of("WEIGHTFS_CACHE_MIB", text);
    require_range("WEIGHTFS_CACHE_MIB", mib, 1, 1 << 20);
    settings.cache_bytes_max = static_cast<std::uint64_t>(mib) << 20;
  }
  if (const char* text = std::getenv("WEIGHTFS_CACHE_MAX_BYTES")) {
    const double bytes = number_of("WEIGHTFS_CACHE_MAX_BYTES", text);
    require_range("WEIGHTFS_CACHE_MAX_BYTES", bytes, 0, 1e18);
    settings.decoded_bytes_max = static_cast<std::uint64_t>(bytes);
  }
  const auto whole_number = [](const char* name, double low, double high, unsigned& value) {
    const char* text = std::getenv(name);
    if (text == nullptr) return;
    const double number = number_of(name, text);
    require_range(name, number, low, high);
    value = static_cast<unsigned>(number);
  };
  whole_number("WEIGHTFS_LISTED_COMMITS", 0, 1'000'000, settings.listed_commits);
  whole_number("WEIGHTFS_DELTA_DEPTH_MAX", 0, 16, settings.delta.depth_max);
  whole_number("WEIGHTFS_DELTA_RUN", 1, 1024, settings.delta.run);
  unsigned rebase = settings.rebase ? 1 : 0;
  whole_number("WEIGHTFS_DELTA_REBASE", 0, 1, rebase);
  settings.rebase = rebase != 0;
}

}  // namespace

Settings load_settings(const stdfs::path& config) {
  Settings settings;
  const Buffer bytes = read_file(config);
  const auto json = nlohmann::json::parse(as_text(bytes), nullptr, false);
  if (!json.is_object()) {
    fail(Errc::invalid, cat(config.string(), " is no JSON object; mend it or restore it"));
  }
  try {
    const int version = json.value("version", 0);
    if (version > repository_version) {
      fail(Errc::unsupported, cat(config.string(), " is of format version ", version,
                                  "; this weightfs knows up to ", repository_version,
                                  ". Use a newer weightfs"));
    }
    settings.settle_seconds = json.value("settle", settings.settle_seconds);
    settings.capture = capture_mode_of(json.value("capture", std::string(name_of(settings.capture))));
    settings.cache_bytes_max = json.value("cache_mib", settings.cache_bytes_max >> 20) << 20;
    settings.read_ahead_kib = json.value("read_ahead_kib", settings.read_ahead_kib);
    const auto cache = json.value("cache", nlohmann::json::object());
    if (const auto found = cache.find("max_bytes"); found != cache.end() && !found->is_null()) {
      const auto bytes_max = found->get<double>();
      require_range("cache.max_bytes", bytes_max, 0, 1e18);
      settings.decoded_bytes_max = static_cast<std::uint64_t>(bytes_max);
    }
    settings.listed_commits = json.value("listed_commits", settings.listed_commits);
    const auto delta = json.value("delta", nlohmann::json::object());
    settings.delta.depth_max = delta.value("depth_max", settings.delta.depth_max);
    settings.delta.run = delta.value("run", settings.delta.run);
    settings.rebase = delta.value("rebase", settings.rebase);
  } catch (const nlohmann::json::exception& error) {
    fail(Errc::invalid, cat(config.string(), ": ", error.what()));
  }
  read_environment(settings);
  check(settings);
  return settings;
}

std::string new_config() {
  const Settings defaults;
  const nlohmann::ordered_json json = {{"version", repository_version},
                                       {"settle", defaults.settle_seconds},
                                       {"capture", name_of(defaults.capture)},
                                       {"cache_mib", defaults.cache_bytes_max >> 20},
                                       {"read_ahead_kib", defaults.read_ahead_kib},
                                       {"listed_commits", defaults.listed_commits},
                                       {"delta",
                                        {{"depth_max", defaults.delta.depth_max},
                                         {"run", defaults.delta.run},
                                         {"rebase", defaults.rebase}}}};
  return json.dump(2) + "\n";
}

}  // namespace wfs
