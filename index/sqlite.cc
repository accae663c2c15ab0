#include "index/sqlite.h"

#include <sqlite3.h>

#include <utility>

#include "base/error.h"

namespace wfs {
namespace {

[[noreturn]] void fail_sqlite(sqlite3* handle, std::string_view doing) {
  const int code = handle != nullptr ? sqlite3_errcode(handle) : SQLITE_NOMEM;
  const char* path = handle != nullptr ? sqlite3_db_filename(handle, "main") : nullptr;
  const std::string message = cat(path != nullptr ? path : "index.sqlite", ": ",
                                  handle != nullptr ? sqlite3_errmsg(handle) : "no memory", " (",
                                  doing, ")");
  switch (code) {
    case SQLITE_FULL: fail(Errc::no_space, message);
    case SQLITE_BUSY:
    case SQLITE_LOCKED: fail(Errc::busy, message);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: fail(Errc::corrupt, message + "; run `mountctl rebuild`");
    case SQLITE_READONLY: fail(Errc::denied, message);
    case SQLITE_CANTOPEN: fail(Errc::not_found, message);
    default: fail(Errc::io, message);
  }
}

}  // namespace

Statement::Statement(Database& database, std::string sql, sqlite3_stmt* statement)
    : database_(&database), sql_(std::move(sql)), statement_(statement) {}

Statement::Statement(Statement&& other) noexcept
    : database_(other.database_),
      sql_(std::move(other.sql_)),
      statement_(std::exchange(other.statement_, nullptr)),
      bound_(other.bound_) {}

Statement::~Statement() {
  if (statement_ != nullptr) database_->give_back(std::move(sql_), statement_);
}

Statement& Statement::bind(std::int64_t number) {
  if (sqlite3_bind_int64(statement_, ++bound_, number) != SQLITE_OK) {
    fail_sqlite(database_->handle_, "bind");
  }
  return *this;
}

Statement& Statement::bind(std::string_view text) {
  // A null pointer would bind NULL, and an empty view may hold one.
  const char* data = text.data() != nullptr ? text.data() : "";
  if (sqlite3_bind_text64(statement_, ++bound_, data, text.size(), SQLITE_TRANSIENT, SQLITE_UTF8) !=
      SQLITE_OK) {
    fail_sqlite(database_->handle_, "bind");
  }
  return *this;
}

Statement& Statement::bind(Bytes blob) {
  const void* data = blob.data() != nullptr ? static_cast<const void*>(blob.data()) : "";
  if (sqlite3_bind_blob64(statement_, ++bound_, data, blob.size(), SQLITE_TRANSIENT) != SQLITE_OK) {
    fail_sqlite(database_->handle_, "bind");
  }
  return *this;
}

Statement& Statement::bind_null() {
  if (sqlite3_bind_null(statement_, ++bound_) != SQLITE_OK) {
    fail_sqlite(database_->handle_, "bind");
  }
  return *this;
}

bool Statement::step() {
  switch (sqlite3_step(statement_)) {
    case SQLITE_ROW: return true;
    case SQLITE_DONE: return false;
    default: fail_sqlite(database_->handle_, sql_);
  }
}

void Statement::run() {
  while (step()) {
  }
}

std::int64_t Statement::number(int column) const { return sqlite3_column_int64(statement_, column); }

std::string Statement::text(int column) const {
  const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  return data == nullptr ? std::string()
                         : std::string(data, static_cast<std::size_t>(
                                                 sqlite3_column_bytes(statement_, column)));
}

Bytes Statement::blob(int column) const {
  const auto* data = static_cast<const std::byte*>(sqlite3_column_blob(statement_, column));
  return {data, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

bool Statement::is_null(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

Database::Database(const std::filesystem::path& path, Access access) {
  const int flags = access == Access::write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
                                            : SQLITE_OPEN_READWRITE;
  if (sqlite3_open_v2(path.c_str(), &handle_, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW,
                      nullptr) != SQLITE_OK) {
    const std::string reason = handle_ != nullptr ? sqlite3_errmsg(handle_) : "no memory";
    sqlite3_close_v2(handle_);
    fail(Errc::not_found, cat("cannot open ", path.string(), ": ", reason));
  }
  sqlite3_extended_result_codes(handle_, 0);
  sqlite3_busy_timeout(handle_, 10'000);
  // A damaged or foreign file shows at the first statement, when the destructor would not run.
  try {
    run("PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;");
    if (access == Access::read) run("PRAGMA query_only = ON;");
  } catch (...) {
    sqlite3_close_v2(handle_);
    throw;
  }
}

Database::~Database() {
  for (const auto& [sql, statement] : idle_) sqlite3_finalize(statement);
  sqlite3_close_v2(handle_);
}

Statement Database::prepare(std::string_view sql) {
  if (const auto idle = idle_.find(sql); idle != idle_.end()) {
    sqlite3_stmt* const statement = idle->second;
    idle_.erase(idle);
    return Statement(*this, std::string(sql), statement);
  }
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()),
                         SQLITE_PREPARE_PERSISTENT, &statement, nullptr) != SQLITE_OK) {
    fail_sqlite(handle_, sql);
  }
  return Statement(*this, std::string(sql), statement);
}

void Database::run(const std::string& script) {
  if (sqlite3_exec(handle_, script.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
    fail_sqlite(handle_, script.substr(0, 60));
  }
}

std::int64_t Database::changes() const { return sqlite3_changes64(handle_); }

std::int64_t Database::last_row() const { return sqlite3_last_insert_rowid(handle_); }

void Database::give_back(std::string sql, sqlite3_stmt* statement) noexcept {
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
  try {
    idle_.emplace(std::move(sql), statement);
  } catch (...) {
    sqlite3_finalize(statement);
  }
}

Transaction::Transaction(Database& database, Mode mode) : database_(database) {
  database_.run(mode == Mode::write ? "BEGIN IMMEDIATE" : "BEGIN");
}

Transaction::~Transaction() {
  if (!open_) return;
  try {
    database_.run("ROLLBACK");
  } catch (...) {
    // SQLite has rolled back by itself already (a full disk, an I/O error).
  }
}

void Transaction::commit() {
  database_.run("COMMIT");
  open_ = false;
}

}  // namespace wfs
