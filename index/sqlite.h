// A thin, typed skin over the C API of SQLite: an open database, a statement, a transaction that rolls
// back unless committed. Failures are Error with SQLite's own words. A Database belongs to one thread at
// a time. The only place that includes sqlite3.h is sqlite.cc.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

struct sqlite3;
struct sqlite3_stmt;

namespace wfs {

class Database;

// A prepared statement in use: bind in order, then step; given back to the database's cache at the end.
class Statement {
 public:
  Statement(Statement&&) noexcept;
  Statement& operator=(Statement&&) = delete;
  ~Statement();

  Statement& bind(std::int64_t number);
  Statement& bind(std::string_view text);
  Statement& bind(Bytes blob);
  Statement& bind_null();

  bool step();  // true: a row is there
  void run();   // steps to the end; Requires: the statement gives no rows

  std::int64_t number(int column) const;
  std::string text(int column) const;
  Bytes blob(int column) const;  // valid until the next step
  bool is_null(int column) const;

 private:
  friend class Database;
  Statement(Database& database, std::string sql, sqlite3_stmt* statement);

  Database* database_;
  std::string sql_;
  sqlite3_stmt* statement_;
  int bound_ = 0;
};

class Database {
 public:
  enum class Access { read, write };

  Database(const std::filesystem::path& path, Access access);
  Database(Database&&) = delete;
  ~Database();

  Statement prepare(std::string_view sql);
  void run(const std::string& script);  // statements separated by ';', without parameters
  std::int64_t changes() const;
  std::int64_t last_row() const;

 private:
  friend class Statement;
  void give_back(std::string sql, sqlite3_stmt* statement) noexcept;

  sqlite3* handle_ = nullptr;
  std::multimap<std::string, sqlite3_stmt*, std::less<>> idle_;
};

class Transaction {
 public:
  enum class Mode { read, write };

  Transaction(Database& database, Mode mode);
  ~Transaction();  // rolls back what was not committed
  Transaction(Transaction&&) = delete;

  void commit();

 private:
  Database& database_;
  bool open_ = true;
};

}  // namespace wfs
