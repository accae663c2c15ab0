#include "index/completeness.h"

#include <gtest/gtest.h>

#include <map>

namespace wfs {
namespace {

struct Case {
  const char* name;
  std::vector<std::pair<std::string, std::int64_t>> files;  // name, mtime
  bool complete;
};

TreeEntry file(const std::string& name, std::int64_t mtime) {
  TreeEntry entry;
  entry.name = name;
  entry.mtime_ns = mtime;
  return entry;
}

bool complete(const Case& given) {
  Tree tree;
  std::map<std::string, std::int64_t> sorted(given.files.begin(), given.files.end());
  for (const auto& [name, mtime] : sorted) tree.entries.push_back(file(name, mtime));
  return is_complete(
      tree, [](const TreeId&) { return Tree(); },
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
      {"dcp, one rank of the next save done",
       {{"__0_0.distcp", 3}, {"__1_0.distcp", 1}, {".metadata", 2}},
       false},
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
