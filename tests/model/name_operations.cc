// Operations on names and attributes, and on the repository as a whole. Each says first what POSIX
// demands, then does it and takes it over.
#include <sys/stat.h>

#include <algorithm>
#include <array>

#include "tests/model/sequence.h"

namespace wfs {
namespace {

bool holds(const RefNode& folder, const RefNode* wanted) {
  if (&folder == wanted) return true;
  return std::any_of(folder.entries.begin(), folder.entries.end(),
                     [&](const auto& entry) { return holds(*entry.second, wanted); });
}

}  // namespace

void Sequence::make_folder() {
  const Place place = any_place();
  const auto expected =
      place.folder->entries.contains(place.name) ? std::optional(Errc::exists) : std::nullopt;
  const Ino folder = folder_of(place);
  if (!attempt("make folder " + place.path(), expected, [&] {
        files_->forget(files_->make_folder(folder, place.name, 0755, caller_).attributes.ino, 1);
      })) {
    return;
  }
  auto node = std::make_shared<RefNode>();
  node->kind = Kind::folder;
  node->mode = 0755;
  place.folder->entries.emplace(place.name, node);
}

void Sequence::make_symlink() {
  const Place place = any_place();
  const auto expected =
      place.folder->entries.contains(place.name) ? std::optional(Errc::exists) : std::nullopt;
  const Ino folder = folder_of(place);
  const std::string target = cat("../target-", below(100));
  if (!attempt("symlink " + place.path(), expected, [&] {
        files_->forget(files_->make_symlink(folder, place.name, target, caller_).attributes.ino, 1);
      })) {
    return;
  }
  auto node = std::make_shared<RefNode>();
  node->kind = Kind::symlink;
  node->mode = 0777;
  node->links = 1;
  node->target = target;
  place.folder->entries.emplace(place.name, node);
}

void Sequence::link() {
  const auto from = some_entry(std::nullopt);
  if (!from) return;
  const Place to = any_place();
  const RefNodePtr node = from->folder->entries.at(from->name);
  std::optional<Errc> expected;
  if (node->kind == Kind::folder) {
    expected = Errc::not_permitted;
  } else if (to.folder->entries.contains(to.name)) {
    expected = Errc::exists;
  }
  const Ino file = ino_of(from->path()), folder = folder_of(to);
  if (!attempt(cat("link ", from->path(), " ", to.path()), expected,
               [&] { files_->forget(files_->link(file, folder, to.name).attributes.ino, 1); })) {
    return;
  }
  ++node->links;
  to.folder->entries.emplace(to.name, node);
}

void Sequence::unlink() {
  const auto place = some_entry(std::nullopt);
  if (!place) return;
  const RefNodePtr node = place->folder->entries.at(place->name);
  const auto expected = node->kind == Kind::folder ? std::optional(Errc::is_folder) : std::nullopt;
  const Ino folder = folder_of(*place);
  destroys(*node);
  if (!attempt("unlink " + place->path(), expected, [&] { files_->unlink(folder, place->name); })) {
    return;
  }
  --node->links;
  place->folder->entries.erase(place->name);
}

void Sequence::remove_folder() {
  const auto place = some_entry(std::nullopt);
  if (!place) return;
  const RefNodePtr node = place->folder->entries.at(place->name);
  std::optional<Errc> expected;
  if (node->kind != Kind::folder) {
    expected = Errc::not_folder;
  } else if (!node->entries.empty()) {
    expected = Errc::not_empty;
  }
  const Ino folder = folder_of(*place);
  if (!attempt("remove folder " + place->path(), expected,
               [&] { files_->remove_folder(folder, place->name); })) {
    return;
  }
  place->folder->entries.erase(place->name);
}

void Sequence::rename() {
  const auto from = some_entry(std::nullopt);
  if (!from) return;
  auto to = any_place();
  if (one_in(2)) {
    if (const auto other = some_entry(std::nullopt)) to = *other;
  }
  const Existing existing = one_in(4)   ? Existing::exchange
                            : one_in(4) ? Existing::keep
                                        : Existing::replace;
  const RefNodePtr moved = from->folder->entries.at(from->name);
  const auto at = to.folder->entries.find(to.name);
  const RefNodePtr there = at == to.folder->entries.end() ? nullptr : at->second;
  std::optional<Errc> expected;
  const bool is_folder = moved->kind == Kind::folder;
  if (is_folder && holds(*moved, to.folder.get())) {
    expected = Errc::invalid;
  } else if (existing == Existing::keep && there) {
    expected = Errc::exists;
  } else if (existing == Existing::exchange) {
    if (!there)
      expected = Errc::not_found;
    else if (there != moved && there->kind == Kind::folder && holds(*there, from->folder.get())) {
      expected = Errc::invalid;
    }
  } else if (there && there != moved) {
    if (there->kind == Kind::folder) {
      if (!is_folder)
        expected = Errc::is_folder;
      else if (!there->entries.empty())
        expected = Errc::not_empty;
    } else if (is_folder) {
      expected = Errc::not_folder;
    }
  }
  const Ino source = folder_of(*from), target = folder_of(to);
  if (existing == Existing::replace && there && there != moved && !expected) destroys(*there);
  if (!attempt(cat("rename ", from->path(), " ", to.path(), " ", static_cast<int>(existing)),
               expected, [&] { files_->rename(source, from->name, target, to.name, existing); })) {
    return;
  }
  if (there == moved) return;
  from->folder->entries.erase(from->name);
  if (there) {
    to.folder->entries.erase(to.name);
    if (existing == Existing::exchange)
      from->folder->entries.emplace(from->name, there);
    else if (there->kind != Kind::folder)
      --there->links;
  }
  to.folder->entries.emplace(to.name, moved);
}

void Sequence::change_mode() {
  const auto place = some_entry(std::nullopt);
  if (!place) return;
  RefNode& node = *place->folder->entries.at(place->name);
  if (node.kind == Kind::symlink) return;
  static constexpr std::array<mode_t, 4> modes{0644, 0755, 0600, 0700};
  AttributeChanges changes;
  changes.mode = node.mode = modes[below(modes.size())];
  const Ino ino = ino_of(place->path());
  attempt(cat("chmod ", place->path(), " ", node.mode), std::nullopt,
          [&] { files_->change(ino, changes); });
}

void Sequence::change_time() {
  const auto place = some_entry(std::nullopt);
  if (!place) return;
  AttributeChanges changes;
  changes.mtime_ns = 1'600'000'000'000'000'000 + static_cast<std::int64_t>(below(1'000'000));
  const Ino ino = ino_of(place->path());
  attempt(cat("utimens ", place->path()), std::nullopt, [&] { files_->change(ino, changes); });
  require(files_->attributes(ino).attributes.mtime_ns == *changes.mtime_ns,
          "utimens has no effect");
}

void Sequence::change_xattr() {
  const auto place = some_entry(std::nullopt);
  if (!place) return;
  RefNode& node = *place->folder->entries.at(place->name);
  const std::string name = cat("user.k", below(3));
  const bool exists = node.xattrs.contains(name);
  const Ino ino = ino_of(place->path());
  if (one_in(3)) {
    const auto expected = exists ? std::nullopt : std::optional(Errc::no_attribute);
    attempt(cat("remove xattr ", place->path(), " ", name), expected,
            [&] { files_->remove_xattr(ino, name); });
    node.xattrs.erase(name);
    return;
  }
  const std::string value = cat("value", below(1000));
  if (attempt(cat("set xattr ", place->path(), " ", name), std::nullopt,
              [&] { files_->set_xattr(ino, name, value, Working::XattrMode::any); })) {
    node.xattrs[name] = value;
  }
}

void Sequence::ignore() {
  static constexpr std::array texts{"*.log\n", "hidden/\n", "/d/b\n", "# nothing\n"};
  const std::string text = texts[below(texts.size())];
  constexpr std::string_view name = ".weightfsignore";
  auto& node = reference_.root()->entries[std::string(name)];
  Handle* handle = nullptr;
  note("ignore " + text);
  if (node && one_in(3)) {
    files_->unlink(ino_of(""), name);
    reference_.root()->entries.erase(std::string(name));
    commit();
    return;
  }
  constexpr OpenMode mode{.reads = false, .writes = true, .truncates = true};
  if (!node) {
    node = std::make_shared<RefNode>();
    node->links = 1;
    const Created created = files_->create(ino_of(""), name, 0644, mode, caller_);
    files_->forget(created.entry.attributes.ino, 1);
    handle = created.handle;
  } else {
    handle = files_->open(ino_of(std::string(name)), mode, caller_);
  }
  overwrites(*node);
  files_->write(*handle, 0, as_bytes(text));
  files_->flush(*handle);
  files_->release(handle);
  node->bytes = text;
  node->finish();
  commit();  // rules hold from the next cut on
}

void Sequence::wait_idle() {
  note("pack");
  // Cuts wait for an hour in this test, so the branch is committed first.
  if (opened_.empty()) {
    commit();
    require_idle();
  }
}

void Sequence::reopen() {
  close_all();
  note("reopen");
  stop();
  start();
  compare(*reference_.root(), ino_of(""), "");
}

}  // namespace wfs
