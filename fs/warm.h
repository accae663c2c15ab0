// Decodes the files of a commit before anybody reads them. Any thread.
#pragma once

#include <functional>
#include <string>

#include "index/decoded_files.h"
#include "index/repository.h"

namespace wfs {

struct Warmed {
  std::uint64_t files = 0;  // that are decoded now, and what they hold
  std::uint64_t bytes = 0;
  std::uint64_t made = 0;     // of them by this call
  std::uint64_t no_room = 0;  // files that do not fit
};

// `glob` names files by path or by name ("*.safetensors"); empty: all. Small files, and those that
// are not encoded yet, need none and are passed over. Throws Errc::not_found for an unknown
// commit, Errc::busy once `stopping`, and what reading throws.
Warmed warm(Repository& repository, DecodedFiles& decoded, const CommitId& commit,
            const std::string& glob, const std::function<bool()>& stopping);

}  // namespace wfs
