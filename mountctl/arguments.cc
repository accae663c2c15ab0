#include "mountctl/arguments.h"

#include <cstdlib>
#include <fstream>
#include <iterator>

namespace wfs {
namespace {

// A folder that cannot be looked at (a dead mount) is no repository.
bool is_repository(const stdfs::path& path) {
  try {
    return Repository::is_at(path);
  } catch (const stdfs::filesystem_error&) {
    return false;
  }
}

std::optional<stdfs::path> mounted_at(const stdfs::path& folder) {
  const stdfs::path told = folder / ".weightfs" / "repository";
  std::error_code error;
  if (!stdfs::is_regular_file(told, error)) return std::nullopt;
  // A generated file has no size before it is opened.
  std::ifstream file(told);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (text.ends_with('\n')) text.pop_back();
  if (!text.starts_with('/')) return std::nullopt;
  return stdfs::path(text);
}

template <class Find>
std::optional<stdfs::path> find_upwards(stdfs::path folder, Find find) {
  for (;; folder = folder.parent_path()) {
    if (auto found = find(folder)) return found;
    if (folder == folder.root_path() || folder.empty()) return std::nullopt;
  }
}

stdfs::path current_folder() {
  std::error_code error;
  auto folder = stdfs::current_path(error);
  if (error) {
    fail(Errc::no_repository, cat("the current folder is not there any more (", error.message(),
                                  "); name the repository with -r PATH"));
  }
  return folder;
}

stdfs::path named_repository(const std::string& name) {
  const stdfs::path path = stdfs::absolute(name);
  if (is_repository(path)) return path;
  if (auto mounted = mounted_at(path)) return *mounted;
  const Repository refused(path, Repository::Access::read);  // says why it is none
  return path;
}

}  // namespace

std::optional<stdfs::path> repository_around(const stdfs::path& path) {
  return find_upwards(stdfs::absolute(path), mounted_at);
}

stdfs::path find_repository(const Common& common) {
  if (!common.repository.empty()) return named_repository(common.repository);
  if (const char* given = std::getenv("WEIGHTFS_REPOSITORY"); given != nullptr && *given != '\0') {
    return named_repository(given);
  }
  const stdfs::path start = current_folder();
  const auto found = find_upwards(start, [](const stdfs::path& folder) {
    return is_repository(folder) ? std::optional(folder) : mounted_at(folder);
  });
  if (found) return *found;
  fail(
      Errc::no_repository,
      cat("there is no repository in or around ", start.native(),
          "; name one with -r PATH or WEIGHTFS_REPOSITORY, or make one with `mountctl init PATH`"));
}

RevisionPath revision_path_of(std::string_view text) {
  std::size_t from = 0;
  if (const auto brace = text.find("@{"); brace != text.npos && brace < text.find(':')) {
    from = std::min(text.find('}', brace), text.size());
  }
  const auto colon = text.find(':', from);
  if (colon == text.npos) return {std::string(text), std::nullopt};
  std::string path;
  for (std::string_view rest = text.substr(colon + 1); !rest.empty();) {
    const std::string_view name = rest.substr(0, rest.find('/'));
    rest.remove_prefix(std::min(rest.size(), name.size() + 1));
    if (name.empty() || name == ".") continue;
    path += cat(path.empty() ? "" : "/", name);
  }
  return {std::string(text.substr(0, colon)), std::move(path)};
}

}  // namespace wfs
