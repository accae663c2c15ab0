#include "index/import.h"

#include <sys/stat.h>

#include "base/error.h"
#include "index/commit_rows.h"
#include "index/refs.h"
#include "index/report.h"
#include "index/working_rows.h"
#include "tests/index/example.h"

namespace wfs {
namespace {

const auto quiet = [](std::uint64_t) {};

class Import : public ExampleRepository {
 protected:
  stdfs::path source() const { return folder_.path() / "model"; }

  void put(const std::string& name, std::string_view text) {
    stdfs::create_directories((source() / name).parent_path());
    write_file(source() / name, as_bytes(text));
  }

  std::optional<Committed> import_it(const std::string& branch = "main",
                                     const std::string& end = "") {
    return import_folder(repository(), {source().native() + end, branch, "imported", "me"}, quiet);
  }

  // path -> text of the newest commit
  std::map<std::string, std::string> files(const CommitId& id) {
    const auto row =
        repository().catalog().read([&](Database& database) { return load_commit(database, id); });
    std::map<std::string, std::string> texts;
    for (const auto& [path, entry] : files_of(repository(), row.commit.tree)) {
      texts[path] = as_text(bytes_of(entry.content));
    }
    return texts;
  }

  Errc refused(const std::string& branch = "main") {
    try {
      import_it(branch);
    } catch (const Error& error) {
      return error.code();
    }
    ADD_FAILURE() << "was not refused";
    return Errc::io;
  }
};

using Files = std::map<std::string, std::string>;

TEST_F(Import, TheFolderAppearsUnderItsNameBesideWhatWasThere) {
  commit_files({{"other", weights(5, 1)}});
  put("config.json", "{}");
  put("sub/a", "a");
  const CommitId id = import_it()->id;
  const auto row =
      repository().catalog().read([&](Database& database) { return load_commit(database, id); });
  EXPECT_EQ(row.commit.message, "imported");
  EXPECT_EQ(row.commit.author, "me");
  const Files found = files(id);
  EXPECT_EQ(found.size(), 3u);
  EXPECT_EQ(found.at("model/sub/a"), "a");
  EXPECT_TRUE(found.contains("other"));
}

TEST_F(Import, ASecondImportMergesIntoTheFolder) {
  put("old", "1");
  put("same", "1");
  import_it();
  stdfs::remove(source() / "old");
  put("same", "2");
  put("new", "2");
  EXPECT_EQ(files(import_it()->id),
            (Files{{"model/old", "1"}, {"model/same", "2"}, {"model/new", "2"}}));
}

TEST_F(Import, WhatIsInTheFolderGoesIntoTheBranchWithADot) {
  put("a", "1");
  EXPECT_EQ(files(import_it("main", "/.")->id), (Files{{"a", "1"}}));
  EXPECT_EQ(files(import_it("main", "/")->id), (Files{{"a", "1"}, {"model/a", "1"}}));
}

TEST_F(Import, NothingNewGivesTheTip) {
  put("a", "1");
  const auto first = import_it();
  const auto second = import_it();
  EXPECT_TRUE(first->is_new);
  EXPECT_FALSE(second->is_new);
  EXPECT_EQ(first->id, second->id);
}

TEST_F(Import, TemporaryIgnoredAndSpecialFilesAreLeftOut) {
  commit_files(
      {{".weightfsignore", Buffer(as_bytes("*.log\n").begin(), as_bytes("*.log\n").end())}});
  put("a", "1");
  put(".tmpAbC123", "x");
  put("train.log", "x");
  ASSERT_EQ(::mkfifo((source() / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(files(import_it()->id), (Files{{".weightfsignore", "*.log\n"}, {"model/a", "1"}}));
}

TEST_F(Import, AFileReplacesAFolderOfItsName) {
  put("x/y", "1");
  import_it();
  stdfs::remove_all(source() / "x");
  put("x", "now a file");
  EXPECT_EQ(files(import_it()->id), (Files{{"model/x", "now a file"}}));
}

TEST_F(Import, WhatCannotBeImportedIsRefused) {
  EXPECT_EQ(refused(), Errc::not_found) << "no source";
  put("a", "1");
  EXPECT_EQ(refused("nosuch"), Errc::not_found);
  const CommitId id = import_it()->id;
  create_tag(repository(), "v1", id);
  EXPECT_EQ(refused("v1"), Errc::not_found) << "a tag is no branch";
}

TEST_F(Import, AFolderThatHoldsTheRepositoryIsRefused) {
  for (const auto& path : {folder_.path(), path(), path() / "packs"}) {
    try {
      import_folder(repository(), {path, "main", "", ""}, quiet);
      ADD_FAILURE() << path << " was imported";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Errc::invalid) << path;
    }
  }
}

TEST_F(Import, ChangesThatWereNotCommittedAreNotOverwritten) {
  put("a", "1");
  repository().catalog().write(Durability::now, [](Database& database) {
    NodeRow root;
    root.id = NodeId{1};
    root.kind = Kind::folder;
    put_node(database, "main", root);  // a root that equals no tree
  });
  EXPECT_EQ(refused(), Errc::busy);
}

TEST_F(Import, TheWorkingFolderStartsAgainFromTheNewTip) {
  put("a", "1");
  const CommitId first = import_it()->id;
  repository().catalog().write(Durability::now, [&](Database& database) {
    NodeRow root;
    root.id = NodeId{1};
    root.kind = Kind::folder;
    root.tree = load_commit(database, first).commit.tree;
    put_node(database, "main", root);
  });
  put("b", "2");
  import_it();
  EXPECT_TRUE(repository().catalog().read(
      [](Database& database) { return load_nodes(database, "main").empty(); }));
}

TEST_F(Import, StatsCountEveryCommitsFilesAndEachContentOnce) {
  put("a", "12345");
  import_it();
  put("b", "1234567");
  import_it();
  const Stats stats = stats_of(repository());
  EXPECT_EQ(stats.commits, 2u);
  EXPECT_EQ(stats.contents, 2u);
  EXPECT_EQ(stats.content_bytes, 12u);
  EXPECT_EQ(stats.logical_bytes, 5u + 12u);
  EXPECT_EQ(stats.staged_contents, 2u);
  pack();
  EXPECT_EQ(stats_of(repository()).staged_contents, 0u);
}

TEST_F(Import, ExplainTellsTheSameSegmentsBeforeAndAfterPacking) {
  const std::string header =
      R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"none":{"dtype":"I64","shape":[0],"data_offsets":[8,8]}})";
  std::string file(8, '\0');
  file[0] = static_cast<char>(header.size());
  const float numbers[2] = {1.5f, -2.0f};
  file += header + std::string(reinterpret_cast<const char*>(numbers), sizeof numbers);
  put("m.safetensors", file);
  import_it();
  const ContentId id{sha256(as_bytes(file))};
  const ContentReport before = explain(repository(), id);
  pack();
  const ContentReport after = explain(repository(), id);
  EXPECT_FALSE(before.packed);
  EXPECT_TRUE(after.packed);
  for (const ContentReport& report : {before, after}) {
    EXPECT_EQ(report.format, "safetensors");
    ASSERT_EQ(report.segments.size(), 3u);
    EXPECT_EQ(report.segments[1].name, "w");
    EXPECT_EQ(report.segments[1].dtype, "F32");
    EXPECT_EQ(report.segments[1].plain_bytes, 8u);
    EXPECT_EQ(report.segments[2].name, "none");
  }
  EXPECT_EQ(after.segments[1].blocks, 1u);
  EXPECT_NE(after.segments[1].health.find("-2.0"), std::string::npos) << after.segments[1].health;
}

}  // namespace
}  // namespace wfs
