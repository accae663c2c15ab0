// Working folders as rows of the index: what survives a restart. Each function is one query in the caller's
// transaction.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "index/model.h"
#include "index/sqlite.h"

namespace wfs {

struct NodeRow {
  NodeId id = NodeId::none;
  Kind kind = Kind::file;
  std::uint32_t mode = 0;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::int64_t mtime_ns = 0;
  std::int64_t ctime_ns = 0;
  std::string target;
  Xattrs xattrs;
  std::uint64_t size = 0;
  // Current bytes; both when what is staged has been committed: the content stands in when it is gone.
  std::optional<ContentId> content;
  StagedId staged = StagedId::none;
  std::optional<ContentId> complete_content;  // complete bytes, likewise, or neither
  StagedId complete_staged = StagedId::none;
  std::uint64_t complete_size = 0;
  std::optional<TreeId> tree;
};

struct EntryRow {
  NodeId parent = NodeId::none;
  std::string name;
  NodeId node = NodeId::none;
};

std::vector<NodeRow> load_nodes(Database& database, std::string_view branch);  // by id: the root first
std::vector<EntryRow> load_entries(Database& database, std::string_view branch);
void put_node(Database& database, std::string_view branch, const NodeRow& row);
void delete_node(Database& database, NodeId id);
void put_entry(Database& database, const EntryRow& row);
void delete_entry(Database& database, NodeId parent, std::string_view name);

// Forgets the working folder of a branch: it starts again from the tip.
void forget_working(Database& database, std::string_view branch);
// Whether the working folder differs from the tip, as far as it was saved.
bool has_uncommitted(Database& database, std::string_view branch);
// A number no branch of this repository has had.
std::int64_t next_branch_number(Database& database);

}  // namespace wfs
