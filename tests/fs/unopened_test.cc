// A mount of commits only, without a kernel: the same repository looked at by a second FileSystem.
#include <sys/stat.h>

#include <set>

#include "fs/recent.h"
#include "index/refs.h"
#include "tests/fs/mounted.h"

namespace wfs {
namespace {

TEST(Recent, KeepsWhatWasUsedLast) {
  Recent<int, int> recent(2);
  const auto first = recent.put(1, std::make_shared<int>(10));
  recent.put(2, std::make_shared<int>(20));
  EXPECT_EQ(recent.find(1), first);  // used after 2
  recent.put(3, std::make_shared<int>(30));
  EXPECT_EQ(recent.find(2), nullptr);
  EXPECT_EQ(*recent.find(1), 10);
  EXPECT_EQ(*recent.find(3), 30);
}

TEST(Recent, TheNewestIsKeptWhateverItWeighs) {
  Recent<int, int> recent(10);
  recent.put(1, std::make_shared<int>(10), 4);
  recent.put(2, std::make_shared<int>(20), 4);
  recent.put(3, std::make_shared<int>(30), 100);
  EXPECT_EQ(recent.find(1), nullptr);
  EXPECT_EQ(recent.find(2), nullptr);
  EXPECT_EQ(*recent.find(3), 30);
  recent.put(4, std::make_shared<int>(40), 9);
  EXPECT_EQ(recent.find(3), nullptr);
  EXPECT_EQ(*recent.find(4), 40);
}

TEST(Recent, TheFirstToPutWins) {
  Recent<int, int> recent(2);
  const auto first = recent.put(1, std::make_shared<int>(10));
  EXPECT_EQ(recent.put(1, std::make_shared<int>(11)), first);
}

class UnopenedTest : public Mounted {
 protected:
  void SetUp() override {
    history_ = std::make_unique<FileSystem>(*repository_, Owner{});
  }
  void TearDown() override { history_.reset(); }

  FileSystem& history() { return *history_; }

  Ino find(std::string_view path) {
    Ino at = FileSystem::root_ino;
    for (;;) {
      const auto slash = path.find('/');
      const auto found = history().lookup(at, path.substr(0, slash));
      if (!found) return 0;
      at = found->attributes.ino;
      if (slash == path.npos) return at;
      path.remove_prefix(slash + 1);
    }
  }

  std::string text_of(Ino file) {
    Buffer buffer(1 << 16);
    const auto handle = history().unopened(file);
    return std::string(as_text(Bytes(buffer).first(history().read(*handle, 0, buffer))));
  }

  std::vector<std::string> names_of(Ino folder) {
    std::vector<std::string> names;
    for (const FolderEntry& entry : *history().list_unopened(folder, 0).listing) {
      names.push_back(entry.name);
    }
    return names;
  }

  std::unique_ptr<FileSystem> history_;
};

TEST_F(UnopenedTest, ShowsCommitsAndNoBranch) {
  write("main", "f", "one");
  const CommitId id = commit("first");
  create_tag(*repository_, "v1", id);
  const std::vector<std::string> shown = {".", "..", ".weightfs", "@main", "@v1", "@latest",
                                          name_of(id)};
  EXPECT_EQ(names_of(FileSystem::root_ino), shown);
  EXPECT_EQ(find("main"), Ino{0});
  EXPECT_EQ(text_of(find(name_of(id) + "/f")), "one");
  EXPECT_EQ(error_of([&] { history().make_folder(FileSystem::root_ino, "x", 0755, {}); }),
            Errc::read_only);
  EXPECT_EQ(error_of([&] { history().unopened(find(name_of(id))); }), Errc::is_folder);
}

TEST_F(UnopenedTest, TheTopFolderHasAnotherTimeAfterEveryChangeOfItsNames) {
  const auto time = [&] { return history().attributes(FileSystem::root_ino).attributes.mtime_ns; };
  std::set<std::int64_t> times = {time()};
  write("main", "f", "one");
  const CommitId id = commit("first");
  EXPECT_TRUE(times.insert(time()).second) << "a commit";
  create_tag(*repository_, "v1", id);
  EXPECT_TRUE(times.insert(time()).second) << "a tag";
  delete_tag(*repository_, "v1");
  EXPECT_TRUE(times.insert(time()).second) << "a tag that is gone";
}

TEST_F(UnopenedTest, AListingGoesOnAsItBegan) {
  write("main", "f", "one");
  commit("first");
  const auto begun = history().list_unopened(FileSystem::root_ino, 0);
  write("main", "f", "two");
  commit("second");
  EXPECT_EQ(history().list_unopened(FileSystem::root_ino, begun.number).listing, begun.listing);
  EXPECT_NE(history().list_unopened(FileSystem::root_ino, 0).listing->size(),
            begun.listing->size());
}

TEST_F(UnopenedTest, AGeneratedFileHasTheSizeOfItsText) {
  const Ino file = find(".weightfs/repository");
  const Attributes found = history().attributes(file).attributes;
  EXPECT_EQ(found.size, text_of(file).size());
  EXPECT_EQ(text_of(file), repository_->path().native() + "\n");
}

TEST_F(UnopenedTest, ListedNamesAreLookedUpTogetherAsOneByOne) {
  for (const char* name : {"a", "b", "c"}) write("main", name, name);
  const CommitId id = commit("first");
  for (const std::string& place : {std::string("main"), name_of(id)}) {
    const Ino folder = ino(place);
    FolderHandle* handle = files().open_folder(folder);
    std::vector<FolderEntry> listed = *files().list(*handle, 0).listing;
    files().release_folder(handle);
    listed.push_back({"absent", 0, S_IFREG});
    const auto found = files().look_up(folder, listed);
    ASSERT_EQ(found.size(), listed.size());
    for (std::size_t i = 0; i < listed.size(); ++i) {
      const std::string& name = listed[i].name;
      const bool counts = name != "." && name != ".." && name != "absent";
      ASSERT_EQ(found[i].has_value(), counts) << place << '/' << name;
      if (!counts) continue;
      EXPECT_EQ(found[i]->attributes.ino, ino(place + "/" + name));
    }
  }
}

TEST_F(UnopenedTest, AbsentNamesOfABranchAreRememberedUnlessTheyMayBeRevisions) {
  EXPECT_GT(files().absent_timeout_seconds(ino("main"), "model.index.json"), 1);
  EXPECT_EQ(files().absent_timeout_seconds(ino("main"), "model@v1"), 0);
  EXPECT_GT(files().absent_timeout_seconds(ino("main"), "@model"), 1) << "no revision";
}

}  // namespace
}  // namespace wfs
