// Carries over from an old index what packs do not hold: refs and their log, settings, working folders,
// staged files, and commits and trees that are in no pack. What it copies is not verified.
#pragma once

#include <string>
#include <vector>

#include "index/ids.h"
#include "index/repository.h"
#include "index/sqlite.h"

namespace wfs {

struct Salvaged {
  bool any = false;      // the old index can be read, at least in parts
  bool staging = false;  // every row that needs a staged file was carried over
  struct CommitRecord {
    CommitId id;
    Buffer record;
  };
  std::vector<CommitRecord> commits;  // all of the old index, in its order
};

// Throws Errc::unsupported for an index of a newer weightfs.
void require_known_version(const stdfs::path& index);

// Copies what can be read into `index`, and adds a line to `lost` for what cannot.
Salvaged salvage(Database& index, const RepositoryPaths& paths, std::vector<std::string>& lost);

}  // namespace wfs
