#include "index/completeness.h"

#include <gtest/gtest.h>

#include <map>

namespace wfs {
namespace {

using Files = std::vector<std::pair<std::string, std::int64_t>>;  // name, mtime

struct Case {
  const char* name;
  Files files;
  bool complete;
  Files before = {};  // of the last complete commit
};

TreeEntry file(const std::string& name, std::int64_t mtime) {
  TreeEntry entry;
  entry.name = name;
  entry.mtime_ns = mtime;
  entry.content.digest.bytes[0] = static_cast<std::byte>(mtime);
  return entry;
}

Tree tree_of(const Files& files) {
  Tree tree;
  const std::map<std::string, std::int64_t> sorted(files.begin(), files.end());
  for (const auto& [name, mtime] : sorted) tree.entries.push_back(file(name, mtime));
  return tree;
}

bool complete(const Case& given) {
  const Tree before = tree_of(given.before);
  return is_complete(
      tree_of(given.files), given.before.empty() ? nullptr : &before,
      [](const TreeId&) { return Tree(); },
      [](const TreeEntry&) -> std::optional<std::string> {
        return R"({"weight_map":{"a":"model-00001-of-00002.safetensors",)"
               R"("b":"model-00002-of-00002.safetensors"}})";
      });
}

TEST(Completeness, FoldersAsWritersLeaveThem) {
  const std::vector<Case> cases = {
      {"no model at all", {{"README.md", 1}}, false},
      {"model and config", {{"model.safetensors", 1}, {"config.json", 1}}, true},
      {"model without config", {{"model.safetensors", 1}}, false},
      {"adapter", {{"adapter_model.safetensors", 1}, {"adapter_config.json", 1}}, true},
      {"one file for itself", {{"weights.safetensors", 1}}, true},
      {"gguf", {{"m.gguf", 1}}, true},
      {"one shard", {{"model-00001-of-00002.safetensors", 1}, {"config.json", 1}}, false},
      {"shards without index",
       {{"model-00001-of-00002.safetensors", 1}, {"model-00002-of-00002.safetensors", 1}},
       false},
      {"index and one shard",
       {{"model-00001-of-00002.safetensors", 1}, {"model.safetensors.index.json", 1}},
       false},
      {"index and all shards",
       {{"model-00001-of-00002.safetensors", 1},
        {"model-00002-of-00002.safetensors", 1},
        {"model.safetensors.index.json", 1}},
       true},
      {"trainer finished", {{"model.safetensors", 1}, {"trainer_state.json", 2}}, true},
      {"trainer rewrites the model", {{"model.safetensors", 3}, {"trainer_state.json", 2}}, false},
      {"dcp without metadata", {{"__0_0.distcp", 1}}, false},
      {"dcp", {{"__0_0.distcp", 1}, {".metadata", 2}}, true},
  };
  for (const Case& given : cases) EXPECT_EQ(complete(given), given.complete) << given.name;
}

TEST(Completeness, ASaveOverACompleteOneIsWholeAtItsEnd) {
  const std::string one = "model-00001-of-00002.safetensors";
  const std::string two = "model-00002-of-00002.safetensors";
  const std::string index = "model.safetensors.index.json";
  const Files sharded = {{one, 1}, {two, 1}, {index, 2}};
  const Files dcp = {{"__0_0.distcp", 1}, {"__1_0.distcp", 1}, {".metadata", 2}};
  const std::vector<Case> cases = {
      {"nothing changed", sharded, true, sharded},
      {"another file changed", {{one, 1}, {two, 1}, {index, 2}, {"README.md", 9}}, true, sharded},
      {"a new shard beside an old one", {{one, 3}, {two, 1}, {index, 2}}, false, sharded},
      {"all shards new", {{one, 3}, {two, 3}, {index, 2}}, true, sharded},
      {"the index too", {{one, 3}, {two, 3}, {index, 4}}, true, sharded},
      {"one shard, and the index again", {{one, 3}, {two, 1}, {index, 4}}, true, sharded},
      {"one rank done", {{"__0_0.distcp", 3}, {"__1_0.distcp", 1}, {".metadata", 2}}, false, dcp},
      {"both ranks done", {{"__0_0.distcp", 3}, {"__1_0.distcp", 3}, {".metadata", 2}}, false, dcp},
      {"renamed in", {{"__0_0.distcp", 3}, {"__1_0.distcp", 3}, {".metadata", 4}}, true, dcp},
  };
  for (const Case& given : cases) EXPECT_EQ(complete(given), given.complete) << given.name;
}

TEST(Completeness, MetricsAreTheNewestOfEachName) {
  EXPECT_EQ(metrics_of_trainer_state("[1]"), "");
  EXPECT_EQ(metrics_of_trainer_state("{"), "");
  EXPECT_EQ(metrics_of_trainer_state(
                R"({"global_step":20,"epoch":1.5,"log_history":[{"loss":3,"step":10},)"
                R"({"loss":2,"step":20},{"eval_loss":2.5,"note":"x"}]})"),
            R"({"epoch":1.5,"eval_loss":2.5,"loss":2,"step":20})");
}

}  // namespace
}  // namespace wfs
