// Attributes and extended attributes of a working folder.
#include <sys/stat.h>

#include "base/clock.h"
#include "base/error.h"
#include "fs/working.h"
#include "index/content_rows.h"

namespace wfs {

Attributes Working::change(NodeId id, const AttributeChanges& changes) {
  if (changes.size) truncate(id, *changes.size);
  auto all = folders_.lock();
  Node& of = node(*all, id);
  if (changes.uid || changes.gid) {
    if (changes.uid) of.uid = *changes.uid;
    if (changes.gid) of.gid = *changes.gid;
    // A new owner does not inherit the rights of the program's old one.
    if (of.kind == Kind::file) {
      of.mode &= ~static_cast<mode_t>(S_ISUID);
      if ((of.mode & S_IXGRP) != 0) of.mode &= ~static_cast<mode_t>(S_ISGID);
    }
  }
  const bool was_executable = (of.mode & S_IXUSR) != 0;
  if (changes.mode) of.mode = *changes.mode & 07777;
  if (changes.atime_ns) of.atime_ns = *changes.atime_ns;
  if (changes.mtime_ns) {
    of.mtime_ns = *changes.mtime_ns;
    if (of.file.writers == 0) of.file.complete_mtime_ns = of.mtime_ns;
  }
  of.ctime_ns = now_ns();
  all->dirty.nodes.insert(id);
  // What a commit records of attributes is the time and whether a file can be executed.
  const bool shows = changes.mtime_ns || was_executable != ((of.mode & S_IXUSR) != 0);
  if (shows && is_history(*all, of)) touch_parents(*all, of);
  return attributes_of(of);
}

void Working::drop_set_ids(NodeId id) {
  auto all = folders_.lock();
  Node& of = node(*all, id);
  const bool runs_as_group = (of.mode & S_ISGID) != 0 && (of.mode & S_IXGRP) != 0;
  if ((of.mode & S_ISUID) == 0 && !runs_as_group) return;
  of.mode &= ~static_cast<mode_t>(S_ISUID);
  if (runs_as_group) of.mode &= ~static_cast<mode_t>(S_ISGID);
  of.ctime_ns = now_ns();
  all->dirty.nodes.insert(id);
}

std::optional<std::string> Working::xattr(NodeId id, std::string_view name) {
  auto all = folders_.lock();
  const Node& of = node(*all, id);
  const auto at = of.xattrs.find(name);
  if (at == of.xattrs.end()) return std::nullopt;
  return at->second;
}

std::vector<std::string> Working::xattrs(NodeId id) {
  auto all = folders_.lock();
  std::vector<std::string> names;
  for (const auto& [name, value] : node(*all, id).xattrs) names.push_back(name);
  return names;
}

void Working::set_xattr(NodeId id, std::string_view name, std::string_view value, XattrMode mode) {
  if (name.size() > 255) fail(Errc::name_too_long, "the name of an attribute has at most 255 bytes");
  if (value.size() > 65'536) fail(Errc::no_space, "an attribute has at most 64 KiB");
  auto all = folders_.lock();
  Node& of = node(*all, id);
  const bool exists = of.xattrs.contains(name);
  if (mode == XattrMode::create && exists) fail(Errc::exists, cat(name, " exists"));
  if (mode == XattrMode::replace && !exists) fail(Errc::no_attribute, cat("there is no ", name));
  of.xattrs.insert_or_assign(std::string(name), std::string(value));
  of.ctime_ns = now_ns();
  all->dirty.nodes.insert(id);
  if (is_history(*all, of)) touch_parents(*all, of);
}

void Working::remove_xattr(NodeId id, std::string_view name) {
  auto all = folders_.lock();
  Node& of = node(*all, id);
  const auto at = of.xattrs.find(name);
  if (at == of.xattrs.end()) fail(Errc::no_attribute, cat("there is no ", name));
  of.xattrs.erase(at);
  of.ctime_ns = now_ns();
  all->dirty.nodes.insert(id);
  if (is_history(*all, of)) touch_parents(*all, of);
}

std::optional<ContentId> Working::content_of(NodeId id) {
  std::optional<ContentId> content;
  {
    auto all = folders_.lock();
    const Node& of = node(*all, id);
    if (of.kind != Kind::file || !of.file.complete) return std::nullopt;
    const Version& complete = *of.file.complete;
    if (!complete.staged) return complete.content;
    content = complete.staged->content();
  }
  // A commit that is under way knows the content before the index does.
  if (!content) return std::nullopt;
  const auto row = repository_.catalog().read(
      [&](Database& database) { return find_content(database, *content); });
  return row ? content : std::nullopt;
}

}  // namespace wfs
