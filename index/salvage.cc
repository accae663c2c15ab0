#include "index/salvage.h"

#include "base/error.h"
#include "base/log.h"
#include "index/upgrade.h"

namespace wfs {
namespace {

struct Table {
  const char* name;
  bool of_staging;  // rows without which a staged file would be taken for garbage
  const char* copy;
};

// Each reads one table of the old index, whose version may be older: these tables are the same in all. A
// damaged one takes no other with it.
constexpr Table tables[] = {
    {"settings", false,
     "INSERT OR REPLACE INTO settings (name, value) SELECT name, value FROM old.settings"},
    {"refs", false,
     "INSERT OR REPLACE INTO refs (name, kind, tip) SELECT name, kind, tip FROM old.refs"},
    {"ref_log", false,
     "INSERT INTO ref_log (number, name, tip, time_ns, reason) "
     "SELECT number, name, tip, time_ns, reason FROM old.ref_log ORDER BY number"},
    {"staged", true,
     "INSERT INTO staged (id, size, base_content, base_staged, base_length, ranges) "
     "SELECT id, size, base_content, base_staged, base_length, ranges FROM old.staged"},
    {"contents", true,
     "INSERT OR IGNORE INTO contents (id, size, staged, map, stored_bytes, health) "
     "SELECT id, size, staged, map, stored_bytes, health FROM old.contents WHERE staged <> 0 "
     "ORDER BY number"},
    {"trees", false,
     "INSERT OR IGNORE INTO trees (id, record, packed) SELECT id, record, 0 FROM old.trees"},
    {"nodes", true,
     "INSERT INTO nodes (id, branch, kind, mode, uid, gid, mtime_ns, ctime_ns, target, xattrs, size, "
     "content, staged, complete_content, complete_staged, complete_size, tree) "
     "SELECT id, branch, kind, mode, uid, gid, mtime_ns, ctime_ns, target, xattrs, size, content, "
     "staged, complete_content, complete_staged, complete_size, tree FROM old.nodes"},
    {"entries", true,
     "INSERT INTO entries (parent, name, node) SELECT parent, name, node FROM old.entries"},
};

// No loss of the rebuild: an index that is damaged as a whole is the same as a missing one.
void tell_unreadable(const Error& error) {
  log(Level::warning,
      cat("the old index cannot be read, so tags, settings and what only working folders held "
          "are not brought back: ",
          error.what()));
}

std::int64_t old_version(Database& index) {
  auto version = index.prepare("PRAGMA old.user_version");
  version.step();
  return version.number(0);
}

void copy_tables(Database& index, Salvaged& salvaged, std::vector<std::string>& lost) {
  salvaged.staging = true;
  for (const Table& table : tables) {
    try {
      Transaction transaction(index, Transaction::Mode::write);
      index.prepare(table.copy).run();
      transaction.commit();
    } catch (const Error& error) {
      if (error.code() == Errc::no_space) throw;
      if (table.of_staging) salvaged.staging = false;
      lost.push_back(cat("table ", table.name, " of the old index cannot be read: ", error.what()));
    }
  }
}

// Row by row: those before a damaged place are read.
void read_commits(Database& index, Salvaged& salvaged, std::vector<std::string>& lost) {
  try {
    auto query = index.prepare("SELECT id, record FROM old.commits ORDER BY number");
    while (query.step()) {
      Salvaged::CommitRecord commit;
      const Bytes id = query.blob(0);
      if (id.size() != sizeof commit.id) continue;
      __builtin_memcpy(&commit.id, id.data(), sizeof commit.id);
      const Bytes record = query.blob(1);
      commit.record.assign(record.begin(), record.end());
      salvaged.commits.push_back(std::move(commit));
    }
  } catch (const Error& error) {
    lost.push_back(cat("table commits of the old index cannot be read: ", error.what()));
  }
}

}  // namespace

void require_known_version(const stdfs::path& index) {
  if (!stdfs::exists(index)) return;
  std::int64_t version = 0;
  try {
    Database database(index, Database::Access::read);
    version = version_of_index(database);
  } catch (const Error&) {
    return;  // a damaged index is what rebuild is for
  }
  // No version, or one that no weightfs will reach soon: damage.
  constexpr std::int64_t version_max = 1000;
  if (version > index_version && version < version_max) {
    fail(Errc::unsupported, cat(index.string(), " is of format version ", version,
                                "; use the weightfs that wrote it"));
  }
}

Salvaged salvage(Database& index, const RepositoryPaths& paths, std::vector<std::string>& lost) {
  Salvaged salvaged;
  if (!stdfs::exists(paths.index)) return salvaged;
  try {
    index.prepare("ATTACH DATABASE ? AS old").bind(paths.index.string()).run();
    const std::int64_t version = old_version(index);
    salvaged.any = version >= index_version_min && version <= index_version;
    if (!salvaged.any) fail(Errc::corrupt, "it is none of weightfs");
  } catch (const Error& error) {
    tell_unreadable(error);
  }
  if (salvaged.any) {
    copy_tables(index, salvaged, lost);
    read_commits(index, salvaged, lost);
  }
  try {
    index.run("DETACH DATABASE old");
  } catch (const Error&) {
    // It was not attached, or is let go with the connection.
  }
  return salvaged;
}

}  // namespace wfs
