#include "index/salvage.h"

#include "base/error.h"
#include "index/catalog.h"

namespace wfs {
namespace {

struct Table {
  const char* name;
  const char* copy;
};

// Each reads one table of the old index; a damaged one takes no other with it.
constexpr Table tables[] = {
    {"settings", "INSERT OR REPLACE INTO settings (name, value) SELECT name, value FROM old.settings"},
    {"refs", "INSERT OR REPLACE INTO refs (name, kind, tip) SELECT name, kind, tip FROM old.refs"},
    {"ref_log",
     "INSERT INTO ref_log (number, name, tip, time_ns, reason) "
     "SELECT number, name, tip, time_ns, reason FROM old.ref_log ORDER BY number"},
    {"staged",
     "INSERT INTO staged (id, size, base_content, base_staged, base_length, ranges) "
     "SELECT id, size, base_content, base_staged, base_length, ranges FROM old.staged"},
    {"contents",
     "INSERT OR IGNORE INTO contents (id, size, staged, map, stored_bytes, health) "
     "SELECT id, size, staged, map, stored_bytes, health FROM old.contents WHERE staged <> 0"},
    {"trees",
     "INSERT OR IGNORE INTO trees (id, record, packed) "
     "SELECT id, record, 0 FROM old.trees WHERE packed = 0"},
    {"commits",
     "INSERT OR IGNORE INTO commits (id, time_ns, complete, record, packed) "
     "SELECT id, time_ns, complete, record, 0 FROM old.commits WHERE packed = 0 ORDER BY number"},
    {"nodes",
     "INSERT INTO nodes (id, branch, kind, mode, uid, gid, mtime_ns, ctime_ns, target, xattrs, size, "
     "content, staged, complete_content, complete_staged, complete_size, tree) "
     "SELECT id, branch, kind, mode, uid, gid, mtime_ns, ctime_ns, target, xattrs, size, content, "
     "staged, complete_content, complete_staged, complete_size, tree FROM old.nodes"},
    {"entries",
     "INSERT INTO entries (parent, name, node) SELECT parent, name, node FROM old.entries"},
};

}  // namespace

bool salvage(Database& index, const RepositoryPaths& paths, std::vector<std::string>& lost) {
  if (!stdfs::exists(paths.index)) return false;
  try {
    index.prepare("ATTACH DATABASE ? AS old").bind(paths.index.string()).run();
  } catch (const Error& error) {
    lost.push_back(cat("tags, and what was not packed: the old index cannot be read: ", error.what()));
    return false;
  }
  bool any = false;
  try {
    auto version = index.prepare("PRAGMA old.user_version");
    version.step();
    any = version.number(0) == index_version;
  } catch (const Error& error) {
    lost.push_back(cat("the old index cannot be read: ", error.what()));
  }
  if (any) {
    for (const Table& table : tables) {
      try {
        Transaction transaction(index, Transaction::Mode::write);
        index.prepare(table.copy).run();
        transaction.commit();
      } catch (const Error& error) {
        lost.push_back(cat("table ", table.name, " of the old index cannot be read: ", error.what()));
      }
    }
  }
  try {
    index.run("DETACH DATABASE old");
  } catch (const Error&) {
    // It is let go with the connection.
  }
  return any;
}

}  // namespace wfs
