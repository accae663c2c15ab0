#include "index/base_picker.h"

#include "index/rebuild.h"
#include "tests/index/trained.h"

namespace wfs {
namespace {

using BasePickerTest = TrainingRepository;

constexpr std::size_t weights_count = 1200 * 256;

TEST_F(BasePickerTest, ATensorTakesTheOneOfTheSamePathInTheCommitBefore) {
  const Values first = random_values(weights_count, 1), second = drifted(first, 2);
  const std::map<std::string, Buffer> files{{"model.safetensors", model_bf16(first)}};
  commit_paths(files);
  pack();
  const std::map<std::string, Buffer> later{{"model.safetensors", model_bf16(second)}};
  commit_paths(later);
  const Packed packed = pack();
  expect_bases(later.at("model.safetensors"), BaseReason::parent);
  EXPECT_LT(packed.stored_bytes, packed.plain_bytes * 45 / 100);
  expect_bytes(files);
  expect_bytes(later);
}

TEST_F(BasePickerTest, ACheckpointTakesTheOneBeforeItAlsoInsideOfItsFolder) {
  const Values first = random_values(weights_count, 1), second = drifted(first, 2);
  struct Case {
    const char* before;
    const char* after;
  };
  unsigned seed = 10;
  for (const Case& paths : {Case{"run/checkpoint-900/model.safetensors", "run/checkpoint-1000/model.safetensors"},
                            Case{"step_1/global_step1/a.safetensors", "step_2/global_step2/a.safetensors"},
                            Case{"epoch=1-step=15.safetensors", "epoch=2-step=3.safetensors"}}) {
    const Values own = drifted(first, ++seed, 0.5F), next = drifted(own, ++seed);
    const std::map<std::string, Buffer> files{{paths.before, model_bf16(own)}};
    commit_paths(files);
    pack();
    const std::map<std::string, Buffer> later{{paths.before, model_bf16(own)}, {paths.after, model_bf16(next)}};
    commit_paths(later);
    pack();
    expect_bases(later.at(paths.after), BaseReason::sibling);
    expect_bytes(later);
  }
}

TEST_F(BasePickerTest, ACheckpointThatReplacesTheOneBeforeItTakesItFromTheParent) {
  const Values first = random_values(weights_count, 1), second = drifted(first, 2);
  commit_paths({{"checkpoint-1/model.safetensors", model_bf16(first)}});
  pack();
  const std::map<std::string, Buffer> later{{"checkpoint-2/model.safetensors", model_bf16(second)}};
  commit_paths(later);
  pack();
  expect_bases(later.at("checkpoint-2/model.safetensors"), BaseReason::sibling);
  expect_bytes(later);
}

TEST_F(BasePickerTest, TwelveCheckpointsOfOneCommitAreBasedOnOneAnother) {
  std::map<std::string, Buffer> files;
  Values values = random_values(weights_count, 1);
  for (unsigned i = 1; i <= 12; ++i) {
    values = drifted(values, i);
    files[cat("run/checkpoint-", 100 * i, "/model.safetensors")] = model_bf16(values);
  }
  commit_paths(files);
  const Packed packed = pack();
  EXPECT_EQ(packed.contents, 12u);
  for (const auto& [path, bytes] : files) {
    if (path == "run/checkpoint-100/model.safetensors") continue;
    SCOPED_TRACE(path);
    expect_bases(bytes, BaseReason::sibling);
    for (const BlockRef& block : tensor_blocks(bytes)) EXPECT_LE(block.depth, 3);
  }
  expect_bytes(files);
  open();
  expect_bytes(files);
  expect_sound();
}

TEST_F(BasePickerTest, ATensorThatMovedToAnotherFileTakesTheOneOfItsName) {
  // Too short for a sketch: nothing but the name leads there.
  const Values first = random_values(8192, 1), second = drifted(first, 2);
  const Values other = random_values(8192, 3), filler = random_values(8192, 4);
  const auto tensor = [](const char* name, const Values& values) {
    return FileTensor{name, "F32", {values.size() / 256, 256}, as_f32(values)};
  };
  commit_paths({{"all.safetensors", safetensors({tensor("a", first), tensor("b", other), tensor("c", filler)})}});
  pack();
  const std::map<std::string, Buffer> later{{"part.safetensors", safetensors({tensor("a", second), tensor("x", filler)})}};
  commit_paths(later);
  pack();
  expect_bases(later.at("part.safetensors"), BaseReason::name, 0);
  expect_bytes(later);
}

TEST_F(BasePickerTest, AFineTuneUnderAnUnrelatedPathAndNameIsFoundByItsValues) {
  const Values first = random_values(weights_count, 1), second = drifted(first, 2);
  commit_paths({{"a/model.safetensors", model_bf16(first, "w")}});
  pack();
  const std::map<std::string, Buffer> later{{"b/other.safetensors", model_bf16(second, "v")}};
  commit_paths(later);
  pack();
  expect_bases(later.at("b/other.safetensors"), BaseReason::similar);
  expect_bytes(later);
}

TEST_F(BasePickerTest, UnrelatedWeightsOfTheSameNameAreNoBase) {
  const std::map<std::string, Buffer> files{{"model.safetensors", model_bf16(random_values(weights_count, 1))}};
  commit_paths(files);
  pack();
  const std::map<std::string, Buffer> later{{"model.safetensors", model_bf16(random_values(weights_count, 2))}};
  commit_paths(later);
  pack();
  for (const BlockRef& block : tensor_blocks(later.at("model.safetensors"))) {
    EXPECT_NE(block.encoding, Encoding::delta);
  }
  expect_bytes(later);
}

TEST_F(BasePickerTest, ATensorThatGrewRowsOrWasCastTakesTheOldOne) {
  const Values first = random_values(weights_count, 1);
  Values grown = drifted(first, 2);
  const Values more = random_values(256 * 40, 3);
  grown.insert(grown.end(), more.begin(), more.end());
  const std::map<std::string, Buffer> files{{"a.safetensors", model_f32(first)}};
  commit_paths(files);
  pack();
  const std::map<std::string, Buffer> larger{{"a.safetensors", model_f32(grown)}};
  commit_paths(larger);
  pack();
  auto blocks = tensor_blocks(larger.at("a.safetensors"));
  for (std::size_t i = 0; i + 2 < blocks.size(); ++i) EXPECT_EQ(blocks[i].encoding, Encoding::delta) << i;
  const std::map<std::string, Buffer> cast{{"a.safetensors", model_bf16(grown)}};
  commit_paths(cast);
  const Packed packed = pack();
  expect_bases(cast.at("a.safetensors"), BaseReason::parent);
  blocks = tensor_blocks(cast.at("a.safetensors"));
  EXPECT_EQ(blocks.front().base->from, Dtype::f32);
  EXPECT_EQ(blocks.front().base->to, Dtype::bf16);
  EXPECT_LT(packed.stored_bytes, packed.plain_bytes / 20);
  expect_bytes(files);
  expect_bytes(larger);
  expect_bytes(cast);
}

// Opaque files are cut by content: a block lies over several blocks of the file before.
TEST_F(BasePickerTest, BlocksOfAnOpaqueFileAreBasedOnSeveral) {
  Values values = random_values(400'000, 1);
  std::map<std::string, Buffer> files{{"state.h5", as_f32(values)}};
  commit_paths(files);
  pack();
  bool several = false;
  for (unsigned i = 0; i < 5; ++i) {
    values = drifted(values, 2 + i);
    files = {{"state.h5", as_f32(values)}};
    commit_paths(files);
    const Packed packed = pack();
    EXPECT_LT(packed.stored_bytes, packed.plain_bytes * 85 / 100);
    std::size_t deltas = 0;
    const SegmentMap map = map_of(files.at("state.h5"));
    for (const BlockRef& block : map.blocks()) {
      deltas += block.encoding == Encoding::delta;
      several = several || (block.base && block.base->blocks.size() > 1);
      EXPECT_LE(block.depth, 3);
    }
    EXPECT_GT(deltas, map.blocks().size() / 3) << "commit " << i;
    expect_bytes(files);
  }
  EXPECT_TRUE(several);
}

struct Chain {
  const char* what;
  Buffer (*model)(const Values&, const std::string&);
  unsigned seed;
};

TEST_F(BasePickerTest, ChainsOverTwentyCommitsStayShortAndReadBackAlsoAfterARebuild) {
  for (const Chain& chain : {Chain{"bf16", model_bf16, 1}, Chain{"fp32", model_f32, 2}}) {
    SCOPED_TRACE(chain.what);
    Values values = random_values(weights_count, chain.seed);
    std::vector<Buffer> models;
    const std::string path = cat(chain.what, ".safetensors");
    for (unsigned i = 0; i < 20; ++i) {
      models.push_back(chain.model(values, "w"));
      commit_paths({{path, models.back()}});
      pack();
      values = drifted(values, 100 + i);
    }
    for (std::size_t i = 0; i < models.size(); ++i) {
      const BlockRef block = tensor_blocks(models[i]).front();
      EXPECT_LE(block.depth, 3) << i;
      EXPECT_EQ(block.base ? block.base->position : 0, i);
      EXPECT_EQ(bytes_of(content_of(models[i])), models[i]) << i;
    }
  }
  repository_.reset();
  rebuild(path(), nullptr);
  open();
  expect_sound();
}

}  // namespace
}  // namespace wfs
