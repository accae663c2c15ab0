// What random sequences have found in the way from a file to its commit, each on its own.
#include <gtest/gtest.h>

#include <atomic>

#include "base/error.h"
#include "index/commit_rows.h"
#include "index/packing.h"
#include "index/staged_rows.h"
#include "tests/fs/mounted.h"

namespace wfs {
namespace {

class CommitTest : public Mounted {
 protected:
  static std::string model(char of) { return std::string(2 << 20, of); }

  void rename(std::string_view from_folder, std::string_view from, std::string_view to_folder,
              std::string_view to) {
    files().rename(ino(from_folder), from, ino(to_folder), to, Existing::replace);
  }

  std::size_t count_commits() {
    return repository_->catalog()
        .read([](Database& database) { return recent_commits(database, 0, 1000); })
        .size();
  }
};

TEST_F(CommitTest, FolderThatChangedWhileItWasIgnoredIsCommittedAsItIs) {
  write("main", ".weightfsignore", "hidden/\n");
  files().make_folder(ino("main"), "shown", 0755, caller_);
  write("main/shown", "a", "first");
  commit("before");
  rename("main", "shown", "main", "hidden");
  commit("hidden");
  write("main/hidden", "b", "second");
  rename("main", "hidden", "main", "shown");
  const CommitId id = commit("after");
  EXPECT_EQ(read(name_of(id) + "/shown/b"), "second");
}

TEST_F(CommitTest, ModelThatACutLeftOutUnderItsTemporaryNameIsProtected) {
  write("main", ".tmp-model", model('c'));
  write("main", "config.json", "{}");
  commit("without the model");
  rename("main", ".tmp-model", "main", "model.bin");
  const std::size_t before = count_commits();
  files().unlink(ino("main"), "model.bin");
  commit("without the model again");
  EXPECT_EQ(count_commits(), before + 2);
}

TEST_F(CommitTest, IgnoreRulesAloneMakeNothingDifferAfterARestart) {
  write("main", ".weightfsignore", "hidden/\n");
  commit("rules");
  stop();
  start();
  EXPECT_FALSE(capture_->branch("main")->state().pending);
}

// A repository that nothing packs meanwhile.
class StagedCommitTest : public ::testing::Test {
 protected:
  StagedCommitTest() {
    Repository::create(path());
    open();
  }

  stdfs::path path() const { return folder_.path() / "repository"; }
  void open() {
    repository_.reset();
    repository_ = std::make_unique<Repository>(path(), Repository::Access::write);
  }

  std::shared_ptr<StagedFile> original() {
    auto file = repository_->staging().create();
    file->write(0, bytes_);
    file->freeze();
    return file;
  }
  // What copy_file_range makes of a whole file.
  std::shared_ptr<StagedFile> copy_of(const std::shared_ptr<StagedFile>& file) {
    auto copy = repository_->staging().create_over({file, std::nullopt, file}, file->size());
    copy->freeze();
    return copy;
  }

  void commit(const std::string& name, std::shared_ptr<StagedFile> file) {
    Cut cut;
    cut.branch = "main";
    cut.time_ns = 1;
    CutEntry& entry = cut.root.entries.emplace_back();
    entry.name = name;
    entry.value = std::move(file);
    ASSERT_TRUE(wfs::commit(*repository_, cut));
  }

  static Buffer bytes_of(const ByteSource& file) {
    Buffer bytes(file.size());
    file.read(0, bytes);
    return bytes;
  }

  TemporaryFolder folder_;
  std::unique_ptr<Repository> repository_;
  const Buffer bytes_ = Buffer(10'000, std::byte{7});
};

TEST_F(StagedCommitTest, SharedCopyTakenUpAfterARestartIsHeldByItsCommit) {
  auto copy = copy_of(original());
  const StagedId id = copy->id();
  repository_->catalog().write(Durability::now,
                               [&](Database& database) { put_staged_chain(database, *copy); });
  repository_->staging().close();
  copy.reset();
  open();
  copy = repository_->contents().take_up(id);
  commit("copy.bin", copy);
  const ContentId content = *copy->content();
  copy.reset();
  EXPECT_TRUE(repository_->staging().take_dropped().empty());
  EXPECT_EQ(bytes_of(*repository_->contents().open(content)), bytes_);
}

TEST_F(StagedCommitTest, OriginalCommittedAfterItsSharedCopyKeepsItsBytes) {
  const auto file = original();
  const auto copy = copy_of(file);
  commit("copy.bin", copy);
  commit("original.bin", file);
  EXPECT_FALSE(file->forwarded());
  EXPECT_EQ(bytes_of(*copy), bytes_);
  EXPECT_EQ(bytes_of(*file), bytes_);
}

TEST_F(StagedCommitTest, FileThatIsBeingForwardedByPackingIsNotForwardedToItself) {
  const auto file = original();
  commit("a.bin", file);
  const ContentId content = *file->content();
  Pool pool(1);
  const std::atomic<bool> stop = false;
  pack_pending(*repository_, pool, stop);
  // As it is between the transaction of packing and what follows.
  const auto again = original();
  again->set_content(content);
  repository_->contents().keep(content, again);
  commit("b.bin", again);
  EXPECT_EQ(bytes_of(*again), bytes_);
}

TEST_F(StagedCommitTest, CommitThatFailedAfterItsTransactionHoldsItsBytesWhenTriedAgain) {
  auto file = original();
  commit("a.bin", file);
  const ContentId content = *file->content();
  repository_->contents().forget(content);  // as if it had ended before
  commit("a.bin", file);
  file.reset();
  EXPECT_TRUE(repository_->staging().take_dropped().empty());
  EXPECT_EQ(bytes_of(*repository_->contents().open(content)), bytes_);
}

}  // namespace
}  // namespace wfs
