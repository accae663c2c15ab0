#include <fcntl.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <fstream>
#include <nlohmann/json.hpp>

#include "fs/passthrough.h"
#include "index/content_rows.h"
#include "mountctl/arguments.h"
#include "mountctl/control_client.h"
#include "mountctl/mounts.h"
#include "mountctl/output.h"

namespace wfs {
namespace {

using Json = nlohmann::ordered_json;

enum class Verdict { ok, warning, trouble };

struct Diagnosis {
  Verdict verdict;
  std::string subject;
  std::string text;  // with the next step unless all is well
};

constexpr std::array<const char*, 3> verdict_names = {"ok", "warning", "trouble"};

std::string output_of(const char* command) {
  std::string text;
  FILE* const pipe = ::popen(command, "re");
  if (pipe == nullptr) return text;
  std::array<char, 256> piece{};
  while (std::fgets(piece.data(), piece.size(), pipe) != nullptr) text += piece.data();
  ::pclose(pipe);
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

Diagnosis look_at_device() {
  const Fd device(::open("/dev/fuse", O_RDWR | O_CLOEXEC));
  if (device) return {Verdict::ok, "/dev/fuse", "can be opened"};
  const std::string reason = std::generic_category().message(errno);
  return {Verdict::trouble, "/dev/fuse",
          cat(reason,
              "; `modprobe fuse`, or start the container with --device /dev/fuse --cap-add "
              "SYS_ADMIN; as root, `chmod 666 /dev/fuse`")};
}

Diagnosis look_at_libfuse() {
  const std::string obstacle = passthrough_obstacle();
  return {Verdict::ok, "libfuse",
          cat(libfuse_version(), obstacle.empty() ? "; decoded files can be handed to the kernel"
                                                  : cat("; no passthrough: ", obstacle))};
}

Diagnosis look_at_fusermount() {
  const std::string version = output_of("fusermount3 --version 2>/dev/null");
  if (!version.empty()) return {Verdict::ok, "fusermount3", version};
  return {::geteuid() == 0 ? Verdict::warning : Verdict::trouble, "fusermount3",
          "is missing, and only root can mount without it; install the package fuse3"};
}

Diagnosis look_at_allow_other() {
  std::ifstream file("/etc/fuse.conf");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("user_allow_other")) {
      return {Verdict::ok, "user_allow_other", "is set: users may mount with --allow-other"};
    }
  }
  return {
      ::geteuid() == 0 ? Verdict::ok : Verdict::warning, "user_allow_other",
      "is not in /etc/fuse.conf: only root can mount with --allow-other; root can add the line"};
}

Diagnosis look_at_read_ahead(const MountEntry& mount) {
  std::ifstream file(cat("/sys/class/bdi/", mount.device, "/read_ahead_kb"));
  unsigned kib = 0;
  file >> kib;
  const std::string subject = cat("read-ahead of ", mount.path.native());
  if (!file) return {Verdict::warning, subject, "cannot be read from /sys"};
  if (kib >= 1024) return {Verdict::ok, subject, cat(kib, " KiB")};
  return {Verdict::warning, subject,
          cat(kib, " KiB makes reading through mmap slow; as root, `echo 1024 > /sys/class/bdi/",
              mount.device, "/read_ahead_kb`")};
}

void look_at_mounts(std::vector<Diagnosis>& found) {
  for (const MountEntry& mount : all_mounts()) {
    if (mount.type != weightfs_type) continue;
    if (is_stale(mount.path)) {
      found.push_back(
          {Verdict::trouble, mount.path.native(),
           cat("its daemon is gone; run `mountctl mount ", mount.source, ' ', mount.path.native(),
               "`, which heals it, or `mountctl umount ", mount.path.native(), "`")});
    } else {
      found.push_back({Verdict::ok, mount.path.native(),
                       cat("shows ", mount.source, mount.read_only ? ", commits only" : "")});
      found.push_back(look_at_read_ahead(mount));
    }
  }
}

Diagnosis look_at_space(const stdfs::path& repository) {
  struct ::statvfs space {};
  if (::statvfs(repository.c_str(), &space) != 0) {
    return {Verdict::warning, "disk space", std::generic_category().message(errno)};
  }
  const std::uint64_t free = space.f_bavail * space.f_frsize;
  constexpr std::uint64_t enough = 1ull << 30;
  if (free >= enough) return {Verdict::ok, "disk space", cat(size_text(free), " free")};
  return {Verdict::warning, "disk space",
          cat("only ", size_text(free), " free under ", repository.native(),
              "; writers get ENOSPC soon")};
}

Diagnosis look_at_backlog(const stdfs::path& path) {
  Repository repository(path, Repository::Access::read);
  const auto contents =
      repository.catalog().read([](Database& database) { return count_staged_contents(database); });
  const std::string text = cat(contents, " contents to encode, ",
                               size_text(repository.staging().local_bytes()), " staged");
  if (contents == 0 || ControlClient::connect(path)) return {Verdict::ok, "staging", text};
  return {Verdict::warning, "staging", text + "; they are encoded while the repository is mounted"};
}

void look_at_repository(const Common& common, std::vector<Diagnosis>& found) {
  stdfs::path path;
  try {
    path = find_repository(common);
  } catch (const Error& error) {
    if (error.code() != Errc::no_repository || !common.repository.empty()) throw;
    found.push_back({Verdict::ok, "repository", "none here; name one with -r to look at it, too"});
    return;
  }
  found.push_back({Verdict::ok, "repository", path.native()});
  found.push_back(look_at_space(path));
  try {
    found.push_back(look_at_backlog(path));
  } catch (const Error& error) {
    found.push_back({Verdict::trouble, "index", error.what()});
  }
}

Exit run_doctor(const Common& common) {
  std::vector<Diagnosis> found = {look_at_device(), look_at_libfuse(), look_at_fusermount(),
                                  look_at_allow_other()};
  look_at_mounts(found);
  look_at_repository(common, found);
  bool trouble = false;
  for (const auto& [verdict, subject, text] : found) {
    const std::string name = verdict_names[static_cast<std::size_t>(verdict)];
    trouble = trouble || verdict == Verdict::trouble;
    if (common.json) {
      print(Json{{"verdict", name}, {"subject", subject}, {"text", text}}.dump(
          -1, ' ', false, Json::error_handler_t::replace));
    } else if (!common.quiet || verdict != Verdict::ok) {
      print(
          cat(name, std::string(9 - name.size(), ' '), printable(subject), ": ", printable(text)));
    }
  }
  return trouble ? Exit::failed : Exit::ok;
}

}  // namespace

Run add_doctor(CLI::App&, const Common& common) {
  return [&common] { return run_doctor(common); };
}

}  // namespace wfs
