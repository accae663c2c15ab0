// Symlinks that exist because somebody looked them up: moving names of commits (`@main~3`) and
// folders at a revision (`sub@v1`). A link has one inode number as long as the kernel knows it, and
// the target of its last lookup. Any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/guarded.h"
#include "fs/types.h"

namespace wfs {

class Links {
 public:
  // The number a link of this name has, unless another link is in the way; for listings.
  static Ino ino_of(Ino parent, std::string_view name) noexcept;

  struct Target {
    std::string path;
    std::int64_t time_ns = 0;  // of the commit it leads to
  };

  // Makes the link, or sets its target, and counts one lookup.
  Ino put(Ino parent, std::string_view name, Target target);
  std::optional<Target> target(Ino ino);
  void forget(Ino ino, std::uint64_t lookups) noexcept;

 private:
  struct Link {
    Ino parent = 0;
    std::string name;
    Target target;
    std::uint64_t lookups = 0;
  };
  Guarded<std::unordered_map<Ino, Link>> links_;
};

}  // namespace wfs
