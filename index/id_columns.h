// Ids as columns of the index. Functions of a statement in use: one thread.
#pragma once

#include <optional>

#include "base/error.h"
#include "index/sqlite.h"

namespace wfs {

// Throws Errc::corrupt for a value of another length than the id's.
template <class Id>
Id id_at(const Statement& query, int column) {
  const Bytes blob = query.blob(column);
  Id id;
  if (blob.size() != sizeof id) fail(Errc::corrupt, "index.sqlite: an id has a wrong length");
  __builtin_memcpy(&id, blob.data(), sizeof id);
  return id;
}

// An empty value is none.
template <class Id>
std::optional<Id> optional_id_at(const Statement& query, int column) {
  if (query.blob(column).empty()) return std::nullopt;
  return id_at<Id>(query, column);
}

}  // namespace wfs
