#include "index/check.h"

#include <algorithm>

#include "base/error.h"
#include "index/commit_rows.h"
#include "index/content_rows.h"
#include "index/rebuild.h"
#include "tests/index/example.h"

namespace wfs {
namespace {

class CheckTest : public ExampleRepository {
 protected:
  CheckReport check_data() { return check(repository(), CheckDepth::data, nullptr); }

  stdfs::path the_pack() {
    for (const auto& entry : stdfs::directory_iterator(path() / "packs")) return entry.path();
    ADD_FAILURE() << "no pack";
    return {};
  }

  void flip(const stdfs::path& file, std::uint64_t at) {
    const Fd fd = open_file(file, O_RDWR);
    Buffer byte(1);
    read_exactly(fd, at, byte);
    byte[0] ^= std::byte{0x10};
    write_fully(fd, at, byte);
  }

  std::vector<std::string> history() {
    std::vector<std::string> ids;
    for (const auto& row : repository().catalog().read(
             [](Database& database) { return recent_commits(database, 0, 100); })) {
      ids.push_back(hex(row.id));
    }
    return ids;
  }
};

TEST_F(CheckTest, AWholeRepositoryIsClean) {
  commit_files({{"a", weights(700'000, 1)}, {"b", Buffer()}});
  EXPECT_TRUE(check_data().findings.empty());
  pack();
  const CheckReport report = check_data();
  EXPECT_TRUE(report.findings.empty());
  EXPECT_EQ(report.commits, 1u);
  EXPECT_EQ(report.contents, 2u);
  EXPECT_GT(report.bytes_read, 1'000'000u);
}

TEST_F(CheckTest, EveryFlippedByteOfAPackIsFoundAndNeverServed) {
  const Buffer model = weights(3000, 1);
  commit_files({{"model", model}}, "one");
  pack();
  const stdfs::path pack_path = the_pack();
  const std::uint64_t size = stdfs::file_size(pack_path);
  for (std::uint64_t at = 0; at < size; ++at) {
    flip(pack_path, at);
    open();
    EXPECT_FALSE(check_data().findings.empty()) << "byte " << at << " of " << size;
    try {
      EXPECT_EQ(bytes_of(content_of(model)), model) << "byte " << at;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Errc::corrupt) << error.what();
    }
    flip(pack_path, at);
  }
  open();
  EXPECT_TRUE(check_data().findings.empty());
}

TEST_F(CheckTest, DamageNamesTheFilesItTakes) {
  commit_files({{"good", weights(500'000, 1)}, {"model", weights(500'000, 2)}});
  pack();
  const auto map = repository().catalog().read([&](Database& database) {
    return load_segment_map(database, content_of(weights(500'000, 2)));
  });
  flip(the_pack(), map.blocks().front().offset + 100);
  open();
  const CheckReport report = check_data();
  const auto content = std::find_if(report.findings.begin(), report.findings.end(),
                                    [](const Finding& f) { return f.object == "content"; });
  ASSERT_NE(content, report.findings.end());
  ASSERT_EQ(content->paths.size(), 1u);
  EXPECT_TRUE(content->paths[0].ends_with(":model")) << content->paths[0];
  EXPECT_EQ(bytes_of(content_of(weights(500'000, 1))), weights(500'000, 1));
}

TEST_F(CheckTest, AMissingPackIsFound) {
  commit_files({{"model", weights(5000, 1)}});
  pack();
  stdfs::remove(the_pack());
  open();
  EXPECT_FALSE(check(repository(), CheckDepth::structure, nullptr).findings.empty());
  EXPECT_THROW(bytes_of(content_of(weights(5000, 1))), Error);
}

TEST_F(CheckTest, AMissingPackNamesTheFilesItTakesWithoutReadingData) {
  commit_files({{"lost", weights(500'000, 1)}});
  pack();
  const stdfs::path first = the_pack();
  commit_files({{"kept", weights(500'000, 2)}, {"lost", weights(500'000, 1)}});
  pack();
  stdfs::remove(first);
  open();
  const CheckReport report = check(repository(), CheckDepth::structure, nullptr);
  ASSERT_EQ(report.findings.size(), 2u);
  for (const Finding& finding : report.findings) {
    EXPECT_EQ(finding.paths, (std::vector<std::string>{"main:lost", history()[1].substr(0, 12) + ":lost"}))
        << finding.object;
  }
}

TEST_F(CheckTest, BlocksThatAreNotWhereTheIndexSaysAreOneFindingWithPaths) {
  commit_files({{"model", weights(500'000, 1)}});
  pack();
  repository().catalog().write(Durability::now, [](Database& database) {
    database.run("UPDATE blocks SET offset = offset + 1");
  });
  const CheckReport report = check(repository(), CheckDepth::structure, nullptr);
  ASSERT_EQ(report.findings.size(), 2u);
  EXPECT_EQ(report.findings[0].object, "pack");
  EXPECT_EQ(report.findings[0].paths, std::vector<std::string>{"main:model"});
  EXPECT_EQ(report.findings[1].object, "content");
}

TEST_F(CheckTest, RowsThatAreWrongAreFindingsAndEndNothing) {
  struct Case {
    const char* change;
    const char* object;
  };
  commit_files({{"model", weights(5000, 1)}});
  pack();
  commit_files({{"model", weights(5000, 2)}, {"other", weights(5000, 3)}});
  repository_.reset();
  const Buffer whole = read_file(path() / "index.sqlite");
  for (const Case& one : {
           Case{"UPDATE commits SET record = x'00' WHERE number = 1", "commit"},
           Case{"UPDATE commits SET record = CAST(record || x'00' AS BLOB) WHERE number = 2", "commit"},
           Case{"DELETE FROM commits WHERE number = 1", "commit"},
           Case{"DELETE FROM commits WHERE number = 2", "ref"},
           Case{"UPDATE refs SET tip = x'0102'", "index"},
           Case{"UPDATE trees SET record = x'01'", "tree"},
           Case{"DELETE FROM trees", "commit"},
           Case{"DELETE FROM contents WHERE staged = 0", "content"},
           Case{"UPDATE contents SET size = size + 1 WHERE staged = 0", "content"},
           Case{"UPDATE contents SET map = x'0102' WHERE staged = 0", "content"},
           Case{"UPDATE contents SET id = x'01' WHERE staged = 0", "index"},
           Case{"UPDATE contents SET staged = 99 WHERE staged <> 0", "staged"},
           Case{"DELETE FROM staged", "staged"},
           Case{"UPDATE packs SET size = size + 1", "pack"},
           Case{"PRAGMA foreign_keys = OFF; DELETE FROM packs", "pack"},
           Case{"PRAGMA foreign_keys = OFF; DELETE FROM blocks", "block"},
           Case{"UPDATE blocks SET plain_length = 9999999", "pack"}}) {
    SCOPED_TRACE(one.change);
    write_file(path() / "index.sqlite", whole);
    Database(path() / "index.sqlite", Database::Access::write).run(one.change);
    Repository damaged(path(), Repository::Access::read);
    const auto findings = check(damaged, CheckDepth::data, nullptr).findings;
    EXPECT_TRUE(std::any_of(findings.begin(), findings.end(), [&](const Finding& finding) {
      return finding.object == one.object;
    })) << (findings.empty() ? "nothing" : findings[0].object + ": " + findings[0].what);
  }
}

TEST_F(CheckTest, AnIndexOfWhichPagesAreNoiseIsAFinding) {
  for (unsigned i = 0; i < 20; ++i) commit_files({{"model", weights(5000, i)}});
  pack();
  repository_.reset();
  const Fd index = open_file(path() / "index.sqlite", O_RDWR);
  const std::uint64_t size = size_of(index);
  for (std::uint64_t at = 8192; at + 4096 <= size; at += 3 * 4096) {
    write_fully(index, at, Buffer(4096, std::byte{0xa5}));
  }
  try {
    Repository damaged(path(), Repository::Access::read);
    const auto findings = check(damaged, CheckDepth::data, nullptr).findings;
    EXPECT_TRUE(std::any_of(findings.begin(), findings.end(),
                            [](const Finding& finding) { return finding.object == "index"; }));
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::corrupt) << "it cannot even be opened: " << error.what();
  }
}

TEST_F(CheckTest, AStagedFileThatIsShorterThanItsRowIsFoundWithoutReadingData) {
  commit_files({{"model", weights(5000, 1)}});
  repository_.reset();
  stdfs::resize_file(path() / "staging" / "1", 4000);
  open();
  const CheckReport report = check(repository(), CheckDepth::structure, nullptr);
  ASSERT_EQ(report.findings.size(), 1u);
  EXPECT_EQ(report.findings[0].object, "staged");
  EXPECT_EQ(report.findings[0].paths, std::vector<std::string>{"main:model"});
}

TEST_F(CheckTest, ProgressEndsAtItsTotal) {
  commit_files({{"model", weights(500'000, 1)}, {"other", weights(5000, 2)}});
  pack();
  for (const CheckDepth depth : {CheckDepth::structure, CheckDepth::data}) {
    std::uint64_t last = 0;
    std::uint64_t all = 0;
    check(repository(), depth, [&](std::uint64_t done, std::uint64_t total) {
      EXPECT_GE(done, last);
      EXPECT_LE(done, total);
      last = done;
      all = total;
    });
    EXPECT_EQ(last, all);
    EXPECT_GT(all, 0u);
  }
}

TEST_F(CheckTest, RebuildWithoutAnIndexGivesBackEveryCommit) {
  for (int i = 0; i < 4; ++i) {
    commit_files({{"model", weights(400'000, static_cast<std::uint64_t>(i))}});
    if (i % 2 == 1) pack();
  }
  const auto before = history();
  repository_.reset();
  for (const char* suffix : {"", "-wal", "-shm"}) {
    stdfs::remove(path() / (std::string("index.sqlite") + suffix));
  }
  const Rebuilt rebuilt = rebuild(path(), nullptr);
  EXPECT_TRUE(rebuilt.lost.empty());
  EXPECT_EQ(rebuilt.commits, 4u);
  open();
  EXPECT_EQ(history(), before);
  EXPECT_TRUE(check_data().findings.empty());
  EXPECT_EQ(bytes_of(content_of(weights(400'000, 3))), weights(400'000, 3));
  const auto tip = repository().catalog().read(
      [](Database& database) { return find_ref(database, "main")->tip; });
  EXPECT_EQ(hex(*tip), before.front());
}

TEST_F(CheckTest, RebuildCarriesOverWhatPacksDoNotHold) {
  commit_files({{"model", weights(400'000, 1)}});
  pack();
  commit_files({{"model", weights(400'000, 2)}});
  const auto before = history();
  repository_.reset();
  const Rebuilt rebuilt = rebuild(path(), nullptr);
  EXPECT_TRUE(rebuilt.lost.empty()) << rebuilt.lost.front();
  open();
  EXPECT_EQ(history(), before);
  EXPECT_EQ(bytes_of(content_of(weights(400'000, 2))), weights(400'000, 2));
  EXPECT_TRUE(check_data().findings.empty());
}

TEST_F(CheckTest, RebuildOfADamagedPackKeepsWhatIsReadable) {
  commit_files({{"model", weights(400'000, 1)}});
  pack();
  const stdfs::path first = the_pack();
  commit_files({{"model", weights(400'000, 2)}});
  pack();
  const auto before = history();
  repository_.reset();
  // The trailer of the first pack: its records are found one by one.
  stdfs::resize_file(first, stdfs::file_size(first) - 10);
  for (const char* suffix : {"", "-wal", "-shm"}) {
    stdfs::remove(path() / (std::string("index.sqlite") + suffix));
  }
  const Rebuilt rebuilt = rebuild(path(), nullptr);
  EXPECT_EQ(rebuilt.lost.size(), 1u);
  open();
  EXPECT_EQ(history(), before);
  EXPECT_EQ(bytes_of(content_of(weights(400'000, 1))), weights(400'000, 1));
}

}  // namespace
}  // namespace wfs
