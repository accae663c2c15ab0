#include "index/working_rows.h"

#include "base/error.h"
#include "base/wire.h"
#include "index/id_columns.h"

namespace wfs {
namespace {

Bytes bytes_of(const std::optional<ContentId>& id) { return id ? Bytes(id->digest.bytes) : Bytes(); }

Buffer bytes_of(const Xattrs& xattrs) {
  Buffer bytes;
  for (const auto& [name, value] : xattrs) {
    append_text16(bytes, name);
    append_text32(bytes, value);
  }
  return bytes;
}

Xattrs xattrs_of(Bytes bytes) {
  Xattrs xattrs;
  Cursor cursor(bytes);
  while (!cursor.at_end()) {
    std::string name(cursor.text16());
    xattrs.emplace(std::move(name), cursor.text32());
  }
  return xattrs;
}

NodeRow node_at(const Statement& query) {
  NodeRow row;
  row.id = static_cast<NodeId>(query.number(0));
  row.kind = static_cast<Kind>(query.number(1));
  row.mode = static_cast<std::uint32_t>(query.number(2));
  row.uid = static_cast<std::uint32_t>(query.number(3));
  row.gid = static_cast<std::uint32_t>(query.number(4));
  row.mtime_ns = query.number(5);
  row.ctime_ns = query.number(6);
  row.target = query.text(7);
  row.xattrs = xattrs_of(query.blob(8));
  row.size = static_cast<std::uint64_t>(query.number(9));
  row.content = optional_id_at<ContentId>(query, 10);
  row.staged = static_cast<StagedId>(query.number(11));
  row.complete_content = optional_id_at<ContentId>(query, 12);
  row.complete_staged = static_cast<StagedId>(query.number(13));
  row.complete_size = static_cast<std::uint64_t>(query.number(14));
  row.tree = optional_id_at<TreeId>(query, 15);
  return row;
}

}  // namespace

std::vector<NodeRow> load_nodes(Database& database, std::string_view branch) {
  auto query = database.prepare(
      "SELECT id, kind, mode, uid, gid, mtime_ns, ctime_ns, target, xattrs, size, content, staged, "
      "complete_content, complete_staged, complete_size, tree "
      "FROM nodes WHERE branch = ? ORDER BY id");
  query.bind(branch);
  std::vector<NodeRow> rows;
  while (query.step()) rows.push_back(node_at(query));
  return rows;
}

std::vector<EntryRow> load_entries(Database& database, std::string_view branch) {
  auto query = database.prepare(
      "SELECT e.parent, e.name, e.node FROM nodes n JOIN entries e ON e.parent = n.id "
      "WHERE n.branch = ?");
  query.bind(branch);
  std::vector<EntryRow> rows;
  while (query.step()) {
    rows.push_back({static_cast<NodeId>(query.number(0)), query.text(1),
                    static_cast<NodeId>(query.number(2))});
  }
  return rows;
}

void put_node(Database& database, std::string_view branch, const NodeRow& row) {
  auto query = database.prepare(
      "INSERT OR REPLACE INTO nodes (id, branch, kind, mode, uid, gid, mtime_ns, ctime_ns, target, "
      "xattrs, size, content, staged, complete_content, complete_staged, complete_size, tree) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  query.bind(static_cast<std::int64_t>(row.id)).bind(branch);
  query.bind(static_cast<std::int64_t>(row.kind)).bind(row.mode).bind(row.uid).bind(row.gid);
  query.bind(row.mtime_ns).bind(row.ctime_ns).bind(row.target).bind(bytes_of(row.xattrs));
  query.bind(static_cast<std::int64_t>(row.size)).bind(bytes_of(row.content));
  query.bind(static_cast<std::int64_t>(row.staged)).bind(bytes_of(row.complete_content));
  query.bind(static_cast<std::int64_t>(row.complete_staged));
  query.bind(static_cast<std::int64_t>(row.complete_size));
  query.bind(row.tree ? Bytes(row.tree->digest.bytes) : Bytes()).run();
}

void delete_node(Database& database, NodeId id) {
  database.prepare("DELETE FROM nodes WHERE id = ?").bind(static_cast<std::int64_t>(id)).run();
}

void put_entry(Database& database, const EntryRow& row) {
  database.prepare("INSERT OR REPLACE INTO entries (parent, name, node) VALUES (?, ?, ?)")
      .bind(static_cast<std::int64_t>(row.parent)).bind(row.name)
      .bind(static_cast<std::int64_t>(row.node)).run();
}

void delete_entry(Database& database, NodeId parent, std::string_view name) {
  database.prepare("DELETE FROM entries WHERE parent = ? AND name = ?")
      .bind(static_cast<std::int64_t>(parent)).bind(name).run();
}

void forget_working(Database& database, std::string_view branch) {
  database.prepare("DELETE FROM entries WHERE parent IN (SELECT id FROM nodes WHERE branch = ?)")
      .bind(branch).run();
  database.prepare("DELETE FROM nodes WHERE branch = ?").bind(branch).run();
}

bool has_uncommitted(Database& database, std::string_view branch) {
  auto query = database.prepare("SELECT tree FROM nodes WHERE branch = ? ORDER BY id LIMIT 1");
  query.bind(branch);
  return query.step() && query.blob(0).empty();
}

std::int64_t next_branch_number(Database& database) {
  auto query = database.prepare(
      "INSERT INTO settings (name, value) VALUES ('branch_number', '1') ON CONFLICT (name) "
      "DO UPDATE SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT) RETURNING value");
  if (!query.step()) fail(Errc::io, "index.sqlite: no branch number");
  const std::int64_t number = std::stoll(query.text(0));
  query.run();
  return number;
}

}  // namespace wfs
