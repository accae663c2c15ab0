// The small text files of `.weightfs/`: what the repository holds and how it fares, written out at
// the moment they are opened. No state of their own; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fs/capture.h"
#include "fs/types.h"
#include "index/repository.h"

namespace wfs {

class ControlFiles {
 public:
  static constexpr Ino folder_ino = 2;

  // `capture` is null where there are commits only.
  ControlFiles(Repository& repository, Capture* capture)
      : repository_(repository), capture_(capture) {}

  static bool is_file(Ino ino) noexcept;
  static std::optional<Ino> find(std::string_view name) noexcept;
  static std::vector<FolderEntry> list();

  // What the file says now. Requires: is_file(ino).
  std::string text(Ino ino);

 private:
  std::string status();
  std::string stats();
  std::string log();
  std::string health();

  Repository& repository_;
  Capture* capture_;
};

}  // namespace wfs
