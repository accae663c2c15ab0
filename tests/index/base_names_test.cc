#include "index/base_names.h"

#include <gtest/gtest.h>

namespace wfs {
namespace {

TEST(BaseNames, NumbersInNamesCountAsNumbers) {
  EXPECT_TRUE(natural_less("step-9", "step-10"));
  EXPECT_FALSE(natural_less("step-10", "step-9"));
  EXPECT_TRUE(natural_less("a/checkpoint-20/x", "a/checkpoint-100/x"));
  EXPECT_TRUE(natural_less("a", "a1"));
  EXPECT_FALSE(natural_less("a", "a"));
  EXPECT_NE(natural_less("a01", "a1"), natural_less("a1", "a01"));
}

TEST(BaseNames, TheCheckpointBeforeIsTheGreatestBelow) {
  const std::vector<std::string> all{"checkpoint-100", "checkpoint-20", "checkpoint-1000", "runs",
                                     "checkpoint-300", "checkpoint-x", "checkpoint-100-old"};
  EXPECT_EQ(names_before("checkpoint-300", all),
            (std::vector<std::string>{"checkpoint-100", "checkpoint-20"}));
  EXPECT_TRUE(names_before("checkpoint-20", all).empty());
  EXPECT_TRUE(names_before("runs", all).empty());
  EXPECT_EQ(names_before("epoch=2-step=30.ckpt", {"epoch=1-step=40.ckpt", "epoch=2-step=4.ckpt"}),
            (std::vector<std::string>{"epoch=2-step=4.ckpt", "epoch=1-step=40.ckpt"}));
}

TEST(BaseNames, FilesBelowAreRenumberedWithTheirFolder) {
  EXPECT_EQ(renumbered("global_step200", "checkpoint-200", "checkpoint-100"), "global_step100");
  EXPECT_EQ(renumbered("model_0200.pt", "step_200", "step_90"), "model_0090.pt");
  EXPECT_EQ(renumbered("shard-1-of-4", "step_200", "step_90"), "shard-1-of-4");
}

}  // namespace
}  // namespace wfs
