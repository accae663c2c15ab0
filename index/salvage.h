// Carries over from an old index what packs do not hold: refs and their log, settings, working folders,
// staged files, and the commits not packed yet.
#pragma once

#include <string>
#include <vector>

#include "index/repository.h"
#include "index/sqlite.h"

namespace wfs {

// Copies what can be read into `index`, and adds a line to `lost` for what cannot. False when nothing
// could: there is no old index, or it is not one.
bool salvage(Database& index, const RepositoryPaths& paths, std::vector<std::string>& lost);

}  // namespace wfs
