#include "index/repository.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/error.h"
#include "index/commit_rows.h"
#include "index/staged_rows.h"

namespace wfs {
namespace {

LockHolder holder_in(const Fd& lock) {
  Buffer bytes(4096);
  bytes.resize(read_some(lock, 0, bytes));
  const auto json = nlohmann::json::parse(as_text(bytes), nullptr, false);
  LockHolder holder;
  if (json.is_object()) {
    holder.pid = json.value("pid", std::int64_t{0});
    holder.mount = json.value("mount", std::string());
  }
  return holder;
}

void write_holder(const Fd& lock, const std::string& mount) {
  const nlohmann::json json = {{"pid", ::getpid()}, {"mount", mount}};
  const std::string text = json.dump() + "\n";
  if (::ftruncate(lock.get(), 0) != 0) fail_errno(errno, "cannot write the lock file");
  write_fully(lock, 0, as_bytes(text));
}

void require_repository(const stdfs::path& path) {
  if (Repository::is_at(path)) return;
  if (!stdfs::exists(path)) {
    fail(Errc::no_repository,
         cat("there is no ", path.string(), "; make a repository with `mountctl init ",
             path.string(), "`"));
  }
  fail(Errc::no_repository, cat(path.string(), " is no weightfs repository; make one with "
                                "`mountctl init` in an empty folder"));
}

void remove_unfinished_packs(const stdfs::path& packs) {
  for (const auto& entry : stdfs::directory_iterator(packs)) {
    if (entry.path().extension() == ".new") stdfs::remove(entry.path());
  }
}

}  // namespace

void Repository::create(const stdfs::path& path) {
  if (is_at(path)) fail(Errc::exists, cat(path.string(), " is a repository already"));
  std::error_code error;
  if (stdfs::exists(path) && !stdfs::is_directory(path)) {
    fail(Errc::not_folder, cat(path.string(), " is not a folder; choose another path"));
  }
  if (stdfs::exists(path) && !stdfs::is_empty(path)) {
    fail(Errc::not_empty, cat(path.string(), " is not empty; choose an empty or a new folder"));
  }
  stdfs::create_directories(path, error);
  if (error) fail_errno(error.value(), cat("cannot make ", path.string()));
  if (::chmod(path.c_str(), 0700) != 0) fail_errno(errno, cat("cannot chmod ", path.string()));
  const RepositoryPaths paths(path);
  for (const auto& folder : {paths.packs, paths.staging, paths.cache}) {
    stdfs::create_directory(folder, error);
    if (error) fail_errno(error.value(), cat("cannot make ", folder.string()));
  }
  Catalog::create(paths.index);
  Catalog catalog(paths.index, Database::Access::write);
  catalog.write(Durability::now, [](Database& database) {
    put_ref(database, {"main", RefKind::branch, std::nullopt}, now_ns(), "init");
  });
  // Written last: a folder without it is no repository.
  write_file(paths.config, as_bytes(new_config()));
}

bool Repository::is_at(const stdfs::path& path) {
  const RepositoryPaths paths(path);
  std::error_code ignored;
  return stdfs::is_regular_file(paths.config, ignored) &&
         stdfs::is_directory(paths.packs, ignored) && stdfs::is_directory(paths.staging, ignored);
}

std::optional<LockHolder> Repository::holder(const stdfs::path& path) {
  const int fd = ::open(RepositoryPaths(path).lock.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return std::nullopt;
  const Fd lock(fd);
  if (::flock(fd, LOCK_SH | LOCK_NB) == 0) return std::nullopt;
  return holder_in(lock);
}

Fd lock_repository(const stdfs::path& path) {
  require_repository(path);
  Fd lock = open_file(RepositoryPaths(path).lock, O_RDWR | O_CREAT | O_NOFOLLOW);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) fail_errno(errno, cat("cannot lock ", path.string()));
    const LockHolder holder = holder_in(lock);
    std::string message = cat(path.string(), " is in use by process ", holder.pid);
    if (!holder.mount.empty()) {
      message += cat(", which has it mounted at ", holder.mount, "; run `mountctl umount ",
                     holder.mount, "` first");
    } else {
      message += "; wait for it to end";
    }
    fail(Errc::locked, message);
  }
  write_holder(lock, "");
  return lock;
}

Repository::Repository(const stdfs::path& path, Access access) : path_(stdfs::absolute(path)) {
  require_repository(path_);
  const RepositoryPaths paths(path_);
  settings_ = load_settings(paths.config);
  const bool writes = access == Access::write;
  if (writes) lock_ = lock_repository(path_);
  catalog_ = std::make_unique<Catalog>(paths.index,
                                       writes ? Database::Access::write : Database::Access::read);
  packs_ = std::make_unique<PackFiles>(paths.packs, *catalog_);
  blocks_ = std::make_unique<BlockStore>(*packs_, settings_.cache_bytes_max);
  const auto [next, kept] = catalog_->read([](Database& database) {
    std::vector<StagedId> ids;
    for (const StagedRow& row : all_staged(database)) ids.push_back(row.id);
    return std::pair(next_staged_id(database), ids);
  });
  staging_ = std::make_unique<Staging>(paths.staging, next);
  contents_ = std::make_unique<Contents>(*catalog_, *blocks_, *staging_);
  if (writes) {
    remove_unfinished_packs(paths.packs);
    staging_->remove_orphans(kept);
  } else {
    staging_->close();
  }
}

Repository::~Repository() {
  if (staging_) staging_->close();
}

void Repository::set_mount(const std::string& mount) { write_holder(lock_, mount); }

}  // namespace wfs
