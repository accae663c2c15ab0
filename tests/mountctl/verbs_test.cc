// What each verb does on a repository that is not mounted.
#include "tests/mountctl/command.h"

namespace wfs {
namespace {

using Verbs = CommandOnRepository;

TEST_F(Verbs, ImportPrintsTheIdAndLogListsIt) {
  EXPECT_EQ(first_.size(), 40u);
  put("model/sub/notes", "other words");
  const std::string second = import_model("second");
  const auto lines = ok("log", {"--json"}).lines();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0]["id"], second);
  EXPECT_EQ(lines[0]["parents"], nlohmann::json::array({first_}));
  EXPECT_EQ(lines[0]["message"], "second");
  EXPECT_EQ(lines[0]["branch"], "main");
  for (const char* key : {"author", "time", "complete", "writer", "metrics"}) {
    EXPECT_TRUE(lines[0].contains(key)) << key;
  }
  EXPECT_EQ(ok("log", {"-n", "1", "--json"}).lines().size(), 1u);
  EXPECT_EQ(ok("log", {"main~1", "--json"}).lines()[0]["id"], first_);
  EXPECT_TRUE(contains(ok("log").out, second.substr(0, 12) + "  "));
}

TEST_F(Verbs, ImportOfNothingNewPrintsTheTip) {
  const Finished again = ok("import", {(root() / "model").native()});
  EXPECT_EQ(again.line(), first_);
  EXPECT_TRUE(contains(again.err, "nothing to commit"));
}

TEST_F(Verbs, ShowOfACommitListsItsFiles) {
  const std::string text = ok("show", {"main"}).out;
  for (const char* part : {first_.c_str(), "first", "model/config.json", "model/sub/notes"}) {
    EXPECT_TRUE(contains(text, part)) << part << " in " << text;
  }
  const auto json = ok("show", {"latest", "--json"}).lines().at(0);
  EXPECT_EQ(json["id"], first_);
  EXPECT_EQ(json["files"][0]["path"], "model/config.json");
  EXPECT_EQ(json["files"][0]["size"], 2);
}

TEST_F(Verbs, ShowOfAFileWritesItAndOfAFolderListsIt) {
  EXPECT_EQ(ok("show", {first_ + ":model/sub/notes"}).out, "some words");
  EXPECT_EQ(ok("show", {"main@{now}:/model/./sub//notes"}).out, "some words");
  EXPECT_TRUE(contains(ok("show", {"main:model"}).out, "sub/notes"));
  EXPECT_EQ(ok("show", {"main:", "--json"}).lines().at(0)["files"].size(), 2u);
}

TEST_F(Verbs, ShowOfAModelFileListsItsTensors) {
  const std::string header = R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  std::string file(8, '\0');
  file[0] = static_cast<char>(header.size());
  put("model/model.safetensors", file + header + std::string(8, '\0'));
  import_model("with tensors");
  const std::string shown = ok("show", {"main:model/model.safetensors"}).out;
  EXPECT_TRUE(contains(shown, "safetensors") && contains(shown, "F32")) << shown;
  for (const std::string& what : {std::string("main:model/model.safetensors"),
                                  (root() / "model/model.safetensors").native()}) {
    EXPECT_TRUE(contains(ok("explain", {what}).out, "fill")) << what;
    const auto json = ok("explain", {what, "--json"}).lines().at(0);
    EXPECT_EQ(json["format"], "safetensors");
    EXPECT_EQ(json["segments"][1]["tensor"], "w");
  }
}

TEST_F(Verbs, BranchesAreListedMadeAndDeleted) {
  ok("branch", {"copy", "--from", "main"});
  ok("branch", {"hollow"});
  EXPECT_EQ(ok("branch").out, "copy\nhollow\nmain\n");
  const auto lines = ok("branch", {"--json"}).lines();
  EXPECT_EQ(lines[0]["tip"], first_);
  EXPECT_EQ(lines[1]["tip"], "");
  ok("branch", {"--delete", "copy"});
  ok("branch", {"hollow", "--delete"});
  EXPECT_EQ(ok("branch").out, "main\n");
  refuses(on("branch", {"--delete", "main"}), 1, {"main", "last"});
  refuses(on("branch", {"--delete", "nosuch"}), 1, {"nosuch"});
  refuses(on("branch", {"--delete"}), 2);
  EXPECT_EQ(ok("log", {first_, "--json"}).lines().size(), 1u) << "commits stay";
}

TEST_F(Verbs, TagsAreListedMadeAndDeletedAndNeverMove) {
  put("model/config.json", "{\"n\": 2}");
  import_model("second");
  ok("tag", {"v1", "main~1"});
  ok("tag", {"newest"});
  EXPECT_TRUE(contains(ok("tag").out, "v1  " + first_.substr(0, 12)));
  EXPECT_EQ(ok("tag", {"--json"}).lines().at(1)["tip"], first_);
  EXPECT_EQ(ok("show", {"v1", "--json"}).lines().at(0)["id"], first_);
  refuses(on("tag", {"v1", "main"}), 1, {"v1"});
  refuses(on("branch", {"v1"}), 1, {"v1"});
  ok("tag", {"-d", "v1"});
  refuses(on("show", {"v1"}), 1, {"v1"});
}

TEST_F(Verbs, ABranchMayHaveTheNameOfAVerb) {
  ok("branch", {"log"});
  EXPECT_TRUE(contains(ok("branch").out, "log\n"));
}

TEST_F(Verbs, ExportWritesWhatWasImported) {
  ok("export", {"main", (root() / "out").native()});
  EXPECT_EQ(text_of(root() / "out/model/sub/notes"), "some words");
  refuses(on("export", {"main", (root() / "out").native()}), 1, {(root() / "out").native()});
  const auto json = ok("export", {"main", (root() / "out2").native(), "--json"}).lines().at(0);
  EXPECT_EQ(json["files"], 2);
  EXPECT_EQ(json["commit"], first_);
}

TEST_F(Verbs, StatsAndStatusCount) {
  const auto stats = ok("stats", {"--json"}).lines().at(0);
  EXPECT_EQ(stats["commits"], 1);
  EXPECT_EQ(stats["contents"], 2);
  EXPECT_EQ(stats["deltas"], 0);
  EXPECT_EQ(stats["logical_bytes"], 12);
  for (const char* key :
       {"branches", "tags", "blocks", "deltas", "packs", "content_bytes", "stored_bytes",
        "staged_bytes"}) {
    EXPECT_TRUE(stats.contains(key)) << key;
  }
  const auto status = ok("status", {"--json", "--wait"}).lines().at(0);
  EXPECT_EQ(status["mounted"], false);
  EXPECT_EQ(status["pending_commits"], 0);
  EXPECT_EQ(status["staged_contents"], 0);
  EXPECT_EQ(status["branches"][0]["tip"], first_);
  EXPECT_TRUE(contains(ok("status").out, "nowhere"));
  const std::string text = ok("stats").out;
  EXPECT_TRUE(contains(text, "commits"));
  EXPECT_TRUE(contains(text, "0 of them deltas")) << text;
}

TEST_F(Verbs, CheckIsCleanAndFailsOnAFlippedByte) {
  EXPECT_EQ(ok("check", {"--data", "--json"}).lines().back()["ok"], true);
  for (const auto& pack : stdfs::directory_iterator(repository() / "packs")) {
    stdfs::permissions(pack.path(), stdfs::perms::owner_all);
    std::string bytes = text_of(pack.path());
    bytes[bytes.size() / 4] = static_cast<char>(bytes[bytes.size() / 4] ^ 1);
    std::ofstream(pack.path()) << bytes;
  }
  const Finished text = on("check", {"--data"});
  EXPECT_EQ(text.status, 12) << text.out;
  EXPECT_FALSE(text.out.empty());
  const Finished json = on("check", {"--data", "--json"});
  EXPECT_EQ(json.status, 12);
  EXPECT_EQ(json.lines().back()["ok"], false);
  EXPECT_TRUE(json.lines().front().contains("object")) << json.out;
}

TEST_F(Verbs, RebuildBringsTheCommitsBack) {
  for (const char* suffix : {"", "-wal", "-shm"}) {
    stdfs::remove(repository() / (std::string("index.sqlite") + suffix));
  }
  refuses(on("log"), 1, {"rebuild", repository().native()});
  ok("rebuild");
  EXPECT_EQ(ok("log", {"main", "--json"}).lines().at(0)["id"], first_);
  ok("check", {"--data"});
}

TEST_F(Verbs, QuietSaysNothingAndPrintsData) {
  EXPECT_EQ(ok("branch", {"b", "-q"}).err, "");
  EXPECT_EQ(ok("check", {"--quiet"}).err, "");
  EXPECT_EQ(ok("branch", {"-q"}).out, "b\nmain\n");
}

TEST_F(Verbs, TheRepositoryIsFoundFromTheFolderAndTheEnvironment) {
  EXPECT_EQ(run_in(repository() / "packs", {"log", "--json"}).lines().size(), 1u);
  ::setenv("WEIGHTFS_REPOSITORY", repository().c_str(), 1);
  EXPECT_EQ(run({"log", "--json"}).lines().size(), 1u);
  ::unsetenv("WEIGHTFS_REPOSITORY");
  refuses(run({"log"}), 10, {"-r"});
}

TEST_F(Verbs, DoctorLooksAtTheRepositoryAndVersionIsPrinted) {
  const Finished doctor = on("doctor", {"--json"});
  EXPECT_TRUE(doctor.status == 0 || doctor.status == 1) << "without /dev/fuse there is trouble";
  bool saw_repository = false;
  for (const auto& line : doctor.lines()) {
    saw_repository = saw_repository || line["text"] == repository().native();
  }
  EXPECT_TRUE(saw_repository) << doctor.out;
  EXPECT_TRUE(contains(run({"version"}).out, "weightfs"));
  EXPECT_TRUE(run({"version", "--json"}).lines().at(0).contains("version"));
}

}  // namespace
}  // namespace wfs
