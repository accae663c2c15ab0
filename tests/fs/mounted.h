// A repository with its working folders and the file system over them, in a temporary folder: what
// a mount has, without a kernel. Commits are made only when a test asks. One thread.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "base/error.h"
#include "fs/capture.h"
#include "fs/filesystem.h"
#include "index/repository.h"
#include "tests/index/temporary_folder.h"

namespace wfs {

class Mounted : public ::testing::Test {
 protected:
  Mounted() {
    Repository::create(folder_.path() / "repository");
    start();
  }
  ~Mounted() override { stop(); }

  void start() {
    repository_ =
        std::make_unique<Repository>(folder_.path() / "repository", Repository::Access::write);
    Settings settings = repository_->settings();
    settings.settle_seconds = 3600;
    capture_ = std::make_unique<Capture>(*repository_, settings);
    files_ = std::make_unique<FileSystem>(*repository_, *capture_, Owner{::getuid(), ::getgid()});
  }
  void stop() {
    if (capture_) capture_->stop();
    files_.reset();
    capture_.reset();
    repository_.reset();
  }

  FileSystem& files() { return *files_; }

  // The number of the entry at `path` ("main/sub/f"), following no symlinks; 0 when it is absent.
  Ino ino(std::string_view path) {
    Ino at = FileSystem::root_ino;
    while (!path.empty()) {
      const auto slash = path.find('/');
      const auto found = files().lookup(at, path.substr(0, slash));
      if (!found) return 0;
      at = found->attributes.ino;
      path = slash == path.npos ? std::string_view() : path.substr(slash + 1);
    }
    return at;
  }

  // Creates or truncates `name` and writes it.
  Ino write(std::string_view folder, std::string_view name, std::string_view text) {
    const Ino in = ino(folder);
    constexpr OpenMode mode{.reads = false, .writes = true, .truncates = true};
    Ino file = 0;
    Handle* handle = nullptr;
    if (const auto found = files().lookup(in, name)) {
      file = found->attributes.ino;
      handle = files().open(file, mode, caller_);
    } else {
      const Created created = files().create(in, name, 0644, mode, caller_);
      file = created.entry.attributes.ino;
      handle = created.handle;
    }
    EXPECT_EQ(files().write(*handle, 0, as_bytes(text)), text.size());
    files().flush(*handle);
    files().release(handle);
    return file;
  }

  std::string read(Handle& handle, std::uint64_t offset = 0, std::size_t length = 1 << 20) {
    Buffer buffer(length);
    return std::string(as_text(Bytes(buffer).first(files().read(handle, offset, buffer))));
  }

  std::string read(Ino file) {
    Handle* handle = files().open(file, OpenMode{}, caller_);
    std::string text = read(*handle);
    files().release(handle);
    return text;
  }
  std::string read(std::string_view path) {
    const Ino file = ino(path);
    return file == 0 ? "absent" : read(file);
  }

  std::vector<std::string> list(Ino folder) {
    FolderHandle* handle = files().open_folder(folder);
    std::vector<std::string> names;
    for (const FolderEntry& entry : *files().list(*handle, 0).listing) names.push_back(entry.name);
    files().release_folder(handle);
    return names;
  }

  CommitId commit(const std::string& message, const std::string& branch = "main") {
    const auto committed = capture_->commit_now(branch, message, "tester");
    if (!committed) fail(Errc::invalid, "nothing to commit");
    return committed->id;
  }

  static std::string name_of(const CommitId& id) { return "@" + hex(id).substr(0, 12); }

  // The code of the Error that `action` throws.
  template <class Action>
  std::optional<Errc> error_of(Action action) {
    try {
      action();
    } catch (const Error& error) {
      return error.code();
    }
    return std::nullopt;
  }

  TemporaryFolder folder_;
  std::unique_ptr<Repository> repository_;
  std::unique_ptr<Capture> capture_;
  std::unique_ptr<FileSystem> files_;
  Caller caller_{::getuid(), ::getgid(), ::getpid(), 022};
};

}  // namespace wfs
