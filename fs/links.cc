#include "fs/links.h"

#include "base/hash.h"

namespace wfs {

Ino Links::ino_of(Ino parent, std::string_view name) noexcept {
  constexpr Ino mark = Ino{1} << 62;
  return (xxh3_64(as_bytes(name), parent) & (mark - 1)) | mark;
}

Ino Links::put(Ino parent, std::string_view name, Target target) {
  auto links = links_.lock();
  Ino ino = ino_of(parent, name);
  for (;; ino = ino_of(ino, name)) {
    const auto found = links->find(ino);
    if (found == links->end()) break;
    if (found->second.parent != parent || found->second.name != name) continue;
    found->second.target = std::move(target);
    ++found->second.lookups;
    return ino;
  }
  links->emplace(ino, Link{parent, std::string(name), std::move(target), 1});
  return ino;
}

std::optional<Links::Target> Links::target(Ino ino) {
  auto links = links_.lock();
  const auto found = links->find(ino);
  if (found == links->end()) return std::nullopt;
  return found->second.target;
}

void Links::forget(Ino ino, std::uint64_t lookups) noexcept {
  auto links = links_.lock();
  const auto found = links->find(ino);
  if (found == links->end()) return;
  if (found->second.lookups > lookups) {
    found->second.lookups -= lookups;
  } else {
    links->erase(found);
  }
}

}  // namespace wfs
