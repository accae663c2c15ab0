// What a branch should be: a plain tree in memory with the rules of POSIX, and beside the bytes
// that readers see the ones that a commit takes. Knows nothing of staging, cuts or packs. One
// thread.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/hash.h"
#include "index/model.h"

namespace wfs {

struct RefNode;
using RefNodePtr = std::shared_ptr<RefNode>;

// Bytes by name: their length and hash.
using BytesName = std::string;

inline BytesName name_of_bytes(std::string_view bytes) {
  return cat(bytes.size(), ':', hex(xxh3_128(as_bytes(bytes)).bytes));
}

struct RefNode {
  Kind kind = Kind::file;
  mode_t mode = 0644;
  std::string bytes;                  // what readers see
  std::optional<BytesName> complete;  // what a commit takes
  std::size_t complete_size = 0;
  std::string target;
  Xattrs xattrs;
  std::map<std::string, RefNodePtr> entries;
  unsigned links = 0;
  unsigned writers = 0;
  bool changes = false;  // bytes are not the complete ones any more

  void finish() {
    complete = name_of_bytes(bytes);
    complete_size = bytes.size();
    changes = false;
  }
};

// What a commit holds: a line for each path.
using State = std::map<std::string, std::string>;

inline bool is_temporary(std::string_view name) {
  return name.starts_with(".tmp");
}

inline std::string line_of(Kind kind, bool executable, const std::string& value,
                           const Xattrs& xattrs) {
  std::string line = cat(static_cast<int>(kind), executable ? " x " : " - ", value);
  for (const auto& [name, text] : xattrs) line += cat(' ', name, '=', text);
  return line;
}

class Reference {
 public:
  Reference() { root_->kind = Kind::folder; }

  const RefNodePtr& root() const { return root_; }

  // The texts of .weightfsignore that sequences write, and what they mean.
  static bool ignored_by(const std::string& rules, const std::string& path, bool is_folder) {
    const auto slash = path.rfind('/');
    const std::string name = slash == path.npos ? path : path.substr(slash + 1);
    if (rules == "*.log\n") return name.ends_with(".log");
    if (rules == "hidden/\n") return is_folder && name == "hidden";
    if (rules == "/d/b\n") return path == "d/b";
    return false;
  }

  // What a commit made now holds.
  State state() const {
    State state;
    add(state, *root_, "", rules());
    return state;
  }

  // Whether the file can be reached by a path that commits hold.
  bool is_history(const RefNode& file) const { return finds(*root_, file, "", rules()); }

 private:
  std::string rules() const {
    const auto at = root_->entries.find(".weightfsignore");
    if (at == root_->entries.end() || at->second->kind != Kind::file) return "";
    for (const char* text : {"*.log\n", "hidden/\n", "/d/b\n"}) {
      if (at->second->complete == name_of_bytes(text)) return text;
    }
    return "";
  }

  static bool skipped(const std::string& name, const std::string& path, const RefNode& child,
                      const std::string& rules) {
    return is_temporary(name) || ignored_by(rules, path, child.kind == Kind::folder);
  }

  static void add(State& state, const RefNode& folder, const std::string& prefix,
                  const std::string& rules) {
    for (const auto& [name, child] : folder.entries) {
      const std::string path = prefix + name;
      if (skipped(name, path, *child, rules)) continue;
      switch (child->kind) {
        case Kind::folder:
          state.emplace(path, line_of(child->kind, false, "", child->xattrs));
          add(state, *child, path + "/", rules);
          break;
        case Kind::symlink:
          state.emplace(path, line_of(child->kind, false, child->target, child->xattrs));
          break;
        case Kind::file:
          if (!child->complete) continue;
          state.emplace(path, line_of(child->kind, (child->mode & 0100) != 0, *child->complete,
                                      child->xattrs));
          break;
      }
    }
  }

  static bool finds(const RefNode& folder, const RefNode& file, const std::string& prefix,
                    const std::string& rules) {
    for (const auto& [name, child] : folder.entries) {
      const std::string path = prefix + name;
      if (skipped(name, path, *child, rules)) continue;
      if (child.get() == &file) return true;
      if (child->kind == Kind::folder && finds(*child, file, path + "/", rules)) return true;
    }
    return false;
  }

  RefNodePtr root_ = std::make_shared<RefNode>();
};

}  // namespace wfs
