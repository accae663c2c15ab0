#include "index/refs.h"

#include "base/error.h"
#include "index/commit_rows.h"
#include "tests/index/example.h"

namespace wfs {
namespace {

class Refs : public ExampleRepository {
 protected:
  std::optional<Ref> ref(const std::string& name) {
    return repository().catalog().read(
        [&](Database& database) { return find_ref(database, name); });
  }

  template <class Act>
  static Errc refused(Act act) {
    try {
      act();
    } catch (const Error& error) {
      return error.code();
    }
    ADD_FAILURE() << "was not refused";
    return Errc::io;
  }

  CommitId id_ = commit_files({{"f", weights(10, 1)}});
};

TEST_F(Refs, ABranchIsMadeEmptyOrAtACommit) {
  create_branch(repository(), "empty", std::nullopt);
  create_branch(repository(), "copy", id_);
  EXPECT_EQ(ref("empty"), (Ref{"empty", RefKind::branch, std::nullopt}));
  EXPECT_EQ(ref("copy"), (Ref{"copy", RefKind::branch, id_}));
}

TEST_F(Refs, NamesAreSharedByBranchesAndTags) {
  create_tag(repository(), "v1", id_);
  EXPECT_EQ(refused([&] { create_branch(repository(), "v1", id_); }), Errc::exists);
  EXPECT_EQ(refused([&] { create_tag(repository(), "main", id_); }), Errc::exists);
}

TEST_F(Refs, ATagNeverMoves) {
  create_tag(repository(), "v1", id_);
  const CommitId other = commit_files({{"f", weights(10, 2)}});
  EXPECT_EQ(refused([&] { create_tag(repository(), "v1", other); }), Errc::exists);
  EXPECT_EQ(refused([&] { create_tag(repository(), "v1", id_); }), Errc::exists);
  EXPECT_EQ(ref("v1")->tip, id_);
  delete_tag(repository(), "v1");
  EXPECT_FALSE(ref("v1"));
}

TEST_F(Refs, TheLastBranchStays) {
  EXPECT_EQ(refused([&] { delete_branch(repository(), "main"); }), Errc::invalid);
  create_branch(repository(), "other", std::nullopt);
  delete_branch(repository(), "main");
  EXPECT_FALSE(ref("main"));
}

TEST_F(Refs, OnlyWhatIsThereOfThatKindIsDeleted) {
  create_tag(repository(), "v1", id_);
  create_branch(repository(), "b", id_);
  EXPECT_EQ(refused([&] { delete_branch(repository(), "v1"); }), Errc::not_found);
  EXPECT_EQ(refused([&] { delete_tag(repository(), "b"); }), Errc::not_found);
  EXPECT_EQ(refused([&] { delete_tag(repository(), "absent"); }), Errc::not_found);
}

TEST_F(Refs, NamesThatWouldReadAsSomethingElseAreRefused) {
  for (const std::string name : {"", ".", "..", "a/b", "@x", "-x", ".weightfs", "a~b", "a^",
                                 "latest", "latest-complete", "new\nline", "a b", "a:b"}) {
    EXPECT_EQ(refused([&] { create_branch(repository(), name, id_); }), Errc::invalid) << name;
    EXPECT_EQ(refused([&] { create_tag(repository(), name, id_); }), Errc::invalid) << name;
  }
  EXPECT_EQ(refused([&] { create_tag(repository(), std::string(101, 'a'), id_); }), Errc::invalid);
}

TEST_F(Refs, AnUnknownCommitIsRefused) {
  EXPECT_EQ(refused([&] { create_branch(repository(), "b", CommitId{}); }), Errc::not_found);
  EXPECT_FALSE(ref("b"));
}

}  // namespace
}  // namespace wfs
