#include "index/rebase.h"

#include "index/rebuild.h"
#include "tests/index/trained.h"

namespace wfs {
namespace {

class RebaseTest : public TrainingRepository {
 protected:
  // A run of bf16 models whose last is more than one delta deep.
  void train() {
    Values values = random_values(4000 * 256, 1);
    for (unsigned i = 0; i < 4; ++i) {
      models_.push_back(model_bf16(values));
      commit_paths({{"model.safetensors", models_.back()}});
      pack();
      values = drifted(values, 10 + i);
    }
    ASSERT_EQ(depth_of(models_.back()), 2u);
  }

  unsigned depth_of(const Buffer& model) {
    unsigned depth = 0;
    const SegmentMap map = map_of(model);
    for (const BlockRef& block : map.blocks()) depth = std::max<unsigned>(depth, block.depth);
    return depth;
  }

  void expect_all() {
    for (const Buffer& model : models_) EXPECT_EQ(bytes_of(content_of(model)), model);
    expect_sound();
  }

  std::vector<Buffer> models_;
  const std::atomic<bool> stop_ = false;
};

TEST_F(RebaseTest, LowersTheDepthAndKeepsTheBytesAlsoAfterARebuild) {
  train();
  const auto held = repository().contents().open(content_of(models_.back()));
  const Rebased rebased = rebase(repository(), pool_, content_of(models_.back()), stop_);
  EXPECT_GT(rebased.blocks, 0u);
  EXPECT_EQ(depth_of(models_.back()), 1u);
  expect_all();
  Buffer bytes(held->size());
  held->read(0, bytes);
  EXPECT_EQ(bytes, models_.back());
  EXPECT_EQ(rebase(repository(), pool_, content_of(models_.back()), stop_).blocks, 0u);
  open();
  expect_all();
  repository_.reset();
  rebuild(path(), nullptr);
  open();
  expect_all();
}

TEST_F(RebaseTest, OnlyWhatATipNamesAndIsReadOftenIsRebased) {
  train();
  ::setenv("WEIGHTFS_CACHE_MIB", "1", 1);  // less than a model and its bases take
  open();
  ::unsetenv("WEIGHTFS_CACHE_MIB");
  const auto read_deep = [&](const Buffer& model) {
    for (int i = 0; i < 100; ++i) {
      bytes_of(content_of(model));
      for (const auto& [id, bytes] : repository().contents().deep_reads()) {
        if (id == content_of(model) && bytes > 2 * model.size()) return true;
      }
    }
    return false;
  };
  EXPECT_EQ(rebase_hot(repository(), pool_, stop_).blocks, 0u) << "nothing was read";
  ASSERT_TRUE(read_deep(models_.back()));
  commit_paths({{"other", weights(1000, 1)}});
  EXPECT_EQ(rebase_hot(repository(), pool_, stop_).blocks, 0u) << "no tip names it";
  commit_paths({{"other", weights(1000, 1)}, {"model.safetensors", models_.back()}});
  ASSERT_TRUE(read_deep(models_.back()));
  EXPECT_GT(rebase_hot(repository(), pool_, stop_).blocks, 0u);
  EXPECT_EQ(depth_of(models_.back()), 1u);
  EXPECT_TRUE(repository().contents().deep_reads().empty());
  expect_all();
}

}  // namespace
}  // namespace wfs
