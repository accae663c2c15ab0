// What mountctl refuses: the exit status, and a message with the path and the next step.
#include "tests/mountctl/command.h"

namespace wfs {
namespace {

using BadInput = CommandOnRepository;

const std::vector<std::string> verbs = {
    "init",  "mount",   "umount", "status", "commit", "log",     "show",   "branch", "tag",
    "check", "rebuild", "import", "export", "stats",  "explain", "doctor", "version",
    "warm"};

TEST_F(BadInput, EveryVerbHasHelpWithAnExampleAndTheExitStatuses) {
  const Finished all = run({"--help"});
  EXPECT_EQ(all.status, 0);
  for (const std::string& verb : verbs) {
    EXPECT_TRUE(contains(all.out, "  " + verb)) << verb;
    const Finished help = run({verb, "--help"});
    EXPECT_EQ(help.status, 0) << verb;
    EXPECT_TRUE(contains(help.out, "Example:\n  mountctl " + verb)) << help.out;
    EXPECT_TRUE(contains(help.out, "12 integrity error")) << help.out;
    EXPECT_TRUE(contains(help.out, "--json") && contains(help.out, "--quiet")) << help.out;
    EXPECT_EQ(run({"help", verb}).out, help.out);
  }
}

TEST_F(BadInput, UsageErrors) {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{},
                                             {"nosuchverb"},
                                             {"log", "--nosuchoption"},
                                             {"commit"},
                                             {"mount"},
                                             {"mount", "one"},
                                             {"init", "a", "b"},
                                             {"mount", "a", "b", "--capture", "sometimes"},
                                             {"mount", "a", "b", "--settle", "-1"},
                                             {"mount", "a", "b", "--log", "loud"},
                                             {"log", "-n", "many"},
                                             {"log", "-n", "0"},
                                             {"show"},
                                             {"export", "main"},
                                             {"umount"},
                                             {"init"},
                                             {"branch", "x", "--delete", "--from", "main"}}) {
    SCOPED_TRACE(words.empty() ? "" : words.front());
    refuses(run(words), 2);
  }
  EXPECT_FALSE(stdfs::exists(root() / "a"));
}

TEST_F(BadInput, NoRepositoryThere) {
  const std::string absent = (root() / "absent").native();
  stdfs::create_directory(root() / "folder");
  put("folder/file", "something else");
  for (const std::string& path :
       {absent, (root() / "folder").native(), (root() / "folder/file").native()}) {
    for (const std::vector<std::string>& words :
         std::vector<std::vector<std::string>>{{"log"},
                                               {"status"},
                                               {"commit", "-m", "x"},
                                               {"check"},
                                               {"stats"},
                                               {"branch"},
                                               {"tag"},
                                               {"show", "main"},
                                               {"rebuild"},
                                               {"export", "main", "out"},
                                               {"explain", "main:x"},
                                               {"doctor"}}) {
      auto whole = words;
      whole.insert(whole.begin() + 1, {"-r", path});
      SCOPED_TRACE(words.front());
      refuses(run(whole), 10, {path, "init"});
    }
    refuses(run({"mount", path, (root() / "folder").native()}), 10, {path});
  }
  EXPECT_FALSE(stdfs::exists(absent));
}

TEST_F(BadInput, InitWhereSomethingIs) {
  refuses(run({"init", repository().native()}), 1, {repository().native()});
  put("full/x", "x");
  refuses(run({"init", (root() / "full").native()}), 1, {(root() / "full").native()});
  refuses(run({"init", (root() / "full/x").native()}), 1, {(root() / "full/x").native()});
  stdfs::create_directory(root() / "empty");
  EXPECT_EQ(run({"init", (root() / "empty").native()}).status, 0);
}

TEST_F(BadInput, ANewerFormatIsRefused) {
  const std::string config = text_of(repository() / "config.json");
  auto json = nlohmann::json::parse(config);
  for (auto& [key, value] : json.items()) {
    if (contains(key, "format") || contains(key, "version")) value = 999;
  }
  std::ofstream(repository() / "config.json") << json;
  refuses(on("log"), 1, {"newer", "999", repository().native()});
  std::ofstream(repository() / "config.json") << "{not json";
  const Finished broken = on("log");
  EXPECT_NE(broken.status, 0);
  EXPECT_TRUE(contains(broken.err, "config.json")) << broken.err;
}

TEST_F(BadInput, AGarbledIndexIsAnIntegrityErrorThatRebuildHeals) {
  std::ofstream(repository() / "index.sqlite") << std::string(40'000, 'x');
  refuses(on("log"), 12, {"rebuild", repository().native()});
  ok("rebuild");
  ok("check");
}

TEST_F(BadInput, MountPointsThatCannotBe) {
  const auto mount = [&](const stdfs::path& at) {
    return run({"mount", repository().native(), at.native()});
  };
  refuses(mount(root() / "absent"), 1, {(root() / "absent").native(), "mkdir"});
  put("file", "x");
  refuses(mount(root() / "file"), 1, {(root() / "file").native()});
  refuses(mount(root() / "model"), 1, {(root() / "model").native(), "empty"});
  refuses(mount("/proc"), 1, {"/proc"});
}

TEST_F(BadInput, UnmountingWhatIsNotMounted) {
  for (const char* name : {"model", "absent", "model/config.json"}) {
    refuses(run({"umount", (root() / name).native()}), 13, {(root() / name).native()});
  }
  refuses(run({"umount", "/proc"}), 13, {"/proc"});
}

TEST_F(BadInput, CommitNeedsTheMount) {
  refuses(on("commit", {"-m", "x"}), 13, {repository().native(), "mountctl mount"});
}

TEST_F(BadInput, UnknownRevisionsAreToldWithTheirText) {
  for (const std::string name :
       {"nosuch", "main~99", "@@", "ffffffffffff", "main@{not.a.time}", ""}) {
    refuses(on("show", {name}), 1, {name});
    refuses(on("export", {name, (root() / "out").native()}), 1, {name});
    refuses(on("branch", {"new", "--from", name}), 1, {name});
    refuses(on("tag", {"t", name}), 1, {name});
    refuses(on("log", {name}), 1, {name});
  }
  refuses(on("show", {"main:absent/path"}), 1, {"absent/path"});
  refuses(on("explain", {"main:absent"}), 1, {"absent"});
  refuses(on("explain", {"main:model"}), 1, {"main:model"});
  refuses(on("explain", {"absent"}), 1, {"absent"});
  EXPECT_FALSE(stdfs::exists(root() / "out"));
  EXPECT_EQ(ok("branch").out, "main\n");
}

TEST_F(BadInput, AFileThatIsNotStoredIsToldSo) {
  put("elsewhere", "never imported");
  refuses(on("explain", {(root() / "elsewhere").native()}), 1, {(root() / "elsewhere").native()});
}

TEST_F(BadInput, NamesThatNoBranchOrTagCanHave) {
  for (const std::string& name :
       {std::string(), std::string("."), std::string(".."), std::string("a/b"), std::string("@x"),
        std::string("-x"), std::string(".weightfs"), std::string("with~tilde"),
        std::string(256, 'a'), std::string("new\nline"), std::string("x.lock@{1}")}) {
    refuses(on("branch", {"--", name}), 1);
    refuses(on("tag", {"--", name}), 1);
  }
}

TEST_F(BadInput, ImportOfWhatIsNotThere) {
  refuses(on("import", {(root() / "absent").native()}), 1, {(root() / "absent").native()});
  refuses(on("import", {(root() / "model").native(), "-b", "nosuch"}), 1, {"nosuch"});
  refuses(on("import", {root().native()}), 1, {repository().native()});
}

}  // namespace
}  // namespace wfs
