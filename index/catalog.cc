#include "index/catalog.h"

#include "base/error.h"
#include "base/fault.h"
#include "index/schema.sql.h"
#include "index/upgrade.h"

namespace wfs {
namespace {

// Throws unless the index is of this version, or of an older one that is known.
int require_version(Database& database, const stdfs::path& path) {
  const int version = version_of_index(database);
  if (version > index_version) {
    fail(Errc::unsupported,
         cat(path.string(), " is of format version ", version, "; this weightfs knows up to ",
             index_version, ". Use a newer weightfs"));
  }
  if (version < index_version_min) {
    fail(Errc::corrupt, "this is no index of weightfs; run `mountctl rebuild`");
  }
  return version;
}

// What is damaged as a whole shows at the first statements.
std::unique_ptr<Database> open_index(const stdfs::path& path, Database::Access access) {
  try {
    auto database = std::make_unique<Database>(path, access);
    if (require_version(*database, path) < index_version) {
      database.reset();
      upgrade_index(path);
      database = std::make_unique<Database>(path, access);
    }
    return database;
  } catch (const Error& error) {
    if (error.code() != Errc::corrupt) throw;
    fail(Errc::corrupt, cat(path.string(), ": ", error.what()));
  }
}

}  // namespace

void Catalog::create(const stdfs::path& path) {
  if (stdfs::exists(path)) fail(Errc::exists, cat(path.string(), " exists already"));
  Database database(path, Database::Access::write);
  database.run("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
  Transaction transaction(database, Transaction::Mode::write);
  database.run(schema_sql);
  database.run(cat("PRAGMA user_version = ", index_version));
  transaction.commit();
}

Catalog::Catalog(const stdfs::path& path, Database::Access access) : path_(path), access_(access) {
  if (!stdfs::exists(path)) {
    fail(Errc::not_found, cat(path.string(), " is missing; run `mountctl rebuild`"));
  }
  auto first = open_index(path, access);
  if (access == Database::Access::write) {
    first->run("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 4000;");
    // An index of the same version may have been made without it.
    first->run("CREATE INDEX IF NOT EXISTS commits_complete ON commits (number) WHERE complete = 1");
    *writer_.lock() = std::move(first);
  } else {
    readers_.lock()->push_back(std::move(first));
  }
}

void Catalog::begin_write(std::unique_ptr<Database>& writer, Durability durability) {
  expects(writer != nullptr, "only the process that holds the lock writes the index");
  fault_point("catalog.before_write");
  writer->run(durability == Durability::now ? "PRAGMA synchronous = FULL"
                                            : "PRAGMA synchronous = NORMAL");
}

void Catalog::commit(Transaction& transaction) {
  fault_point("catalog.before_commit");
  transaction.commit();
  fault_point("catalog.after_commit");
}

Catalog::Borrowed::Borrowed(Catalog& catalog) : catalog_(catalog) {
  {
    auto readers = catalog_.readers_.lock();
    if (!readers->empty()) {
      database_ = std::move(readers->back());
      readers->pop_back();
    }
  }
  if (!database_) database_ = std::make_unique<Database>(catalog_.path_, Database::Access::read);
}

Catalog::Borrowed::~Borrowed() {
  constexpr std::size_t stock_max = 8;
  auto readers = catalog_.readers_.lock();
  if (readers->size() < stock_max) readers->push_back(std::move(database_));
}

}  // namespace wfs
