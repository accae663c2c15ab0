#include "index/rebuild.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "base/error.h"
#include "index/check.h"
#include "index/commit_rows.h"
#include "index/content_rows.h"
#include "index/staged_rows.h"
#include "index/upgrade.h"
#include "index/whole_rows.h"
#include "tests/index/example.h"

namespace wfs {
namespace {

class RebuildTest : public ExampleRepository {
 protected:
  // What of the index can be made again from packs, in an order of its own: numbers are left out.
  std::vector<std::string> rows() {
    return repository().catalog().read([](Database& database) {
      std::vector<std::string> lines;
      for (const ContentRow& row : all_contents(database)) {
        std::string line = cat("content ", hex(row.id), " ", row.size, " ", row.stored_bytes, " ",
                               static_cast<std::int64_t>(row.staged), " ", row.health);
        if (row.staged == StagedId::none) {
          const SegmentMap map = load_segment_map(database, row.id);
          for (const Segment& segment : map.layout().segments) {
            line += cat(" ", segment.range.length, segment.tensor ? segment.tensor->name : "-");
          }
          for (const BlockRef& block : map.blocks()) {
            line += cat(" ", hex(block.id), "@", block.offset, "+", block.payload_length);
          }
        }
        lines.push_back(std::move(line));
      }
      for (const RecordRow& row : tree_records_after(database, std::nullopt, 1000)) {
        lines.push_back(cat("tree ", hex(row.id.bytes), " ", hex(row.record)));
      }
      std::sort(lines.begin(), lines.end());
      for (const CommitRow& row : recent_commits(database, 0, 1000)) {
        lines.push_back(cat("commit ", hex(row.id), " ", row.commit.message));
      }
      for (const Ref& ref : all_refs(database)) {
        lines.push_back(cat("ref ", ref.name, " ", ref.tip ? hex(*ref.tip) : "none"));
      }
      for (const PackRow& row : all_packs(database)) {
        lines.push_back(cat("pack ", hex(row.id), " ", row.size));
      }
      return lines;
    });
  }

  void remove_index() {
    for (const char* suffix : {"", "-wal", "-shm"}) {
      stdfs::remove(path() / (std::string("index.sqlite") + suffix));
    }
  }

  // Sets every byte of a stretch of the index, far behind its header.
  void damage_index() {
    const Fd index = open_file(path() / "index.sqlite", O_RDWR);
    const Buffer noise(size_of(index) - 100, std::byte{0xa5});
    write_fully(index, 100, noise);
  }

  Rebuilt rebuild_now() {
    repository_.reset();
    const Rebuilt rebuilt = rebuild(path(), nullptr);
    open();
    return rebuilt;
  }

  void expect_clean() {
    for (const Finding& finding : check(repository(), CheckDepth::data, nullptr).findings) {
      ADD_FAILURE() << finding.object << " " << finding.name << ": " << finding.what;
    }
  }

  void commit_some_history() {
    for (unsigned i = 0; i < 5; ++i) {
      Buffer grown = weights(300'000, 1);
      const Buffer tail = weights(200'000, 10 + i);
      grown.insert(grown.end(), tail.begin(), tail.end());
      commit_files({{"grown", grown}, {"other", weights(50'000, 50 + i)}}, cat("step ", i));
      if (i % 2 == 0) pack();
    }
    pack();
  }
};

TEST_F(RebuildTest, GivesBackTheSameRowsWithAndWithoutTheOldIndex) {
  commit_some_history();
  const auto before = rows();
  EXPECT_EQ(rebuild_now().lost, std::vector<std::string>());
  EXPECT_EQ(rows(), before);
  repository_.reset();
  remove_index();
  EXPECT_EQ(rebuild_now().lost, std::vector<std::string>());
  EXPECT_EQ(rows(), before);
  expect_clean();
}

TEST_F(RebuildTest, KeepsTheOldIndexBesideTheNewOne) {
  commit_some_history();
  rebuild_now();
  EXPECT_TRUE(stdfs::exists(path() / "index.sqlite.old"));
  EXPECT_FALSE(stdfs::exists(path() / "index.sqlite.new"));
  rebuild_now();
  expect_clean();
}

TEST_F(RebuildTest, AnIndexOfNoiseIsReplacedAndStagedFilesAreKeptUnderAnotherName) {
  commit_files({{"packed", weights(100'000, 1)}});
  pack();
  const Buffer staged = weights(100'000, 2);
  commit_files({{"packed", weights(100'000, 1)}, {"staged", staged}});
  repository_.reset();
  damage_index();
  const Rebuilt rebuilt = rebuild_now();
  EXPECT_EQ(rebuilt.commits, 1u) << "the second commit was in no pack";
  EXPECT_EQ(bytes_of(content_of(weights(100'000, 1))), weights(100'000, 1));
  std::vector<Buffer> recovered;
  for (const auto& entry : stdfs::directory_iterator(path() / "staging")) {
    EXPECT_TRUE(entry.path().filename().string().starts_with("recovered-"));
    recovered.push_back(read_file(entry.path()));
  }
  EXPECT_EQ(recovered, std::vector<Buffer>{staged});
  EXPECT_TRUE(std::any_of(rebuilt.lost.begin(), rebuilt.lost.end(), [](const std::string& line) {
    return line.find("recovered-") != line.npos;
  }));
  expect_clean();
}

TEST_F(RebuildTest, ATableThatCannotBeReadCostsNoStagedBytes) {
  const Buffer staged = weights(100'000, 2);
  commit_files({{"staged", staged}});
  repository().catalog().write(Durability::now,
                               [](Database& database) { database.run("DROP TABLE nodes"); });
  const Rebuilt rebuilt = rebuild_now();
  EXPECT_EQ(bytes_of(content_of(staged)), staged) << "what can be carried over is";
  EXPECT_EQ(rebuilt.lost.size(), 2u) << "the table, and the second name of the bytes";
  EXPECT_TRUE(stdfs::exists(path() / "staging" / "recovered-1"));
}

TEST_F(RebuildTest, TheCommitsOfALostPackAreLostAndTheOthersStay) {
  commit_files({{"a", weights(100'000, 1)}}, "first");
  pack();
  const auto first = repository().catalog().read(
      [](Database& database) { return all_packs(database).front().id; });
  const CommitId second = commit_files({{"b", weights(100'000, 2)}}, "second");
  pack();
  const stdfs::path lost = repository().packs().path_of(first);
  repository_.reset();
  stdfs::remove(lost);
  const Rebuilt rebuilt = rebuild_now();
  EXPECT_EQ(rebuilt.commits, 1u);
  ASSERT_EQ(rebuilt.lost.size(), 1u);
  EXPECT_NE(rebuilt.lost[0].find("first"), std::string::npos) << rebuilt.lost[0];
  const auto ref = repository().catalog().read(
      [](Database& database) { return find_ref(database, "main"); });
  EXPECT_EQ(ref->tip, second);
  EXPECT_EQ(bytes_of(content_of(weights(100'000, 2))), weights(100'000, 2));
}

TEST_F(RebuildTest, TheTipOfALostCommitFallsBackToTheNewestThatIsLeft) {
  const CommitId first = commit_files({{"a", weights(100'000, 1)}}, "first");
  pack();
  commit_files({{"a", weights(100'000, 2)}}, "second");
  pack();
  const auto last = repository().catalog().read(
      [](Database& database) { return all_packs(database).back().id; });
  const stdfs::path lost = repository().packs().path_of(last);
  repository_.reset();
  stdfs::remove(lost);
  rebuild_now();
  const auto ref = repository().catalog().read(
      [](Database& database) { return find_ref(database, "main"); });
  EXPECT_EQ(ref->tip, first);
  expect_clean();
}

TEST_F(RebuildTest, CommitsWhoseContentIsStillStagedAreKept) {
  const Buffer good = weights(100'000, 1);
  const Buffer bad = weights(100'000, 2);
  commit_files({{"good", good}, {"bad", bad}});
  const StagedId staged = repository().contents().staged(content_of(bad))->id();
  const stdfs::path local = path() / "staging" / std::to_string(static_cast<int>(staged));
  const Buffer whole = read_file(local);
  write_fully(open_file(local, O_RDWR), 5000, as_bytes("damage"));
  EXPECT_EQ(pack().failed, 1u);
  write_fully(open_file(local, O_RDWR), 0, whole);  // as if read back from a copy
  const auto before = rows();
  EXPECT_EQ(rebuild_now().lost, std::vector<std::string>());
  EXPECT_EQ(rows(), before);
  EXPECT_EQ(bytes_of(content_of(bad)), bad);
  EXPECT_EQ(pack().contents, 1u);
  expect_clean();
}

TEST_F(RebuildTest, AnIndexOfANewerVersionIsLeftAlone) {
  repository().catalog().write(Durability::now, [](Database& database) {
    database.run(cat("PRAGMA user_version = ", index_version + 1));
  });
  repository_.reset();
  try {
    rebuild(path(), nullptr);
    ADD_FAILURE() << "rebuilt";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::unsupported);
  }
  EXPECT_FALSE(stdfs::exists(path() / "index.sqlite.old"));
}

// A child is killed at a point; what it leaves must open clean and go on. The child is this program, run
// for one test: fault points are armed when a process first passes one.
class PackingCrash : public RebuildTest {
 protected:
  // Whether the child was killed.
  bool pack_in_child(const std::string& point) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::setenv("WEIGHTFS_FAULT", point.c_str(), 1);
      ::setenv("WEIGHTFS_TEST_REPOSITORY", path().c_str(), 1);
      ::execl("/proc/self/exe", "index_test", "--gtest_filter=PackingChild.*", nullptr);
      ::_exit(127);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  }
};

// Run without its environment it packs an empty repository of its own.
TEST(PackingChild, PacksTheRepositoryOfTheEnvironment) {
  std::optional<TemporaryFolder> own;  // a child that is killed must leave none
  stdfs::path path;
  if (const char* given = std::getenv("WEIGHTFS_TEST_REPOSITORY")) {
    path = given;
  } else {
    path = own.emplace().path() / "repository";
    Repository::create(path);
  }
  Repository repository(path, Repository::Access::write);
  Pool pool(2);
  const std::atomic<bool> stop = false;
  EXPECT_EQ(pack_pending(repository, pool, stop).failed, 0u);
}

TEST_F(PackingCrash, AtAnyPointLeavesARepositoryThatIsWhole) {
  unsigned round = 0;
  for (const std::string point :
       {"pack.before_seal", "publish.before_sync", "publish.before_rename",
        "publish.before_folder_sync", "pack.after_seal", "packing.before_commit",
        "packing.after_commit"}) {
    SCOPED_TRACE(point);
    const Buffer bytes = weights(300'000, ++round);
    commit_files({{"model", bytes}}, point);
    repository_.reset();
    EXPECT_TRUE(pack_in_child(point)) << "the point was never passed";
    open();
    EXPECT_EQ(bytes_of(content_of(bytes)), bytes);
    expect_clean();
    for (const auto& entry : stdfs::directory_iterator(path() / "packs")) {
      EXPECT_EQ(entry.path().extension(), ".pack") << entry.path();
    }
    const Rebuilt rebuilt = rebuild_now();
    EXPECT_EQ(rebuilt.lost, std::vector<std::string>());
    pack();
    EXPECT_EQ(bytes_of(content_of(bytes)), bytes);
    expect_clean();
  }
}

}  // namespace
}  // namespace wfs
