#include "index/model.h"

#include "base/error.h"
#include "base/wire.h"

namespace wfs {
namespace {

constexpr std::uint8_t tree_version = 1;
constexpr std::uint8_t commit_version = 1;

void append_entry(Buffer& to, const TreeEntry& entry) {
  append_le(to, static_cast<std::uint8_t>(entry.kind));
  append_le(to, static_cast<std::uint8_t>(entry.executable ? 1 : 0));
  append_text16(to, entry.name);
  append_le(to, entry.mtime_ns);
  append_le(to, static_cast<std::uint16_t>(entry.xattrs.size()));
  for (const auto& [name, value] : entry.xattrs) {
    append_text16(to, name);
    append_text32(to, value);
  }
  switch (entry.kind) {
    case Kind::file:
      append_le(to, entry.size);
      append_bytes(to, entry.content.digest.bytes);
      break;
    case Kind::folder: append_bytes(to, entry.tree.digest.bytes); break;
    case Kind::symlink: append_text16(to, entry.target); break;
  }
}

TreeEntry take_entry(Cursor& cursor) {
  TreeEntry entry;
  entry.kind = static_cast<Kind>(cursor.number<std::uint8_t>());
  entry.executable = cursor.number<std::uint8_t>() != 0;
  entry.name = cursor.text16();
  if (!is_entry_name(entry.name)) fail(Errc::corrupt, "a tree record has a name no folder can hold");
  entry.mtime_ns = cursor.number<std::int64_t>();
  const auto xattrs = cursor.number<std::uint16_t>();
  for (unsigned i = 0; i < xattrs; ++i) {
    std::string name(cursor.text16());
    entry.xattrs.emplace(std::move(name), cursor.text32());
  }
  switch (entry.kind) {
    case Kind::file:
      entry.size = cursor.number<std::uint64_t>();
      entry.content.digest.bytes = cursor.array<32>();
      return entry;
    case Kind::folder: entry.tree.digest.bytes = cursor.array<20>(); return entry;
    case Kind::symlink:
      entry.target = cursor.text16();
      entry.size = entry.target.size();
      return entry;
  }
  fail(Errc::corrupt, "a tree record has an entry of unknown kind");
}

}  // namespace

const TreeEntry* Tree::find(std::string_view name) const noexcept {
  const auto at = std::lower_bound(
      entries.begin(), entries.end(), name,
      [](const TreeEntry& entry, std::string_view wanted) { return entry.name < wanted; });
  return at != entries.end() && at->name == name ? &*at : nullptr;
}

Buffer record_of(const Tree& tree) {
  Buffer record;
  append_le(record, tree_version);
  append_le(record, static_cast<std::uint32_t>(tree.entries.size()));
  for (const TreeEntry& entry : tree.entries) append_entry(record, entry);
  return record;
}

Tree tree_of(Bytes record) {
  Cursor cursor(record);
  if (cursor.number<std::uint8_t>() != tree_version) {
    fail(Errc::unsupported, "a tree record is of a newer format; use a newer weightfs");
  }
  const auto count = cursor.number<std::uint32_t>();
  Tree tree;
  for (std::uint32_t i = 0; i < count; ++i) {
    tree.entries.push_back(take_entry(cursor));
    if (i > 0 && !(tree.entries[i - 1].name < tree.entries[i].name)) {
      fail(Errc::corrupt, "a tree record is not sorted");
    }
  }
  if (!cursor.at_end()) fail(Errc::corrupt, "a tree record has bytes after its end");
  return tree;
}

TreeId tree_id_of(Bytes record) { return TreeId{sha256_cut(record)}; }

Buffer record_of(const Commit& commit) {
  Buffer record;
  append_le(record, commit_version);
  append_le(record, static_cast<std::uint8_t>(commit.complete ? 1 : 0));
  append_le(record, static_cast<std::uint16_t>(commit.parents.size()));
  for (const CommitId& parent : commit.parents) append_bytes(record, parent.digest.bytes);
  append_bytes(record, commit.tree.digest.bytes);
  append_le(record, commit.time_ns);
  append_text16(record, commit.branch);
  append_text16(record, commit.author);
  append_text16(record, commit.writer);
  append_text32(record, commit.message);
  append_text32(record, commit.metrics);
  return record;
}

Commit commit_of(Bytes record) {
  Cursor cursor(record);
  if (cursor.number<std::uint8_t>() != commit_version) {
    fail(Errc::unsupported, "a commit record is of a newer format; use a newer weightfs");
  }
  Commit commit;
  commit.complete = cursor.number<std::uint8_t>() != 0;
  const auto parents = cursor.number<std::uint16_t>();
  for (unsigned i = 0; i < parents; ++i) {
    commit.parents.push_back(CommitId{Digest160{cursor.array<20>()}});
  }
  commit.tree.digest.bytes = cursor.array<20>();
  commit.time_ns = cursor.number<std::int64_t>();
  commit.branch = cursor.text16();
  commit.author = cursor.text16();
  commit.writer = cursor.text16();
  commit.message = cursor.text32();
  commit.metrics = cursor.text32();
  if (!cursor.at_end()) fail(Errc::corrupt, "a commit record has bytes after its end");
  return commit;
}

CommitId commit_id_of(Bytes record) { return CommitId{sha256_cut(record)}; }

bool is_entry_name(std::string_view name) noexcept {
  if (name.empty() || name.size() > 255 || name == "." || name == "..") return false;
  return name.find('/') == name.npos && name.find('\0') == name.npos;
}

bool is_ref_name(std::string_view name) noexcept {
  if (name.empty() || name.size() > 100 || name.front() == '.' || name.front() == '-') return false;
  if (name == "latest" || name == "latest-complete") return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
}

}  // namespace wfs
