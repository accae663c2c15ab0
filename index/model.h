// What a commit is made of, as plain values, and their canonical records: the bytes that are hashed for
// the id, kept in the index and in packs. A record decodes to the same value on every machine.
// Values, any thread. The byte layouts stand in docs/FORMAT.md.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "index/ids.h"

namespace wfs {

enum class Kind : std::uint8_t { file = 1, folder = 2, symlink = 3 };

using Xattrs = std::map<std::string, std::string, std::less<>>;

// One name in a folder of a commit. Permission bits beyond "executable" and owners are not history.
struct TreeEntry {
  std::string name;
  Kind kind = Kind::file;
  bool executable = false;
  std::int64_t mtime_ns = 0;
  std::uint64_t size = 0;  // files: bytes; symlinks: length of the target; folders: 0
  ContentId content;       // files
  TreeId tree;             // folders
  std::string target;      // symlinks
  Xattrs xattrs;           // user.* only

  bool operator==(const TreeEntry&) const = default;
};

// One folder: entries sorted by the bytes of their names, each name once.
struct Tree {
  std::vector<TreeEntry> entries;

  const TreeEntry* find(std::string_view name) const noexcept;
  bool operator==(const Tree&) const = default;
};

Buffer record_of(const Tree& tree);
// Throws Errc::corrupt for bytes that are no record of a tree: also for names no folder can hold.
Tree tree_of(Bytes record);
TreeId tree_id_of(Bytes record);

struct Commit {
  std::vector<CommitId> parents;
  TreeId tree;
  std::string branch;   // the branch it was made on
  std::string author;
  std::int64_t time_ns = 0;
  std::string message;
  std::string writer;   // name of the process that wrote last; may be empty
  std::string metrics;  // JSON object; empty when there are none
  bool complete = false;  // every model folder in it is whole

  bool operator==(const Commit&) const = default;
};

Buffer record_of(const Commit& commit);
Commit commit_of(Bytes record);
CommitId commit_id_of(Bytes record);

// A commit as the index holds it.
struct CommitRow {
  std::int64_t number = 0;  // ascending in the order the commits were made here
  CommitId id;
  Commit commit;
};

enum class RefKind : std::uint8_t { branch = 1, tag = 2 };

struct Ref {
  std::string name;
  RefKind kind = RefKind::branch;
  std::optional<CommitId> tip;  // none: a branch without a commit

  bool operator==(const Ref&) const = default;
};

// Whether `name` may name an entry of a folder: not empty, ".", "..", over 255 bytes, nor with '/' or NUL.
bool is_entry_name(std::string_view name) noexcept;

// Whether `name` may name a branch or tag: letters, digits, '.', '_', '-'; no leading '.' or '-'; at most
// 100 bytes; no text that reads as something else ("latest", "latest-complete").
bool is_ref_name(std::string_view name) noexcept;

}  // namespace wfs
