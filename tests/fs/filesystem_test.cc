#include "fs/filesystem.h"

#include <fcntl.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "index/refs.h"
#include "tests/fs/mounted.h"

namespace wfs {
namespace {

using ::testing::Test;
using Json = nlohmann::json;

class FileSystemTest : public Mounted {
 protected:
  std::optional<EntryReply> lookup(std::string_view folder, std::string_view name) {
    return files().lookup(ino(folder), name);
  }
  bool lists(Ino folder, const std::string& name) {
    const auto names = list(folder);
    return std::find(names.begin(), names.end(), name) != names.end();
  }
};

TEST_F(FileSystemTest, WhatIsWrittenIsRead) {
  const Ino file = write("main", "config.json", "{}");
  EXPECT_EQ(read(file), "{}");
  EXPECT_EQ(files().attributes(file).attributes.size, 2u);
  EXPECT_TRUE(lists(ino("main"), "config.json"));
}

TEST_F(FileSystemTest, ReadsEndAtTheEndOfTheFile) {
  const Ino file = write("main", "f", "0123456789");
  Handle* handle = files().open(file, OpenMode{}, caller_);
  EXPECT_EQ(read(*handle, 4, 3), "456");
  EXPECT_EQ(read(*handle, 8, 100), "89");
  EXPECT_EQ(read(*handle, 10, 100), "");
  EXPECT_EQ(read(*handle, 1'000'000, 100), "");
  files().release(handle);
}

TEST_F(FileSystemTest, UnlinkedFileStaysReadableWhileItIsOpen) {
  const Ino file = write("main", "f", "still here");
  Handle* handle = files().open(file, OpenMode{}, caller_);
  files().unlink(ino("main"), "f");
  EXPECT_FALSE(lookup("main", "f"));
  EXPECT_EQ(read(*handle), "still here");
  files().release(handle);
}

TEST_F(FileSystemTest, RenameOverAnotherFileReplacesIt) {
  const Ino moved = write("main", ".tmp1", "new");
  write("main", "model.bin", "old");
  files().rename(ino("main"), ".tmp1", ino("main"), "model.bin", Existing::replace);
  EXPECT_EQ(ino("main/model.bin"), moved);
  EXPECT_EQ(read("main/model.bin"), "new");
  EXPECT_EQ(ino("main/.tmp1"), 0u);
}

TEST_F(FileSystemTest, FilesOnlyWrittenGoPastThePageCache) {
  const Ino file = write("main", "f", "x");
  struct Case {
    OpenMode mode;
    Caching caching;
    bool flushes;
  };
  for (const Case& of : {Case{{.reads = false, .writes = true}, Caching::direct, true},
                         Case{{.reads = true, .writes = true}, Caching::keep, true},
                         Case{{.reads = true, .writes = false}, Caching::keep, false}}) {
    Handle* handle = files().open(file, of.mode, caller_);
    EXPECT_EQ(handle->caching, of.caching);
    EXPECT_EQ(handle->flushes, of.flushes);
    files().release(handle);
  }
}

TEST_F(FileSystemTest, CommitShowsWhatTheBranchHeld) {
  files().make_folder(ino("main"), "sub", 0755, caller_);
  write("main", "f", "one");
  write("main/sub", "g", "below");
  const CommitId first = commit("first");
  write("main", "f", "two");
  const CommitId second = commit("second");
  EXPECT_EQ(read(name_of(first) + "/f"), "one");
  EXPECT_EQ(read(name_of(first) + "/sub/g"), "below");
  EXPECT_EQ(read(name_of(second) + "/f"), "two");
  EXPECT_EQ(list(ino(name_of(first))), (std::vector<std::string>{".", "..", "f", "sub"}));
}

TEST_F(FileSystemTest, EntriesOfCommitsAreReadableByAllAndNeverExpire) {
  write("main", "f", "x");
  const Ino file = ino("main/f");
  AttributeChanges changes;
  changes.mode = 0600;
  files().change(file, changes);
  const CommitId id = commit("first");
  const auto folder = lookup("", name_of(id));
  ASSERT_TRUE(folder);
  EXPECT_EQ(folder->attributes.mode, mode_t{S_IFDIR | 0555});
  EXPECT_GT(folder->entry_timeout_seconds, 86400);
  const auto found = lookup(name_of(id), "f");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->attributes.mode, mode_t{S_IFREG | 0444});
  EXPECT_GT(found->attribute_timeout_seconds, 86400);
  EXPECT_GT(files().absent_timeout_seconds(folder->attributes.ino, "x"), 86400);
  EXPECT_EQ(files().absent_timeout_seconds(FileSystem::root_ino, "x"), 0);
}

TEST_F(FileSystemTest, CommitsRefuseEveryChange) {
  files().make_folder(ino("main"), "sub", 0755, caller_);
  write("main", "f", "x");
  const CommitId id = commit("first");
  const Ino top = ino(name_of(id)), file = ino(name_of(id) + "/f");
  const auto refused = [&](auto action) { return error_of(action) == Errc::read_only; };
  EXPECT_TRUE(refused([&] { files().open(file, {.reads = true, .writes = true}, caller_); }));
  EXPECT_TRUE(refused([&] { files().create(top, "new", 0644, {}, caller_); }));
  EXPECT_TRUE(refused([&] { files().make_folder(top, "new", 0755, caller_); }));
  EXPECT_TRUE(refused([&] { files().make_symlink(top, "new", "f", caller_); }));
  EXPECT_TRUE(refused([&] { files().link(file, top, "new"); }));
  EXPECT_TRUE(refused([&] { files().unlink(top, "f"); }));
  EXPECT_TRUE(refused([&] { files().remove_folder(top, "sub"); }));
  EXPECT_TRUE(refused([&] { files().rename(top, "f", top, "g", Existing::replace); }));
  EXPECT_TRUE(refused([&] {
    files().rename(FileSystem::root_ino, name_of(id), FileSystem::root_ino, "x", Existing::replace);
  }));
  AttributeChanges changes;
  changes.mode = 0600;
  EXPECT_TRUE(refused([&] { files().change(file, changes); }));
  EXPECT_TRUE(refused([&] { files().set_xattr(file, "user.x", "y", Working::XattrMode::any); }));
  EXPECT_TRUE(refused([&] { files().remove_xattr(file, "user.x"); }));
  EXPECT_EQ(read(file), "x");
}

TEST_F(FileSystemTest, TopFolderListsBranchesTagsAndCommits) {
  write("main", "f", "one");
  const CommitId first = commit("first");
  write("main", "f", "two");
  const CommitId second = commit("second");
  create_tag(*repository_, "v1.0", first);
  const auto names = list(FileSystem::root_ino);
  for (const std::string& name :
       {std::string("main"), std::string(".weightfs"), std::string("@latest"), std::string("@v1.0"),
        name_of(first), name_of(second)}) {
    EXPECT_EQ(std::count(names.begin(), names.end(), name), 1) << name;
  }
  const auto place = [&](const CommitId& id) {
    return std::find(names.begin(), names.end(), name_of(id));
  };
  EXPECT_LT(place(second), place(first)) << "newest first";
}

TEST_F(FileSystemTest, EveryNameOfACommitLeadsToItsFolder) {
  write("main", "f", "one");
  const CommitId first = commit("first");
  write("main", "f", "two");
  const CommitId second = commit("second");
  create_tag(*repository_, "v1", first);
  const std::string digits = hex(first);
  for (const std::string& name :
       {"@" + digits, "@" + digits.substr(0, 20), "@" + digits.substr(0, 8), std::string("@v1"),
        std::string("@main~1"), std::string("main@v1"), std::string("@latest~1")}) {
    const auto found = lookup("", name);
    ASSERT_TRUE(found) << name;
    EXPECT_EQ(found->entry_timeout_seconds, 0) << name;
    EXPECT_EQ(files().target_of(found->attributes.ino), name_of(first)) << name;
    EXPECT_EQ(found->attributes.size, name_of(first).size());
  }
  EXPECT_EQ(files().target_of(ino("@latest")), name_of(second));
  for (const char* name :
       {"@", "@@", "@nosuch", "@main~9", "main@nosuch", "nosuch", "@~", "@latest-complete"}) {
    EXPECT_FALSE(lookup("", name)) << name;
  }
}

TEST_F(FileSystemTest, MovingNamesFollowTheBranch) {
  write("main", "f", "one");
  const CommitId first = commit("first");
  const Ino latest = ino("@latest");
  EXPECT_EQ(files().target_of(latest), name_of(first));
  write("main", "f", "two");
  const CommitId second = commit("second");
  EXPECT_EQ(ino("@latest"), latest) << "one name, one inode";
  EXPECT_EQ(files().target_of(latest), name_of(second));
}

TEST_F(FileSystemTest, FileAtARevisionIsTheFileOfTheCommit) {
  files().make_folder(ino("main"), "sub", 0755, caller_);
  write("main/sub", "f", "one");
  const CommitId first = commit("first");
  write("main/sub", "f", "two");
  commit("second");
  create_tag(*repository_, "v1", first);
  const Ino canonical = ino(name_of(first) + "/sub/f");
  for (const char* name : {"f@v1", "f@main~1", "f@~1"}) {
    const auto found = lookup("main/sub", name);
    ASSERT_TRUE(found) << name;
    EXPECT_EQ(found->attributes.ino, canonical) << name;
    EXPECT_EQ(found->entry_timeout_seconds, 0) << name;
  }
  EXPECT_EQ(read("main/sub/f@v1"), "one");
  for (const char* name : {"g@v1", "f@nosuch", "f@", "@v1"})
    EXPECT_FALSE(lookup("main/sub", name)) << name;
  EXPECT_EQ(list(ino("main/sub")), (std::vector<std::string>{".", "..", "f"}));
}

TEST_F(FileSystemTest, DeletedFileIsFoundAtARevision) {
  write("main", "f", "gone now");
  create_tag(*repository_, "v1", commit("first"));
  files().unlink(ino("main"), "f");
  EXPECT_EQ(read("main/f@v1"), "gone now");
}

TEST_F(FileSystemTest, FolderAtARevisionIsALinkUpToTheCommit) {
  files().make_folder(ino("main"), "a", 0755, caller_);
  files().make_folder(ino("main/a"), "b", 0755, caller_);
  write("main/a/b", "f", "x");
  const CommitId id = commit("first");
  create_tag(*repository_, "v1", id);
  EXPECT_EQ(files().target_of(ino("main/a@v1")), "../" + name_of(id) + "/a");
  EXPECT_EQ(files().target_of(ino("main/a/b@v1")), "../../" + name_of(id) + "/a/b");
}

TEST_F(FileSystemTest, RealNameWinsOverARevision) {
  write("main", "f", "one");
  create_tag(*repository_, "v1", commit("first"));
  const Ino made = files().make_file(ino("main"), "f@v1", 0644, caller_).attributes.ino;
  EXPECT_EQ(ino("main/f@v1"), made);
}

TEST_F(FileSystemTest, ForgottenNodesComeBackWithTheSameNumber) {
  write("main", "f", "x");
  const CommitId id = commit("first");
  const Ino file = ino(name_of(id) + "/f");
  files().forget(file, 1);
  EXPECT_EQ(error_of([&] { files().attributes(file); }), Errc::not_found);
  EXPECT_EQ(ino(name_of(id) + "/f"), file);
  files().forget(file, 1000);
  files().forget(file, 1);
}

TEST_F(FileSystemTest, FoldersMadeAtTheTopAreBranches) {
  files().make_folder(FileSystem::root_ino, "exp1", 0755, caller_);
  EXPECT_TRUE(lists(FileSystem::root_ino, "exp1"));
  write("exp1", "f", "x");
  EXPECT_EQ(error_of([&] { files().remove_folder(FileSystem::root_ino, "exp1"); }),
            Errc::not_empty);
  files().unlink(ino("exp1"), "f");
  files().remove_folder(FileSystem::root_ino, "exp1");
  EXPECT_FALSE(lookup("", "exp1"));
  EXPECT_EQ(error_of([&] { files().make_folder(FileSystem::root_ino, "@x", 0755, caller_); }),
            Errc::invalid);
  EXPECT_EQ(error_of([&] { files().make_folder(FileSystem::root_ino, "main", 0755, caller_); }),
            Errc::exists);
}

TEST_F(FileSystemTest, OnlyBranchesCanBeMadeAtTheTop) {
  const Ino top = FileSystem::root_ino;
  EXPECT_EQ(error_of([&] { files().create(top, "f", 0644, {}, caller_); }), Errc::not_permitted);
  EXPECT_EQ(error_of([&] { files().rename(top, "main", top, "other", Existing::replace); }),
            Errc::not_permitted);
  EXPECT_EQ(error_of([&] { files().create(ino(".weightfs"), "f", 0644, {}, caller_); }),
            Errc::not_permitted);
}

TEST_F(FileSystemTest, NamesDoNotMoveBetweenBranches) {
  files().make_folder(FileSystem::root_ino, "other", 0755, caller_);
  const Ino file = write("main", "f", "x");
  EXPECT_EQ(
      error_of([&] { files().rename(ino("main"), "f", ino("other"), "f", Existing::replace); }),
      Errc::cross_device);
  EXPECT_EQ(error_of([&] { files().link(file, ino("other"), "f"); }), Errc::cross_device);
}

TEST_F(FileSystemTest, AttributesOfAProgramAreCommitted) {
  const Ino file = write("main", "f", "x");
  files().set_xattr(file, "user.note", "kept", Working::XattrMode::any);
  EXPECT_EQ(files().xattr(file, "user.note"), "kept");
  EXPECT_EQ(error_of([&] { files().set_xattr(file, "security.x", "y", Working::XattrMode::any); }),
            Errc::unsupported);
  const CommitId id = commit("first");
  const Ino committed = ino(name_of(id) + "/f");
  EXPECT_EQ(files().xattr(committed, "user.note"), "kept");
  EXPECT_EQ(files().xattr(committed, "user.other"), std::nullopt);
}

TEST_F(FileSystemTest, CommittedFilesTellWhatTheRepositoryKnows) {
  write("main", "f", "contents 1");
  const CommitId id = commit("first");
  const Ino file = ino(name_of(id) + "/f");
  EXPECT_EQ(files().xattr(file, "user.weightfs.commit"), hex(id));
  EXPECT_EQ(files().xattr(file, "user.weightfs.sha256"), hex(sha256(as_bytes("contents 1")).bytes));
  ASSERT_TRUE(capture_->wait_idle(60));
  EXPECT_EQ(files().xattr(file, "user.weightfs.tensors"), "[]");
  EXPECT_TRUE(files().xattr(file, "user.weightfs.stored"));
  const auto names = files().xattrs(file);
  EXPECT_NE(std::find(names.begin(), names.end(), "user.weightfs.sha256"), names.end());
  EXPECT_EQ(files().xattr(ino(name_of(id)), "user.weightfs.commit"), hex(id));
  EXPECT_EQ(files().xattr(ino("main"), "user.weightfs.commit"), hex(id));
}

TEST_F(FileSystemTest, TensorsAreNamedInAnAttribute) {
  const std::string header =
      R"({"layer.weight":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}})";
  std::string bytes(8, '\0');
  bytes[0] = static_cast<char>(header.size());
  bytes += header + std::string(8, 'x');
  write("main", "m.safetensors", bytes);
  const CommitId id = commit("first");
  ASSERT_TRUE(capture_->wait_idle(60));
  EXPECT_EQ(files().xattr(ino(name_of(id) + "/m.safetensors"), "user.weightfs.tensors"),
            R"([["layer.weight","F32",[1,2]]])");
}

TEST_F(FileSystemTest, HolesOfCommittedFilesAreNotReported) {
  write("main", "f", std::string(5000, '\0'));
  const CommitId id = commit("first");
  Handle* handle = files().open(ino(name_of(id) + "/f"), OpenMode{}, caller_);
  EXPECT_EQ(files().seek(*handle, 10, SEEK_DATA), 10u);
  EXPECT_EQ(files().seek(*handle, 10, SEEK_HOLE), 5000u);
  EXPECT_EQ(error_of([&] { files().seek(*handle, 5000, SEEK_DATA); }), Errc::beyond_end);
  files().release(handle);
}

TEST_F(FileSystemTest, CopyOutOfACommitCopiesTheBytes) {
  std::string text(3'000'001, 'a');
  for (std::size_t i = 0; i < text.size(); i += 97) text[i] = static_cast<char>('a' + i % 23);
  write("main", "f", text);
  const CommitId id = commit("first");
  Handle* from = files().open(ino(name_of(id) + "/f"), OpenMode{}, caller_);
  const Created to =
      files().create(ino("main"), "copy", 0644, {.reads = true, .writes = true}, caller_);
  std::uint64_t done = 0;
  while (const auto copied = files().copy(*from, {done, UINT64_MAX >> 1}, *to.handle, done))
    done += copied;
  EXPECT_EQ(done, text.size());
  EXPECT_TRUE(read(*to.handle, 0, text.size() + 1) == text);
  files().release(from);
  files().release(to.handle);
}

TEST_F(FileSystemTest, FolderListingGoesOnFromOneMoment) {
  for (const char* name : {"a", "b", "c"}) write("main", name, name);
  FolderHandle* handle = files().open_folder(ino("main"));
  const NumberedListing begun = files().list(*handle, 0);
  EXPECT_EQ(begun.listing->size(), 5u);
  files().unlink(ino("main"), "b");
  EXPECT_EQ(files().list(*handle, begun.number).listing->size(), 5u);
  EXPECT_EQ(files().list(*handle, 0).listing->size(), 4u) << "from the start it is read anew";
  files().release_folder(handle);
  FolderHandle* other = files().open_folder(ino("main"));
  EXPECT_EQ(files().list(*other, begun.number).listing, begun.listing)
      << "the kernel has the number from another handle";
  files().release_folder(other);
}

TEST_F(FileSystemTest, GeneratedFilesAreWrittenOutWhenOpened) {
  write("main", "f", "x");
  const CommitId id = commit("the message");
  EXPECT_EQ(read(".weightfs/repository"), repository_->path().native() + "\n");
  EXPECT_NE(read(".weightfs/status").find("main"), std::string::npos);
  EXPECT_EQ(Json::parse(read(".weightfs/stats.json")).at("commits"), 1);
  EXPECT_EQ(Json::parse(read(".weightfs/log.json")).at("id"), hex(id));
  EXPECT_NE(read(".weightfs/health").find("healthy"), std::string::npos);
  EXPECT_FALSE(lookup(".weightfs", "nosuch"));
  Handle* handle = files().open(ino(".weightfs/status"), OpenMode{}, caller_);
  EXPECT_EQ(handle->caching, Caching::direct);
  files().release(handle);
}

TEST_F(FileSystemTest, EverythingIsThereAfterARestart) {
  files().make_folder(ino("main"), "sub", 0755, caller_);
  write("main", "f", "committed");
  const CommitId id = commit("first");
  write("main/sub", "g", "only staged");
  stop();
  start();
  EXPECT_EQ(read("main/f"), "committed");
  EXPECT_EQ(read("main/sub/g"), "only staged");
  EXPECT_EQ(read(name_of(id) + "/f"), "committed");
}

TEST_F(FileSystemTest, HandlesNobodyReleasedAreDroppedAtTheEnd) {
  const Ino file = write("main", "f", "x");
  files().open(file, {.reads = true, .writes = true}, caller_);
  files().open_folder(ino("main"));
  stop();
  start();
  EXPECT_EQ(read("main/f"), "x");
}

}  // namespace
}  // namespace wfs
