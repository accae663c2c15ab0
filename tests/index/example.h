// A repository in a temporary folder, and the shortest way to commit files into it.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/pool.h"
#include "index/commit.h"
#include "index/packing.h"
#include "index/repository.h"
#include "tests/index/temporary_folder.h"

namespace wfs {

class ExampleRepository : public testing::Test {
 protected:
  ExampleRepository() {
    Repository::create(path());
    open();
  }

  stdfs::path path() const { return folder_.path() / "repository"; }

  void open() {
    repository_.reset();
    repository_ = std::make_unique<Repository>(path(), Repository::Access::write);
  }

  Repository& repository() { return *repository_; }

  std::shared_ptr<StagedFile> stage(Bytes bytes) {
    auto file = repository().staging().create();
    file->write(0, bytes);
    file->freeze();
    return file;
  }

  // Commits exactly these files on main.
  CommitId commit_files(const std::map<std::string, Buffer>& files, const std::string& message = "") {
    Cut cut;
    cut.branch = "main";
    cut.message = message;
    cut.time_ns = now_ns();
    for (const auto& [name, bytes] : files) {
      CutEntry entry;
      entry.name = name;
      entry.size = bytes.size();
      entry.value = stage(bytes);
      cut.root.entries.push_back(std::move(entry));
    }
    return commit(repository(), cut)->id;
  }

  Packed pack() {
    const std::atomic<bool> stop = false;
    return pack_pending(repository(), pool_, stop);
  }

  Buffer bytes_of(const ContentId& content) {
    const auto file = repository().contents().open(content);
    Buffer bytes(file->size());
    file->read(0, bytes);
    return bytes;
  }

  static ContentId content_of(const Buffer& bytes) { return ContentId{sha256(bytes)}; }

  // Bytes that look like weights: they neither repeat nor compress to nothing.
  static Buffer weights(std::size_t size, std::uint64_t seed) {
    Buffer bytes(size);
    std::uint64_t state = seed * 0x9e3779b97f4a7c15u + 1;
    for (std::size_t i = 0; i < size; ++i) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      bytes[i] = static_cast<std::byte>(i % 4 == 3 ? 0x3c | (state >> 62) : state >> 56);
    }
    return bytes;
  }

  TemporaryFolder folder_;
  std::unique_ptr<Repository> repository_;
  Pool pool_{2};
};

}  // namespace wfs
