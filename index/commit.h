// The write path: a frozen state of a branch becomes a commit. Its new contents stay in staging; packing
// follows in the background (packing.h).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "index/model.h"
#include "index/repository.h"

namespace wfs {

struct CutFolder;

// One entry of a cut. Its value is a folder that equals one of the tip (TreeId), a folder to be written
// anew, bytes in staging, a committed content, or the target of a symlink.
struct CutEntry {
  std::string name;
  NodeId node = NodeId::none;
  bool executable = false;
  std::int64_t mtime_ns = 0;
  std::uint64_t size = 0;
  Xattrs xattrs;
  std::variant<TreeId, std::unique_ptr<CutFolder>, std::shared_ptr<StagedFile>, ContentId, std::string>
      value;
};

struct CutFolder {
  NodeId node = NodeId::none;
  std::vector<CutEntry> entries;
};

// The state of a branch at one moment: immutable, so the working folder goes on changing meanwhile.
struct Cut {
  std::string branch;
  CutFolder root;
  std::string message;  // empty: generated from what changed
  std::string author;
  std::string writer;
  std::int64_t time_ns = 0;
};

struct Committed {
  CommitId id;
  bool is_new = false;  // false: nothing differs from the tip; `id` is the tip
  // The trees of the folders that were written anew, by node.
  std::vector<std::pair<NodeId, TreeId>> trees;
};

// Hashes what is staged, writes trees, and moves the branch: one durable transaction. Every StagedFile of
// the cut knows its content afterwards. An empty cut on a branch without a commit makes none (nullopt).
// Throws Errc::no_space and Errc::io with the repository unchanged; the cut may be committed again.
std::optional<Committed> commit(Repository& repository, const Cut& cut);

}  // namespace wfs
