#include "index/similarity.h"

#include <gtest/gtest.h>

#include <functional>

#include "tests/index/example.h"
#include "tests/index/made_models.h"

namespace wfs {
namespace {

MadeModel changed(MadeModel model, const std::function<float(float)>& change) {
  for (MadeTensor& tensor : model) {
    for (float& value : tensor.values) value = change(value);
  }
  return model;
}

MadeModel renamed(MadeModel model) {
  for (std::size_t i = 0; i < model.size(); ++i) model[i].name = cat("blk.", 100 + i, ".ffn");
  return model;
}

class Similarity : public ExampleRepository {
 protected:
  ContentId put(const MadeFile& file) {
    return repository().catalog().write(
        Durability::later, [&](Database& database) { return put_made(database, file); });
  }

  std::vector<SimilarTensor> find(const MadeFile& file) {
    return repository().catalog().read([&](Database& database) {
      return find_similar(database, file.layout, sketches_of(file));
    });
  }

  // That every tensor of `file` goes to the one at the same place of `content`.
  void expect_base(const MadeFile& file, const ContentId& content, const std::string& what) {
    const auto found = find(file);
    EXPECT_EQ(found.size() + 1, file.layout.segments.size()) << what;
    for (const SimilarTensor& tensor : found) {
      EXPECT_EQ(tensor.content, content) << what;
      EXPECT_EQ(tensor.base_segment, tensor.segment) << what;
      EXPECT_LT(tensor.distance, distance_far) << what;
    }
  }
};

}  // namespace

TEST_F(Similarity, UnrelatedModelsOfEqualShapesAreNoBaseAndChangedOnesFindTheirs) {
  constexpr std::uint64_t models = 200, base = 137;
  const std::vector<std::uint64_t> shape = {512, 64};
  std::vector<ContentId> contents;
  for (std::uint64_t seed = 0; seed < models; ++seed) {
    const MadeFile file = made_file(made_model(seed, 8, shape), Dtype::f32);
    EXPECT_TRUE(find(file).empty()) << "seed " << seed;
    contents.push_back(put(file));
  }
  const MadeModel original = made_model(base, 8, shape);
  QuickNormal normal(1000);
  struct Case {
    std::string what;
    MadeModel model;
    Dtype dtype = Dtype::f32;
  };
  const MadeModel tuned = changed(original, [&](float v) { return v + 0.0004F * normal(); });
  const std::vector<Case> cases = {
      {"fine-tune", tuned},
      {"strong fine-tune", changed(original, [&](float v) { return v + 0.004F * normal(); })},
      {"half pruned",
       changed(original, [](float v) { return std::fabs(v) < 0.0135F ? 0 : v; })},
      {"80 % pruned",
       changed(original, [](float v) { return std::fabs(v) < 0.0256F ? 0 : v; })},
      {"bf16", original, Dtype::bf16},
      {"fp16", original, Dtype::f16},
      {"Q8_0", original, Dtype::q8_0},
      {"other names", renamed(original)},
      {"fine-tune in bf16 under other names", renamed(tuned), Dtype::bf16},
      {"shrunk", changed(original, [](float v) { return 0.4F * v; })},
  };
  for (const Case& at : cases) expect_base(made_file(at.model, at.dtype), contents[base], at.what);
}

TEST_F(Similarity, TensorsThatMovedInTheFileGoToTheirOwn) {
  const MadeModel original = made_model(1, 6, {256, 128});
  const ContentId content = put(made_file(original, Dtype::f32));
  MadeModel moved(original.rbegin(), original.rend());
  for (std::size_t i = 0; i < moved.size(); ++i) moved[i].name = original[i].name;
  const auto found = find(made_file(moved, Dtype::f32));
  ASSERT_EQ(found.size(), 6u);
  for (const SimilarTensor& tensor : found) {
    EXPECT_EQ(tensor.content, content);
    EXPECT_EQ(tensor.base_segment, 7 - tensor.segment);
    EXPECT_EQ(tensor.distance, 0);
  }
}

TEST_F(Similarity, TensorThatGrewInRowsFindsItself) {
  for (const std::uint64_t rows : {600, 5000}) {
    MadeModel model = made_model(rows, 1, {rows, 64});
    const ContentId content = put(made_file(model, Dtype::f32));
    QuickNormal normal(7);
    model[0].shape[0] += 8;
    for (std::size_t i = 0; i < 8 * 64; ++i) model[0].values.push_back(0.02F * normal());
    expect_base(made_file(model, Dtype::f32), content, cat(rows, " rows"));
  }
}

TEST_F(Similarity, OneFileFindsAModelThatIsInSeveral) {
  const MadeModel model = made_model(3, 40, {128, 128});
  std::vector<ContentId> shards;
  for (std::size_t first = 0; first < model.size(); first += 5) {
    const MadeModel shard(model.begin() + static_cast<std::ptrdiff_t>(first),
                          model.begin() + static_cast<std::ptrdiff_t>(first + 5));
    shards.push_back(put(made_file(shard, Dtype::f32)));
  }
  const auto found = find(made_file(renamed(model), Dtype::bf16));
  ASSERT_EQ(found.size(), model.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].content, shards[i / 5]) << i;
    EXPECT_EQ(found[i].base_segment, 1 + i % 5) << i;
  }
}

TEST_F(Similarity, ShortTensorsFollowTheirModel) {
  MadeModel model;
  for (std::uint64_t i = 0; i < 4; ++i) {
    model.push_back(made_model(i, 1, {256, 64})[0]);
    model.push_back(made_model(50 + i, 1, {64})[0]);
    model[2 * i].name = cat("layers.", i, ".weight");
    model[2 * i + 1].name = cat("layers.", i, ".bias");
  }
  const ContentId content = put(made_file(model, Dtype::f32));
  expect_base(made_file(model, Dtype::f16), content, "by name");
  expect_base(made_file(renamed(model), Dtype::f32), content, "by order");
  for (MadeTensor& tensor : model) {
    if (tensor.shape.size() == 2) tensor.values = made_model(99, 1, {256, 64})[0].values;
  }
  EXPECT_TRUE(find(made_file(model, Dtype::f32)).empty()) << "their model has no base";
}

TEST_F(Similarity, OfEquallyNearTensorsTheNewerIsTaken) {
  const MadeModel model = made_model(4, 4, {256, 64});
  put(made_file(model, Dtype::f32));
  const ContentId newer = put(made_file(renamed(model), Dtype::f32));
  expect_base(made_file(model, Dtype::bf16), newer, "the newer");
}

TEST_F(Similarity, ContentsWithoutSketchesAreMarkedAndFindNothing) {
  MadeModel model = made_model(5, 3, {1024});
  model.push_back({"zeros", {256, 64}, std::vector<float>(256 * 64)});
  const MadeFile file = made_file(model, Dtype::f32);
  EXPECT_TRUE(sketches_of(file).empty());
  put(file);
  EXPECT_TRUE(find(file).empty());
  EXPECT_FALSE(sketch_missing(repository(), false));
}

TEST_F(Similarity, DamagedSketchesHoldNothingBack) {
  const MadeFile file = made_file(made_model(6, 2, {256, 64}), Dtype::f32);
  put(file);
  EXPECT_EQ(find(file).size(), 2u);
  repository().catalog().write(Durability::later, [](Database& database) {
    database.run("UPDATE sketches SET sketches = x'ffffffff00'");
  });
  EXPECT_TRUE(find(file).empty());
}

TEST_F(Similarity, WhatARebuiltIndexLacksIsMadeAnew) {
  std::string header = R"({"w":{"dtype":"F32","shape":[512,64],"data_offsets":[0,131072]}})";
  Buffer bytes = safetensors_file(header, 0);
  const MadeModel model = made_model(8, 1, {512, 64});
  append_bytes(bytes, wfs::bytes_of(model[0].values));
  commit_files({{"model.safetensors", bytes}, {"notes", weights(3000, 1)}});
  pack();
  repository().catalog().write(Durability::later, [](Database& database) {
    database.run("DELETE FROM bands; DELETE FROM sketches; UPDATE contents SET sketched = 0");
  });
  EXPECT_TRUE(find(made_file(model, Dtype::bf16)).empty());
  EXPECT_TRUE(sketch_missing(repository(), true)) << "stopped";
  EXPECT_TRUE(find(made_file(model, Dtype::bf16)).empty());
  EXPECT_TRUE(sketch_missing(repository(), false));
  EXPECT_TRUE(sketch_missing(repository(), false));
  EXPECT_FALSE(sketch_missing(repository(), false));
  const auto found = find(made_file(model, Dtype::bf16));
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].content, content_of(bytes));
  EXPECT_EQ(found[0].base_segment, 1u);
}

}  // namespace wfs
