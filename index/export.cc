#include "index/export.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"
#include "index/commit_rows.h"

namespace wfs {
namespace {

struct Times {
  explicit Times(std::int64_t mtime_ns) {
    const std::int64_t second = 1'000'000'000;
    const std::int64_t rest = ((mtime_ns % second) + second) % second;
    both[0] = both[1] = {static_cast<time_t>((mtime_ns - rest) / second), static_cast<long>(rest)};
  }
  timespec both[2];
};

class Export {
 public:
  Export(Repository& repository, const std::function<void(std::uint64_t)>& progress)
      : repository_(repository), progress_(progress) {}

  void write_folder(const TreeId& id, const stdfs::path& folder, const std::string& prefix) {
    const Tree tree =
        repository_.catalog().read([&](Database& database) { return load_tree(database, id); });
    for (const TreeEntry& entry : tree.entries) {
      const stdfs::path path = folder / entry.name;
      switch (entry.kind) {
        case Kind::file:
          write_or_tell(entry, path, prefix + entry.name);
          break;
        case Kind::symlink:
          write_symlink(entry, path);
          break;
        case Kind::folder:
          if (::mkdir(path.c_str(), 0777) != 0)
            fail_errno(errno, cat("cannot make ", path.native()));
          write_folder(entry.tree, path, prefix + entry.name + '/');
          set_times(path, entry.mtime_ns);  // last: each new name in it has moved its time
          break;
      }
    }
  }

  Exported take() { return std::move(exported_); }

 private:
  void write_or_tell(const TreeEntry& entry, const stdfs::path& path, const std::string& shown) {
    try {
      write_file(entry, path);
      ++exported_.files;
    } catch (const Error& error) {
      if (error.code() != Errc::corrupt && error.code() != Errc::not_found) throw;
      ::unlink(path.c_str());
      exported_.unreadable.push_back(cat(shown, ": ", error.what()));
    }
  }

  void write_file(const TreeEntry& entry, const stdfs::path& path) {
    const auto content = repository_.contents().open(entry.content);
    const Fd file =
        open_file(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, entry.executable ? 0777 : 0666);
    for (std::uint64_t at = 0; at < content->size();) {
      const auto length =
          static_cast<std::size_t>(std::min<std::uint64_t>(piece_.size(), content->size() - at));
      content->read(at, MutableBytes(piece_).first(length));
      write_fully(file, at, Bytes(piece_).first(length));
      at += length;
      exported_.bytes += length;
      progress_(exported_.bytes);
    }
    for (const auto& [name, value] : entry.xattrs) {
      // A disk without xattrs is no reason to have no file.
      [[maybe_unused]] const int set =
          ::fsetxattr(file.get(), name.c_str(), value.data(), value.size(), 0);
    }
    if (::futimens(file.get(), Times(entry.mtime_ns).both) != 0) {
      fail_errno(errno, cat("cannot set the time of ", path.native()));
    }
  }

  void write_symlink(const TreeEntry& entry, const stdfs::path& path) {
    if (::symlink(entry.target.c_str(), path.c_str()) != 0) {
      fail_errno(errno, cat("cannot make ", path.native()));
    }
    set_times(path, entry.mtime_ns);
    ++exported_.files;
  }

  static void set_times(const stdfs::path& path, std::int64_t mtime_ns) {
    if (::utimensat(AT_FDCWD, path.c_str(), Times(mtime_ns).both, AT_SYMLINK_NOFOLLOW) != 0) {
      fail_errno(errno, cat("cannot set the time of ", path.native()));
    }
  }

  Repository& repository_;
  const std::function<void(std::uint64_t)>& progress_;
  Buffer piece_ = Buffer(1 << 20);
  Exported exported_;
};

void prepare(const stdfs::path& destination) {
  std::error_code error;
  const auto status = stdfs::symlink_status(destination, error);
  if (stdfs::exists(status)) {
    if (!stdfs::is_directory(destination, error)) {
      fail(Errc::not_folder, cat(destination.native(), " is not a folder; choose a new path"));
    }
    if (!stdfs::is_empty(destination)) {
      fail(Errc::not_empty,
           cat(destination.native(), " is not empty; choose an empty folder or a new path"));
    }
    return;
  }
  stdfs::create_directories(destination, error);
  if (error) fail_errno(error.value(), cat("cannot make ", destination.native()));
}

}  // namespace

Exported export_tree(Repository& repository, const CommitId& commit, const stdfs::path& destination,
                     const std::function<void(std::uint64_t)>& progress) {
  const CommitRow row =
      repository.catalog().read([&](Database& database) { return load_commit(database, commit); });
  prepare(destination);
  Export work(repository, progress);
  work.write_folder(row.commit.tree, destination, "");
  return work.take();
}

}  // namespace wfs
