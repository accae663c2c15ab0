#include "index/revision.h"

#include <cstdlib>
#include <ctime>

#include "base/error.h"
#include "index/commit_rows.h"
#include "index/refs.h"
#include "tests/index/example.h"

namespace wfs {
namespace {

class Revision : public ExampleRepository {
 protected:
  Revision() {
    for (int n = 0; n < 4; ++n) {
      ids_.push_back(
          commit_files({{"n", weights(10, static_cast<std::uint64_t>(n))}}, cat("number ", n)));
    }
  }

  Errc refused(std::string_view text) {
    try {
      resolve(repository(), text);
    } catch (const Error& error) {
      told_ = error.what();
      return error.code();
    }
    ADD_FAILURE() << text << " names a commit";
    return Errc::io;
  }

  // A ref whose log says when it named what.
  void log_tip(const std::string& name, const CommitId& tip, std::int64_t seconds) {
    repository().catalog().write(Durability::later, [&](Database& database) {
      put_ref(database, {name, RefKind::branch, tip}, seconds * 1'000'000'000, "test");
    });
  }

  std::vector<CommitId> ids_;
  std::string told_;
};

TEST_F(Revision, BranchTagLatestAndPrefixNameACommit) {
  create_tag(repository(), "v1.0", ids_[1]);
  for (const auto& [text, wanted] :
       std::vector<std::pair<std::string, CommitId>>{{"main", ids_[3]},
                                                     {"latest", ids_[3]},
                                                     {"v1.0", ids_[1]},
                                                     {hex(ids_[2]), ids_[2]},
                                                     {hex(ids_[2]).substr(0, 12), ids_[2]},
                                                     {hex(ids_[2]).substr(0, 13), ids_[2]}}) {
    EXPECT_EQ(resolve(repository(), text), wanted) << text;
    EXPECT_EQ(try_resolve(repository(), text), wanted) << text;
  }
  std::string capitals = hex(ids_[2]);
  for (char& c : capitals) c = static_cast<char>(std::toupper(c));
  EXPECT_EQ(resolve(repository(), capitals), ids_[2]);
}

TEST_F(Revision, SuffixesWalkTheHistory) {
  for (const auto& [text, wanted] :
       std::vector<std::pair<std::string, CommitId>>{{"main~", ids_[2]},
                                                     {"main~0", ids_[3]},
                                                     {"main~3", ids_[0]},
                                                     {"main^", ids_[2]},
                                                     {"main^^", ids_[1]},
                                                     {"main^0", ids_[3]},
                                                     {"main~1^1~1", ids_[0]},
                                                     {"main@{0}", ids_[3]},
                                                     {"main@{1}", ids_[2]},
                                                     {"main@{1}~1", ids_[1]}}) {
    EXPECT_EQ(resolve(repository(), text), wanted) << text;
  }
}

TEST_F(Revision, WhatNamesNoCommitIsNotFoundWithTheText) {
  for (const std::string text :
       {"nosuch", "main~99", "main^2", "@@", "ffffffffffff", "main@{not.a.time}", "", "main~~x",
        "main@{1", "main@{2000-01-01}", "~1", "main~1@{1}", "-main", "main@{2026-13-01}",
        "main~9999999999", "abc", "main@{99}", "latest-complete", "main@{5.parsecs.ago}"}) {
    EXPECT_EQ(refused(text), Errc::not_found) << text;
    EXPECT_NE(told_.find(text), std::string::npos) << told_;
    EXPECT_NE(told_.find("mountctl log"), std::string::npos) << told_;
    EXPECT_EQ(try_resolve(repository(), text), std::nullopt) << text;
  }
}

TEST_F(Revision, ABranchWithoutACommitSaysSo) {
  create_branch(repository(), "empty", std::nullopt);
  EXPECT_EQ(refused("empty"), Errc::not_found);
  EXPECT_NE(told_.find("no commit yet"), std::string::npos) << told_;
}

TEST_F(Revision, ARefGoesBeforeAnId) {
  const std::string name = hex(ids_[0]).substr(0, 8);
  create_tag(repository(), name, ids_[3]);
  EXPECT_EQ(resolve(repository(), name), ids_[3]);
}

TEST_F(Revision, AnAmbiguousPrefixListsTheCandidates) {
  // Commits until two ids share four digits.
  std::map<std::string, CommitId> seen;
  std::vector<CommitId> twins;
  repository().catalog().write(Durability::later, [&](Database& database) {
    for (int n = 0; twins.empty(); ++n) {
      Commit commit;
      commit.message = cat("twin ", n);
      const CommitId id = commit_id_of(record_of(commit));
      insert_commit(database, id, commit);
      const auto [at, is_new] = seen.emplace(hex(id).substr(0, 4), id);
      if (!is_new) twins = {at->second, id};
    }
  });
  const std::string prefix = hex(twins[0]).substr(0, 4);
  EXPECT_EQ(refused(prefix), Errc::ambiguous);
  for (const CommitId& twin : twins) {
    EXPECT_NE(told_.find(hex(twin).substr(0, 8)), std::string::npos) << told_;
  }
  EXPECT_EQ(try_resolve(repository(), prefix), std::nullopt);
}

TEST_F(Revision, TheTipAtAMoment) {
  ::setenv("TZ", "UTC-2", 1);  // two hours east of Greenwich
  ::tzset();
  constexpr std::int64_t noon = 1'795'176'000;  // 2026-11-20T12:00:00Z
  log_tip("old", ids_[0], noon);
  log_tip("old", ids_[1], noon + 3600);
  log_tip("old", ids_[2], noon + 2 * 3600 + 20);
  for (const auto& [text, wanted] :
       std::vector<std::pair<std::string, CommitId>>{{"old@{2026-11-20T12:00Z}", ids_[0]},
                                                     {"old@{2026-11-20T12:59:59Z}", ids_[0]},
                                                     {"old@{2026-11-20T13:00:00Z}", ids_[1]},
                                                     {"old@{2026-11-20T15:00}", ids_[1]},
                                                     {"old@{2026-11-20 15:00:00}", ids_[1]},
                                                     {"old@{2026-11-20T15:00:00+02:00}", ids_[1]},
                                                     {"old@{2026-11-20T08:00:00-0500}", ids_[1]},
                                                     {"old@{2026-11-20T14:00Z}", ids_[2]},
                                                     {"old@{2026-11-20T14:00:19Z}", ids_[1]},
                                                     {"old@{2026-11-21}", ids_[2]}}) {
    EXPECT_EQ(resolve(repository(), text), wanted) << text;
  }
  EXPECT_EQ(refused("old@{2026-11-20T11:59Z}"), Errc::not_found);
  EXPECT_EQ(refused("old@{2026-11-20}"), Errc::not_found) << "a day is its start";
  ::unsetenv("TZ");
  ::tzset();
}

TEST_F(Revision, TheTipSomeTimeAgo) {
  const std::int64_t now = now_ns() / 1'000'000'000;
  log_tip("old", ids_[0], now - 3 * 86'400);
  log_tip("old", ids_[1], now - 2 * 3600);
  log_tip("old", ids_[2], now - 600);
  for (const auto& [text, wanted] :
       std::vector<std::pair<std::string, CommitId>>{{"old@{now}", ids_[2]},
                                                     {"old@{30.seconds.ago}", ids_[2]},
                                                     {"old@{11 minutes ago}", ids_[1]},
                                                     {"old@{1.hour.ago}", ids_[1]},
                                                     {"old@{3.hours.ago}", ids_[0]},
                                                     {"old@{yesterday}", ids_[0]},
                                                     {"old@{2.days.ago}", ids_[0]}}) {
    EXPECT_EQ(resolve(repository(), text), wanted) << text;
  }
  EXPECT_EQ(refused("old@{1.week.ago}"), Errc::not_found);
  EXPECT_EQ(refused("old@{999999999.weeks.ago}"), Errc::not_found);
}

TEST_F(Revision, ADeletedBranchIsStillInItsLog) {
  create_branch(repository(), "gone", ids_[1]);
  delete_branch(repository(), "gone");
  EXPECT_EQ(resolve(repository(), "gone@{0}"), ids_[1]);
  EXPECT_EQ(refused("gone"), Errc::not_found);
}

TEST_F(Revision, PathsAreFoundFolderByFolder) {
  Cut cut;
  cut.branch = "main";
  cut.time_ns = now_ns();
  auto folder = std::make_unique<CutFolder>();
  CutEntry file;
  file.name = "file";
  file.value = stage(weights(7, 1));
  folder->entries.push_back(std::move(file));
  CutEntry entry;
  entry.name = "folder";
  entry.value = std::move(folder);
  cut.root.entries.push_back(std::move(entry));
  const CommitId id = commit(repository(), cut)->id;
  EXPECT_EQ(find_path(repository(), id, "")->kind, Kind::folder);
  EXPECT_EQ(find_path(repository(), id, "folder")->kind, Kind::folder);
  EXPECT_EQ(find_path(repository(), id, "folder/file")->size, 7u);
  EXPECT_FALSE(find_path(repository(), id, "folder/absent"));
  EXPECT_FALSE(find_path(repository(), id, "folder/file/below"));
  EXPECT_FALSE(find_path(repository(), id, "absent/file"));
}

TEST(RevisionText, OrdinaryNamesAreTakenOrRefusedBySpellingAlone) {
  for (const char* text : {"main", "v1.0", "0123abcd", "main~3", "latest", "main@{yesterday}"}) {
    EXPECT_TRUE(is_revision_text(text)) << text;
  }
  for (const char* text : {"", ".Trash", "a b", "a/b", "main@", "main@{", "~", "main~-1", "\xff"}) {
    EXPECT_FALSE(is_revision_text(text)) << text;
  }
}

}  // namespace
}  // namespace wfs
