// The names of things in a repository. Each is a type of its own: none converts to another, so a tree
// cannot be asked for by the name of a commit. Values, any thread.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <ostream>

#include "base/hash.h"

namespace wfs {

struct CommitId {  // SHA-256 of the commit's record, cut to 160 bits
  Digest160 digest;
  auto operator<=>(const CommitId&) const = default;
};
struct TreeId {  // SHA-256 of the tree's record, cut to 160 bits
  Digest160 digest;
  auto operator<=>(const TreeId&) const = default;
};
struct ContentId {  // SHA-256 of the bytes: equals the git-lfs oid and the Hugging Face etag
  Digest256 digest;
  auto operator<=>(const ContentId&) const = default;
};
struct BlockId {  // XXH3-128 of the decoded bytes; a match is confirmed by comparing bytes
  Hash128 hash;
  auto operator<=>(const BlockId&) const = default;
};
struct PackId {  // XXH3-128 of the pack's footer
  Hash128 hash;
  auto operator<=>(const PackId&) const = default;
};

// Row number of a staged file, never used twice; 0 is none.
enum class StagedId : std::int64_t { none = 0 };
// Inode number of a file or folder of a working folder, never used twice; 0 is none.
enum class NodeId : std::uint64_t { none = 0 };

inline std::string hex(const CommitId& id) { return hex(id.digest.bytes); }
inline std::string hex(const TreeId& id) { return hex(id.digest.bytes); }
inline std::string hex(const ContentId& id) { return hex(id.digest.bytes); }
inline std::string hex(const BlockId& id) { return hex(id.hash.bytes); }
inline std::string hex(const PackId& id) { return hex(id.hash.bytes); }

inline std::ostream& operator<<(std::ostream& out, const CommitId& id) { return out << hex(id); }
inline std::ostream& operator<<(std::ostream& out, const TreeId& id) { return out << hex(id); }
inline std::ostream& operator<<(std::ostream& out, const ContentId& id) { return out << hex(id); }
inline std::ostream& operator<<(std::ostream& out, const BlockId& id) { return out << hex(id); }
inline std::ostream& operator<<(std::ostream& out, const PackId& id) { return out << hex(id); }

// The id that exactly these hex digits spell; nullopt for any other text.
template <class Id>
std::optional<Id> id_of_hex(std::string_view digits) {
  const auto bytes = unhex(digits);
  Id id;
  if (!bytes || bytes->size() != sizeof id) return std::nullopt;
  __builtin_memcpy(&id, bytes->data(), sizeof id);
  return id;
}

}  // namespace wfs

template <>
struct std::hash<wfs::CommitId> {
  std::size_t operator()(const wfs::CommitId& id) const noexcept {
    return std::hash<wfs::Digest160>()(id.digest);
  }
};
template <>
struct std::hash<wfs::TreeId> {
  std::size_t operator()(const wfs::TreeId& id) const noexcept {
    return std::hash<wfs::Digest160>()(id.digest);
  }
};
template <>
struct std::hash<wfs::ContentId> {
  std::size_t operator()(const wfs::ContentId& id) const noexcept {
    return std::hash<wfs::Digest256>()(id.digest);
  }
};
template <>
struct std::hash<wfs::BlockId> {
  std::size_t operator()(const wfs::BlockId& id) const noexcept {
    return std::hash<wfs::Hash128>()(id.hash);
  }
};
