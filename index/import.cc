#include "index/import.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <cerrno>
#include <map>

#include "base/clock.h"
#include "base/error.h"
#include "index/commit_rows.h"
#include "index/ignore.h"
#include "index/working_rows.h"

namespace wfs {
namespace {

constexpr const char* ignore_file = ".weightfsignore";
constexpr std::uint64_t ignore_bytes_max = 1 << 20;

Xattrs user_xattrs_of(const stdfs::path& path) {
  Xattrs xattrs;
  std::string names(64 << 10, '\0');
  const auto length = ::llistxattr(path.c_str(), names.data(), names.size());
  if (length <= 0) return xattrs;
  names.resize(static_cast<std::size_t>(length));
  for (std::size_t at = 0; at < names.size(); at = names.find('\0', at) + 1) {
    const std::string name = names.c_str() + at;
    if (!name.starts_with("user.") || name.starts_with("user.weightfs.")) continue;
    std::string value(64 << 10, '\0');
    const auto size = ::lgetxattr(path.c_str(), name.c_str(), value.data(), value.size());
    if (size < 0) continue;
    value.resize(static_cast<std::size_t>(size));
    xattrs.emplace(name, std::move(value));
  }
  return xattrs;
}

struct ::stat status_of(const stdfs::path& path) {
  struct ::stat status {};
  if (::lstat(path.c_str(), &status) != 0) fail_errno(errno, path.native());
  return status;
}

CutEntry kept(const TreeEntry& entry) {
  CutEntry cut;
  cut.name = entry.name;
  cut.executable = entry.executable;
  cut.mtime_ns = entry.mtime_ns;
  cut.size = entry.size;
  cut.xattrs = entry.xattrs;
  switch (entry.kind) {
    case Kind::file:
      cut.value = entry.content;
      break;
    case Kind::folder:
      cut.value = entry.tree;
      break;
    case Kind::symlink:
      cut.value = entry.target;
      break;
  }
  return cut;
}

// Lays plain files over the tree of a tip.
class Import {
 public:
  Import(Repository& repository, IgnoreRules ignore,
         const std::function<void(std::uint64_t)>& progress)
      : repository_(repository), ignore_(std::move(ignore)), progress_(progress) {}

  // The folder `tip` with one name replaced by, or merged with, what is at `source`.
  CutFolder with_entry(const Tree& tip, const stdfs::path& source, const std::string& name) {
    std::map<std::string, CutEntry> entries = entries_of(tip);
    put(entries, tip, source, name, "");
    return folder_of(std::move(entries));
  }

  CutFolder merged(const Tree& tip, const stdfs::path& source, const std::string& prefix) {
    std::map<std::string, CutEntry> entries = entries_of(tip);
    for (const auto& item : stdfs::directory_iterator(source)) {
      put(entries, tip, item.path(), item.path().filename().native(), prefix);
    }
    return folder_of(std::move(entries));
  }

 private:
  static std::map<std::string, CutEntry> entries_of(const Tree& tip) {
    std::map<std::string, CutEntry> entries;
    for (const TreeEntry& entry : tip.entries) entries.emplace(entry.name, kept(entry));
    return entries;
  }

  static CutFolder folder_of(std::map<std::string, CutEntry> entries) {
    CutFolder folder;
    for (auto& [name, entry] : entries) folder.entries.push_back(std::move(entry));
    return folder;
  }

  void put(std::map<std::string, CutEntry>& entries, const Tree& tip, const stdfs::path& source,
           const std::string& name, const std::string& prefix) {
    const auto status = status_of(source);
    const bool is_folder = S_ISDIR(status.st_mode);
    const std::string path = prefix + name;
    if (is_temporary_name(name) || ignore_.ignored(path, is_folder)) return;
    CutEntry entry;
    entry.name = name;
    entry.mtime_ns =
        static_cast<std::int64_t>(status.st_mtim.tv_sec) * 1'000'000'000 + status.st_mtim.tv_nsec;
    if (is_folder) {
      const TreeEntry* const before = tip.find(name);
      const Tree below =
          before != nullptr && before->kind == Kind::folder ? load(before->tree) : Tree();
      entry.value = std::make_unique<CutFolder>(merged(below, source, path + '/'));
    } else if (S_ISREG(status.st_mode)) {
      entry.executable = (status.st_mode & 0100) != 0;
      entry.xattrs = user_xattrs_of(source);
      auto staged = stage(source);
      entry.size = staged->size();
      entry.value = std::move(staged);
    } else if (S_ISLNK(status.st_mode)) {
      entry.value = stdfs::read_symlink(source).native();
    } else {
      return;
    }
    entries.insert_or_assign(name, std::move(entry));
  }

  std::shared_ptr<StagedFile> stage(const stdfs::path& source) {
    const Fd file = open_file(source, O_RDONLY);
    auto staged = repository_.staging().create();
    for (std::uint64_t at = 0;;) {
      const std::size_t length = read_some(file, at, piece_);
      if (length == 0) break;
      staged->write(at, Bytes(piece_).first(length));
      at += length;
      read_ += length;
      progress_(read_);
    }
    staged->freeze();
    return staged;
  }

  Tree load(const TreeId& id) {
    return repository_.catalog().read([&](Database& database) { return load_tree(database, id); });
  }

  Repository& repository_;
  IgnoreRules ignore_;
  const std::function<void(std::uint64_t)>& progress_;
  Buffer piece_ = Buffer(1 << 20);
  std::uint64_t read_ = 0;
};

// Files that exist in the working folder alone would be lost with it.
void require_committed(Database& database, const std::string& branch) {
  bool uncommitted = has_uncommitted(database, branch);
  for (const NodeRow& node : load_nodes(database, branch)) {
    uncommitted = uncommitted || (node.staged != StagedId::none && !node.content && node.size > 0);
  }
  if (uncommitted) {
    fail(Errc::busy, cat("files of branch ", branch,
                         " are not committed; mount the repository, commit "
                         "them or move them away, and import again"));
  }
}

// The tip of the branch, as a tree; an empty one when it has no commit.
Tree tip_of(Database& database, const std::string& branch) {
  const auto ref = find_ref(database, branch);
  if (!ref || ref->kind != RefKind::branch) {
    fail(Errc::not_found, cat("there is no branch ", branch, "; see `mountctl branch`"));
  }
  require_committed(database, branch);
  if (!ref->tip) return {};
  return load_tree(database, load_commit(database, *ref->tip).commit.tree);
}

IgnoreRules rules_of(Repository& repository, const Tree& tip) {
  const TreeEntry* const entry = tip.find(ignore_file);
  if (entry == nullptr || entry->kind != Kind::file || entry->size > ignore_bytes_max) return {};
  Buffer text(entry->size);
  repository.contents().open(entry->content)->read(0, text);
  return IgnoreRules(as_text(text));
}

void require_outside(const stdfs::path& repository, const stdfs::path& source) {
  const stdfs::path inner = stdfs::canonical(repository);
  const stdfs::path outer = stdfs::canonical(source);
  const auto [end, at] = std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end());
  const auto [inner_end, ignored] =
      std::mismatch(inner.begin(), inner.end(), outer.begin(), outer.end());
  if (end == outer.end() || inner_end == inner.end()) {
    fail(Errc::invalid, cat(source.native(), " and the repository ", inner.native(),
                            " lie in one another; import a folder of its own"));
  }
}

}  // namespace

std::optional<Committed> import_folder(Repository& repository, const ImportRequest& request,
                                       const std::function<void(std::uint64_t)>& progress) {
  std::error_code error;
  const auto status = stdfs::status(request.source, error);
  if (!stdfs::is_directory(status) && !stdfs::is_regular_file(status)) {
    fail(Errc::not_found,
         cat("there is no folder or file ", request.source.native(), " to import"));
  }
  require_outside(repository.path(), request.source);
  const Tree tip = repository.catalog().read(
      [&](Database& database) { return tip_of(database, request.branch); });
  Import work(repository, rules_of(repository, tip), progress);
  const bool contents_only = request.source.filename() == "." && request.source != ".";
  const stdfs::path source = stdfs::canonical(request.source);
  Cut cut;
  cut.branch = request.branch;
  cut.root = contents_only ? work.merged(tip, source, "")
                           : work.with_entry(tip, source, source.filename().native());
  cut.message = request.message;
  cut.author = request.author;
  cut.writer = "mountctl";
  cut.time_ns = now_ns();
  // Before the tip moves: rows of the old tip would read as changes that undo the import.
  repository.catalog().write(Durability::now, [&](Database& database) {
    require_committed(database, request.branch);
    forget_working(database, request.branch);
  });
  return commit(repository, cut);
}

}  // namespace wfs
