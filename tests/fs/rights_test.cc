// What belongs to users: set-id bits, entries without bytes, files without a name, link counts.
#include <gtest/gtest.h>

#include "tests/fs/mounted.h"

namespace wfs {
namespace {

class RightsTest : public Mounted {
 protected:
  const Caller other_{4001, 4101, 0, 0};

  Attributes chmod(Ino ino, mode_t mode) {
    AttributeChanges changes;
    changes.mode = mode;
    return files().change(ino, changes).attributes;
  }
  mode_t mode_of(Ino ino) { return files().attributes(ino).attributes.mode; }
  std::uint64_t links_of(Ino ino) { return files().attributes(ino).attributes.links; }
};

TEST_F(RightsTest, SetIdBitsGoWhenAnotherUserWrites) {
  struct Case {
    mode_t before;
    uid_t uid;
    mode_t after;
  };
  const Case cases[] = {
      {06755, 4001, 0755}, {04644, 4001, 0644}, {02644, 4001, 02644},  // no program of the group
      {02674, 4001, 0674}, {06755, 0, 06755},   {0755, 4001, 0755},
  };
  const Ino file = write("main", "program", "x");
  Handle* handle = files().open(file, {.reads = false, .writes = true}, caller_);
  for (const Case& one : cases) {
    chmod(file, one.before);
    files().drop_set_ids(*handle, {one.uid, 0, 0, 0});
    EXPECT_EQ(mode_of(file), S_IFREG | one.after) << std::oct << one.before << " by " << one.uid;
  }
  files().release(handle);
}

TEST_F(RightsTest, TruncatingOpenTakesSetIdBitsAway) {
  const Ino file = write("main", "program", "x");
  chmod(file, 06755);
  files().release(files().open(file, {.writes = true, .truncates = true}, other_));
  EXPECT_EQ(mode_of(file), S_IFREG | 0755u);
}

TEST_F(RightsTest, PipesAreInNoCommitAndThereAfterARestart) {
  write("main", "f", "x");
  const CommitId first = commit("first");
  const Ino pipe =
      files().make_special(ino("main"), "pipe", S_IFIFO | 0620, other_).attributes.ino;
  files().make_special(ino("main"), "socket", S_IFSOCK | 0755, other_);
  EXPECT_EQ(commit("again"), first) << "nothing has changed for history";
  stop();
  start();
  EXPECT_EQ(ino("main/pipe"), pipe);
  EXPECT_EQ(mode_of(pipe), S_IFIFO | 0620u);
  EXPECT_EQ(files().attributes(pipe).attributes.uid, other_.uid);
  EXPECT_EQ(mode_of(ino("main/socket")), S_IFSOCK | 0755u);
  AttributeChanges empty;
  empty.size = 0;
  EXPECT_EQ(error_of([&] { files().change(pipe, empty); }), Errc::invalid);
  EXPECT_EQ(error_of([&] { files().open(pipe, OpenMode{}, caller_); }), Errc::invalid);
}

TEST_F(RightsTest, FileWithoutANameIsGivenOne) {
  constexpr OpenMode both{.reads = true, .writes = true};
  const Created made = files().create_unnamed(ino("main"), 0640, both, other_);
  const Ino file = made.entry.attributes.ino;
  EXPECT_EQ(made.entry.attributes.links, 0u);
  EXPECT_TRUE(list(ino("main")).size() == 2) << "only . and ..";
  files().write(*made.handle, 0, as_bytes("bytes"));
  files().link(file, ino("main"), "named");
  files().release(made.handle);
  EXPECT_EQ(read("main/named"), "bytes");
  EXPECT_EQ(ino("main/named"), file);
  EXPECT_EQ(read(name_of(commit("named")) + "/named"), "bytes");
  stop();
  start();
  EXPECT_EQ(read("main/named"), "bytes");
}

TEST_F(RightsTest, UnlinkedFileIsNotGivenANameAgain) {
  const Created made = files().create_unnamed(ino("main"), 0640, {.writes = true}, other_);
  files().link(made.entry.attributes.ino, ino("main"), "named");
  files().unlink(ino("main"), "named");
  EXPECT_EQ(error_of([&] { files().link(made.entry.attributes.ino, ino("main"), "again"); }),
            Errc::not_found);
  files().release(made.handle);
}

TEST_F(RightsTest, LinksOfAFolderCountItsFoldersWhereverTheyAreTold) {
  const Ino top = files().make_folder(ino("main"), "top", 0755, caller_).attributes.ino;
  files().make_folder(top, "a", 0755, caller_);
  files().make_folder(top, "b", 0755, caller_);
  write("main/top", "f", "x");
  EXPECT_EQ(links_of(top), 4u);
  EXPECT_EQ(files().lookup(ino("main"), "top")->attributes.links, 4u);
  EXPECT_EQ(chmod(top, 0700).links, 4u);
  files().rename(top, "a", top, "f2", Existing::replace);
  EXPECT_EQ(links_of(top), 4u);
  files().rename(top, "b", ino("main"), "b", Existing::replace);
  EXPECT_EQ(links_of(top), 3u);
  files().rename(top, "f", ino("main"), "b", Existing::exchange);
  EXPECT_EQ(links_of(top), 4u);
  stop();
  start();
  EXPECT_EQ(links_of(ino("main/top")), 4u);
  EXPECT_EQ(links_of(ino("main")), 3u);
}

TEST_F(RightsTest, ZeroRangeThatCannotExtendChangesNothing) {
  const Ino file = write("main", "f", "bytes");
  Handle* handle = files().open(file, {.reads = true, .writes = true}, caller_);
  constexpr int zero_range = 0x10;
  EXPECT_TRUE(error_of(
      [&] { files().allocate(*handle, zero_range, {0, std::uint64_t{1} << 62}); }));
  EXPECT_EQ(read(*handle), "bytes");
  files().release(handle);
}

}  // namespace
}  // namespace wfs
