// A repository on disk, opened: the folder, its lock, its index and its packs. Owns the parts; the work is
// done by the functions that take a Repository. One process at a time has it open for writing; any number
// read. Any thread.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/file.h"
#include "index/block_store.h"
#include "index/catalog.h"
#include "index/contents.h"
#include "index/pack_files.h"
#include "index/settings.h"
#include "index/staging.h"

namespace wfs {

// The process that has the repository open for writing, as its lock file says.
struct LockHolder {
  std::int64_t pid = 0;
  std::string mount;  // where it is mounted; empty: not mounted
};

class Repository {
 public:
  enum class Access { read, write };

  // Makes an empty repository with the branch main. The folder may exist when it is empty. Throws
  // Errc::exists when there is a repository, Errc::not_empty when there is something else.
  static void create(const stdfs::path& path);

  // Whether `path` looks like a repository: a folder with config.json, packs/ and staging/.
  static bool is_at(const stdfs::path& path);

  // Who writes the repository at `path` now; nullopt: nobody.
  static std::optional<LockHolder> holder(const stdfs::path& path);

  // Throws Errc::no_repository, Errc::locked (naming the holder), and what Catalog throws.
  Repository(const stdfs::path& path, Access access);
  ~Repository();
  Repository(Repository&&) = delete;

  // Writes into the lock file where this process has mounted the repository.
  void set_mount(const std::string& mount);

  const stdfs::path& path() const noexcept { return path_; }
  const Settings& settings() const noexcept { return settings_; }
  Catalog& catalog() noexcept { return *catalog_; }
  PackFiles& packs() noexcept { return *packs_; }
  BlockStore& blocks() noexcept { return *blocks_; }
  Staging& staging() noexcept { return *staging_; }
  Contents& contents() noexcept { return *contents_; }

 private:
  stdfs::path path_;
  Fd lock_;
  Settings settings_;
  std::unique_ptr<Catalog> catalog_;
  std::unique_ptr<PackFiles> packs_;
  std::unique_ptr<BlockStore> blocks_;
  std::unique_ptr<Staging> staging_;
  std::unique_ptr<Contents> contents_;
};

// The parts of a repository by path, for those who work before it can be opened (rebuild).
struct RepositoryPaths {
  explicit RepositoryPaths(const stdfs::path& root)
      : index(root / "index.sqlite"), packs(root / "packs"), staging(root / "staging"),
        cache(root / "cache"), config(root / "config.json"), lock(root / "lock"),
        socket(root / "control") {}
  stdfs::path index, packs, staging, cache, config, lock, socket;
};

// Takes the lock of the repository at `path`; Errc::locked names the holder.
Fd lock_repository(const stdfs::path& path);

}  // namespace wfs
