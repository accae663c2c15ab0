#include "index/commit.h"

#include "base/error.h"
#include "index/commit_rows.h"
#include "index/content_rows.h"
#include "tests/index/example.h"

namespace wfs {
namespace {

using CommitTest = ExampleRepository;

Buffer text(std::string_view words) {
  const Bytes bytes = as_bytes(words);
  return Buffer(bytes.begin(), bytes.end());
}

CommitRow row_of(Repository& repository, const CommitId& id) {
  return repository.catalog().read([&](Database& database) { return load_commit(database, id); });
}

TEST_F(CommitTest, MovesTheBranchAndNamesWhatChanged) {
  const CommitId first = commit_files({{"a.txt", text("one")}});
  const CommitId second = commit_files({{"a.txt", text("two")}, {"b.txt", text("three")}});
  const CommitRow row = row_of(repository(), second);
  EXPECT_EQ(row.commit.parents, std::vector<CommitId>{first});
  EXPECT_EQ(row.commit.message, "Add b.txt; change a.txt");
  EXPECT_EQ(row_of(repository(), first).commit.message, "Add a.txt");
  const auto ref = repository().catalog().read(
      [](Database& database) { return find_ref(database, "main"); });
  EXPECT_EQ(ref->tip, second);
}

TEST_F(CommitTest, TheSameTreeAgainMakesNoCommit) {
  Cut cut;
  cut.branch = "main";
  cut.time_ns = 1;
  CutEntry entry;
  entry.name = "a";
  entry.value = stage(text("x"));
  cut.root.entries.push_back(std::move(entry));
  const auto first = commit(repository(), cut);
  const auto again = commit(repository(), cut);
  EXPECT_TRUE(first->is_new);
  EXPECT_FALSE(again->is_new);
  EXPECT_EQ(first->id, again->id);
}

TEST_F(CommitTest, AnEmptyBranchStaysWithoutACommit) {
  Cut cut;
  cut.branch = "main";
  EXPECT_EQ(commit(repository(), cut), std::nullopt);
}

TEST_F(CommitTest, ABranchThatIsNotThereChangesNothing) {
  Cut cut;
  cut.branch = "nowhere";
  EXPECT_THROW(commit(repository(), cut), Error);
  EXPECT_EQ(repository().catalog().read([](Database& database) { return count_commits(database); }), 0);
}

TEST_F(CommitTest, ContentsAreReadFromStagingAndAfterARestart) {
  const Buffer bytes = weights(3'000'000, 1);
  commit_files({{"model.bin", bytes}});
  EXPECT_EQ(bytes_of(content_of(bytes)), bytes);
  open();
  EXPECT_EQ(bytes_of(content_of(bytes)), bytes);
}

TEST_F(CommitTest, MetricsOfTheTrainerAreRecorded) {
  const CommitId id = commit_files(
      {{"trainer_state.json", text(R"({"global_step":7,"log_history":[{"loss":0.5}]})")}});
  EXPECT_EQ(row_of(repository(), id).commit.metrics, R"({"loss":0.5,"step":7})");
}

}  // namespace
}  // namespace wfs
