#include "fs/warm.h"

#include <fnmatch.h>

#include "base/error.h"
#include "index/commit_rows.h"

namespace wfs {
namespace {

class Warm {
 public:
  Warm(Repository& repository, DecodedFiles& decoded, const std::string& glob,
       const std::function<bool()>& stopping)
      : repository_(repository), decoded_(decoded), glob_(glob), stopping_(stopping) {}

  void folder(const TreeId& id, const std::string& prefix) {
    const Tree tree =
        repository_.catalog().read([&](Database& database) { return load_tree(database, id); });
    for (const TreeEntry& entry : tree.entries) {
      if (entry.kind == Kind::folder) folder(entry.tree, prefix + entry.name + '/');
      if (entry.kind == Kind::file && matches(prefix, entry.name)) file(entry);
    }
  }

  Warmed take() const { return warmed_; }

 private:
  bool matches(const std::string& prefix, const std::string& name) const {
    return glob_.empty() || ::fnmatch(glob_.c_str(), (prefix + name).c_str(), 0) == 0 ||
           ::fnmatch(glob_.c_str(), name.c_str(), 0) == 0;
  }

  void file(const TreeEntry& entry) {
    if (entry.size < DecodedFiles::file_bytes_min) return;
    if (stopping_()) fail(Errc::busy, "the mount is ending");
    switch (decoded_.fill(entry.content)) {
      case DecodedFiles::Filled::made:
        ++warmed_.made;
        [[fallthrough]];
      case DecodedFiles::Filled::there:
        ++warmed_.files;
        warmed_.bytes += entry.size;
        break;
      case DecodedFiles::Filled::no_room:
        ++warmed_.no_room;
        break;
      case DecodedFiles::Filled::not_worth_it:
        break;
    }
  }

  Repository& repository_;
  DecodedFiles& decoded_;
  const std::string& glob_;
  const std::function<bool()>& stopping_;
  Warmed warmed_;
};

}  // namespace

Warmed warm(Repository& repository, DecodedFiles& decoded, const CommitId& commit,
            const std::string& glob, const std::function<bool()>& stopping) {
  const CommitRow row =
      repository.catalog().read([&](Database& database) { return load_commit(database, commit); });
  Warm walk(repository, decoded, glob, stopping);
  walk.folder(row.commit.tree, "");
  return walk.take();
}

}  // namespace wfs
