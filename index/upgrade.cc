#include "index/upgrade.h"

#include <unistd.h>

#include "base/error.h"
#include "base/fault.h"
#include "index/upgrade_1.sql.h"

namespace wfs {
namespace {

// From version index_version_min + i to the next.
constexpr const char* steps[] = {upgrade_1_sql};
static_assert(std::size(steps) == index_version - index_version_min);

void require_writable(const stdfs::path& path) {
  // SQLite writes beside the file as well.
  if (::access(path.c_str(), W_OK) == 0 && ::access(path.parent_path().c_str(), W_OK) == 0) return;
  fail(Errc::read_only, cat(path.string(), " is of an older format version and cannot be upgraded, "
                            "as it cannot be written; open a copy that can"));
}

}  // namespace

int version_of_index(Database& database) {
  auto pragma = database.prepare("PRAGMA user_version");
  pragma.step();
  return static_cast<int>(pragma.number(0));
}

void upgrade_index(const stdfs::path& path) {
  require_writable(path);
  Database database(path, Database::Access::write);
  Transaction transaction(database, Transaction::Mode::write);
  // Another process may have been first: its version counts, now that no other writes.
  for (int version = version_of_index(database); version < index_version; ++version) {
    expects(version >= index_version_min, "the index is of a version that is upgraded");
    database.run(steps[version - index_version_min]);
    database.run(cat("PRAGMA user_version = ", version + 1));
  }
  fault_point("upgrade.before_commit");
  transaction.commit();
}

}  // namespace wfs
