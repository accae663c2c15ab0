// The index of a repository: the file index.sqlite, its version, and the two ways to its rows. Writes go
// one at a time through one connection; each read has a connection of its own from a small stock and sees
// one state of the index. The queries themselves are the functions of the *_rows.h headers.
// Any thread. A write is durable when write() returns, unless it asked for Durability::later.
#pragma once

#include <memory>
#include <vector>

#include "base/file.h"
#include "base/guarded.h"
#include "index/sqlite.h"

namespace wfs {

enum class Durability {
  now,    // survives a power cut once write() returned
  later,  // survives the death of the process; a power cut may lose it, never tear it
};

class Catalog {
 public:
  // Makes a new, empty index; Errc::exists when there is one.
  static void create(const stdfs::path& path);

  // An index of an older version is upgraded. Throws Errc::not_found, Errc::corrupt (rebuild helps),
  // Errc::unsupported (a newer version), Errc::read_only (an older one that cannot be written).
  Catalog(const stdfs::path& path, Database::Access access);

  // Whether this process may write: it owns the repository.
  bool writes() const noexcept { return access_ == Database::Access::write; }

  // Runs `query(Database&)` in one read transaction.
  template <class Query>
  auto read(Query query) {
    const Borrowed borrowed(*this);
    Transaction transaction(borrowed.database(), Transaction::Mode::read);
    return query(borrowed.database());
  }

  // Runs `change(Database&)` in one write transaction; an exception rolls it back.
  template <class Change>
  auto write(Durability durability, Change change) {
    auto writer = writer_.lock();
    begin_write(*writer, durability);
    Transaction transaction(**writer, Transaction::Mode::write);
    if constexpr (std::is_void_v<decltype(change(**writer))>) {
      change(**writer);
      commit(transaction);
    } else {
      auto result = change(**writer);
      commit(transaction);
      return result;
    }
  }

 private:
  class Borrowed {
   public:
    explicit Borrowed(Catalog& catalog);
    ~Borrowed();
    Database& database() const noexcept { return *database_; }

   private:
    Catalog& catalog_;
    std::unique_ptr<Database> database_;
  };

  void begin_write(std::unique_ptr<Database>& writer, Durability durability);
  static void commit(Transaction& transaction);

  stdfs::path path_;
  Database::Access access_;
  // Members are destroyed from the last to the first: the writer's connection is closed last and folds
  // the write-ahead log in.
  Guarded<std::unique_ptr<Database>> writer_;
  Guarded<std::vector<std::unique_ptr<Database>>> readers_;
};

}  // namespace wfs
