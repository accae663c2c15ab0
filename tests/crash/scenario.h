// What the crash tests do to a repository: steps, each with the files that the branch main holds
// once it is done. The program that is killed runs them; the test knows from here what must be
// there after.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fs/capture.h"
#include "fs/filesystem.h"
#include "index/repository.h"

namespace wfs {

using Files = std::map<std::string, std::string>;  // name -> bytes

// A repository opened as a mount has it.
class Opened {
 public:
  explicit Opened(const stdfs::path& path);
  ~Opened();

  Repository& repository() { return *repository_; }
  Capture& capture() { return *capture_; }
  FileSystem& files() { return *files_; }

  Ino folder(const std::string& view);  // "main", "@0123456789ab"
  void write(const std::string& name, const std::string& bytes);
  Files read(const std::string& view);

 private:
  std::unique_ptr<Repository> repository_;
  std::unique_ptr<Capture> capture_;
  std::unique_ptr<FileSystem> files_;
};

class Scenario {
 public:
  explicit Scenario(stdfs::path path) : path_(std::move(path)) {}

  static std::size_t count();
  // What main holds after step `index`.
  static Files files_after(std::size_t index);

  // Does the step; the commit it made, if any. May be done again when it has failed.
  std::optional<CommitId> run(std::size_t index);
  void stop() { opened_.reset(); }

 private:
  Opened& opened();

  stdfs::path path_;
  std::unique_ptr<Opened> opened_;
};

}  // namespace wfs
