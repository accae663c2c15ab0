#include "fs/control_files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "index/commit_rows.h"
#include "index/content_rows.h"
#include "index/report.h"

namespace wfs {
namespace {

constexpr std::array<std::string_view, 5> names = {"repository", "status", "stats.json", "log.json",
                                                   "health"};
constexpr Ino first_file = ControlFiles::folder_ino + 1;
constexpr int logged_max = 1000;
constexpr int health_commits = 4;          // whose numbers are looked at
constexpr std::size_t health_files = 200;  // at most, so that opening the file stays quick

std::string size_text(std::uint64_t bytes) {
  static constexpr std::array<const char*, 5> units = {"bytes", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  auto value = static_cast<double>(bytes);
  while (value >= 1024 && unit + 1 < units.size()) {
    value /= 1024;
    ++unit;
  }
  std::array<char, 48> text{};
  const int length =
      std::snprintf(text.data(), text.size(), "%.*f %s", unit == 0 ? 0 : 1, value, units[unit]);
  return {text.data(), static_cast<std::size_t>(length)};
}

// Files of `tree` and below whose tensors hold NaN or infinities, as "PATH: TENSOR: 3 NaN".
struct HealthWalk {
  Database& database;
  std::set<TreeId> seen;
  std::size_t files = 0;
  std::string found;

  void add_tensors(const std::string& path, const ContentRow& content) {
    const auto health = nlohmann::json::parse(content.health, nullptr, false);
    const auto tensors = health.find("tensors");
    if (tensors == health.end()) return;
    for (const auto& tensor : *tensors) {
      const auto nan = tensor.value("nan", std::uint64_t{0});
      const auto inf = tensor.value("inf", std::uint64_t{0});
      if (nan + inf == 0) continue;
      found += cat("  ", path, ": ", tensor.value("name", ""), ": ", nan, " NaN, ", inf,
                   " infinite\n");
    }
  }

  void walk(const TreeId& id, const std::string& folder) {
    if (files >= health_files || !seen.insert(id).second) return;
    for (const TreeEntry& entry : load_tree(database, id).entries) {
      const std::string path = folder.empty() ? entry.name : cat(folder, '/', entry.name);
      if (entry.kind == Kind::folder) walk(entry.tree, path);
      if (entry.kind != Kind::file || files >= health_files) continue;
      ++files;
      if (const auto content = find_content(database, entry.content)) add_tensors(path, *content);
    }
  }
};

}  // namespace

bool ControlFiles::is_file(Ino ino) noexcept {
  return ino >= first_file && ino < first_file + names.size();
}

std::optional<Ino> ControlFiles::find(std::string_view name) noexcept {
  const auto at = std::find(names.begin(), names.end(), name);
  if (at == names.end()) return std::nullopt;
  return first_file + static_cast<Ino>(at - names.begin());
}

std::vector<FolderEntry> ControlFiles::list() {
  std::vector<FolderEntry> listed;
  for (const std::string_view name : names) {
    listed.push_back({std::string(name), *find(name), S_IFREG});
  }
  return listed;
}

std::string ControlFiles::text(Ino ino) {
  switch (ino - first_file) {
    case 0:
      return repository_.path().native() + '\n';
    case 1:
      return status();
    case 2:
      return stats();
    case 3:
      return log();
    case 4:
      return health();
    default:
      fail(Errc::not_found, "no such generated file");
  }
}

std::string ControlFiles::status() {
  std::string text = cat("repository  ", repository_.path().native(), '\n', "process     ",
                         ::getpid(), '\n');
  if (capture_ == nullptr) return text + "shows       commits only\n";
  const auto state = capture_->status();
  for (const auto& working : capture_->branches()) {
    const auto branch = working->state();
    const auto tip = repository_.catalog().read(
        [&](Database& database) { return find_ref(database, working->branch()); });
    text += cat("branch      ", working->branch(), "  ",
                tip && tip->tip ? cat('@', hex(*tip->tip).substr(0, 12)) : std::string("no commit"),
                branch.pending ? "  changed since" : "", '\n');
    if (branch.open_writers > 0)
      text += cat("            ", branch.open_writers, " open for writing\n");
  }
  text += cat("pending     ", state.pending_commits, " commits\n");
  text += cat("staged      ", state.staged_contents, " contents not packed yet, ",
              size_text(state.staged_bytes), '\n');
  text += cat("last error  ", state.last_error.empty() ? "none" : state.last_error, '\n');
  return text;
}

std::string ControlFiles::stats() {
  return stats_json(stats_of(repository_)) + '\n';
}

// One line of JSON for each commit, the newest first.
std::string ControlFiles::log() {
  const auto rows = repository_.catalog().read(
      [](Database& database) { return recent_commits(database, 0, logged_max); });
  std::string text;
  for (const CommitRow& row : rows) text += log_json(row) + '\n';
  return text;
}

std::string ControlFiles::health() {
  std::string text;
  for (const std::string& line : repository_.blocks().damage())
    text += cat("damaged: ", line, '\n');
  if (capture_ != nullptr) {
    const auto state = capture_->status();
    if (!state.last_error.empty()) text += cat("last error: ", state.last_error, '\n');
  }
  text += repository_.catalog().read([](Database& database) {
    std::string suspicious;
    HealthWalk walk{database, {}, 0, {}};
    for (const CommitRow& row : recent_commits(database, 0, health_commits)) {
      walk.found.clear();
      walk.walk(row.commit.tree, "");
      if (walk.found.empty()) continue;
      suspicious += cat("numbers to look at in @", hex(row.id).substr(0, 12), ":\n", walk.found);
    }
    return suspicious;
  });
  return text.empty() ? "healthy: nothing wrong was seen since the mount started\n" : text;
}

}  // namespace wfs
