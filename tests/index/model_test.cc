#include "index/model.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace wfs {
namespace {

Tree example_tree() {
  TreeEntry config;
  config.name = "config.json";
  config.mtime_ns = -5;
  config.size = 3;
  config.content = ContentId{sha256(as_bytes("{}\n"))};
  config.xattrs["user.note"] = std::string("a\0b", 3);
  TreeEntry link;
  link.name = "last";
  link.kind = Kind::symlink;
  link.target = "checkpoint-2";
  link.size = link.target.size();
  TreeEntry folder;
  folder.name = "sub";
  folder.kind = Kind::folder;
  folder.tree = TreeId{sha256_cut(as_bytes("x"))};
  return Tree{{config, link, folder}};
}

TEST(Model, ATreeComesBackFromItsRecord) {
  const Tree tree = example_tree();
  const Buffer record = record_of(tree);
  EXPECT_EQ(tree_of(record), tree);
  EXPECT_EQ(record_of(tree_of(record)), record);
  EXPECT_EQ(tree.find("last")->target, "checkpoint-2");
  EXPECT_EQ(tree.find("las"), nullptr);
}

TEST(Model, EveryCutRecordOfATreeIsRefused) {
  const Buffer record = record_of(example_tree());
  for (std::size_t length = 0; length < record.size(); ++length) {
    EXPECT_THROW(tree_of(Bytes(record).first(length)), Error) << length;
  }
  Buffer longer = record;
  longer.push_back(std::byte{0});
  EXPECT_THROW(tree_of(longer), Error);
}

TEST(Model, ATreeOutOfOrderOrWithABadNameIsRefused) {
  Tree tree = example_tree();
  std::swap(tree.entries[0], tree.entries[1]);
  EXPECT_THROW(tree_of(record_of(tree)), Error);
  for (const std::string name : {"", ".", "..", "a/b"}) {
    Tree bad;
    bad.entries.push_back(example_tree().entries[1]);
    bad.entries[0].name = name;
    EXPECT_THROW(tree_of(record_of(bad)), Error) << name;
  }
}

TEST(Model, ACommitComesBackFromItsRecordAndItsNameDependsOnEveryPart) {
  Commit commit;
  commit.parents = {CommitId{sha256_cut(as_bytes("p"))}};
  commit.tree = TreeId{sha256_cut(as_bytes("t"))};
  commit.branch = "main";
  commit.author = "a@b";
  commit.time_ns = 1'700'000'000'123'456'789;
  commit.message = "Add model";
  commit.writer = "python3";
  commit.metrics = R"({"loss":1.5})";
  commit.complete = true;
  const Buffer record = record_of(commit);
  EXPECT_EQ(commit_of(record), commit);
  const CommitId id = commit_id_of(record);
  Commit other = commit;
  other.message += "!";
  EXPECT_NE(commit_id_of(record_of(other)), id);
  other = commit;
  other.parents.clear();
  EXPECT_NE(commit_id_of(record_of(other)), id);
}

TEST(Model, NamesOfRefs) {
  for (const auto* good : {"main", "exp-1", "v1.0", "A_b"}) EXPECT_TRUE(is_ref_name(good)) << good;
  for (const auto* bad : {"", ".x", "-x", "a/b", "a b", "a@b", "a~1", "latest", "latest-complete"}) {
    EXPECT_FALSE(is_ref_name(bad)) << bad;
  }
  EXPECT_FALSE(is_ref_name(std::string(101, 'a')));
}

}  // namespace
}  // namespace wfs
