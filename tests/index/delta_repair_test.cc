// Blocks with bases under check and rebuild.
#include <fcntl.h>

#include <algorithm>

#include "base/error.h"
#include "index/check.h"
#include "index/rebuild.h"
#include "index/report.h"
#include "tests/index/deltas.h"

namespace wfs {
namespace {

class DeltaRepair : public DeltaRepository {
 protected:
  CheckReport checked(CheckDepth depth) {
    open();
    return check(repository(), depth, nullptr);
  }

  static std::string text_of(const CheckReport& report) {
    std::string text;
    for (const Finding& finding : report.findings) {
      text += cat(finding.object, ' ', finding.name, ": ", finding.what, '\n');
    }
    return text;
  }

  Rebuilt rebuild_now() {
    repository_.reset();
    const Rebuilt rebuilt = rebuild(path(), nullptr);
    open();
    return rebuilt;
  }

  stdfs::path pack_of(const BlockRef& block) { return repository().packs().path_of(block.pack); }

  void flip(const BlockRef& block) {
    const Fd file = open_file(pack_of(block), O_RDWR);
    Buffer byte(1);
    read_exactly(file, block.offset + block.payload_length / 2, byte);
    byte[0] ^= std::byte{1};
    write_fully(file, block.offset + block.payload_length / 2, byte);
  }

  // As if the packs had been written in this order.
  void order_packs(const std::vector<BlockRef>& blocks) {
    auto time = stdfs::file_time_type::clock::now();
    for (const BlockRef& block : blocks) {
      stdfs::last_write_time(pack_of(block), time);
      time += std::chrono::seconds(1);
    }
  }

  static std::vector<BlockRef> blocks_of(const std::vector<SegmentMap>& maps) {
    std::vector<BlockRef> blocks;
    for (const SegmentMap& map : maps) blocks.push_back(map.blocks().front());
    return blocks;
  }

  BlockRef found(const BlockId& id) {
    return *repository().catalog().read(
        [&](Database& database) { return find_block(database, id); });
  }
};

TEST_F(DeltaRepair, DeltasCheckClean) {
  put_chain(5);
  for (const CheckDepth depth : {CheckDepth::structure, CheckDepth::data}) {
    EXPECT_EQ(text_of(checked(depth)), "");
  }
}

TEST_F(DeltaRepair, ADamagedBaseIsFoundWithAllThatNeedIt) {
  const auto blocks = blocks_of(put_chain(3));
  const SegmentMap other = put({{weights(1000, 9), std::nullopt}});
  flip(blocks[1]);
  const CheckReport report = checked(CheckDepth::data);
  const std::string text = text_of(report);
  EXPECT_NE(text.find(cat("block ", hex(blocks[1].id), ':')), std::string::npos) << text;
  const auto contents = std::count_if(
      report.findings.begin(), report.findings.end(),
      [](const Finding& finding) { return finding.object == "content"; });
  EXPECT_EQ(contents, 3) << text;
  EXPECT_EQ(text.find(hex(other.blocks().front().id)), std::string::npos) << text;
}

TEST_F(DeltaRepair, AMissingPackOfABaseIsFoundWithAllThatNeedIt) {
  const auto blocks = blocks_of(put_chain(3));
  stdfs::remove(pack_of(blocks[2]));
  for (const CheckDepth depth : {CheckDepth::structure, CheckDepth::data}) {
    const CheckReport report = checked(depth);
    const auto contents = std::count_if(
        report.findings.begin(), report.findings.end(),
        [](const Finding& finding) { return finding.object == "content"; });
    EXPECT_EQ(contents, 2) << text_of(report);
  }
}

TEST_F(DeltaRepair, ARowWithoutItsBaseIsFoundByName) {
  const auto blocks = blocks_of(put_chain(2));
  repository().catalog().write(Durability::now, [&](Database& database) {
    database.run(cat("UPDATE blocks SET base = x'00' WHERE number = ", blocks[1].number));
  });
  const std::string text = text_of(checked(CheckDepth::structure));
  EXPECT_NE(text.find(cat("block ", hex(blocks[1].id), ": the index lacks its base")),
            std::string::npos) << text;
  EXPECT_EQ(rebuild_now().lost, std::vector<std::string>());
  EXPECT_EQ(text_of(checked(CheckDepth::data)), "");
}

TEST_F(DeltaRepair, ARebuildFindsBasesInPacksOfAnyOrder) {
  auto blocks = blocks_of(put_chain(6));
  const Buffer master = weights(100'000, 1);
  BlockBase cast = base_on({blocks.front(), blocks.back()}, BaseReason::similar);
  cast.from = Dtype::f32;
  cast.to = Dtype::bf16;
  cast.skip = 50'000;
  const Buffer half = base_bytes(cast, 60'000, [&](const BlockRef& block) {
    return repository().blocks().load(block);
  });
  blocks.push_back(put({{half, cast}}).blocks().front());
  std::vector<Buffer> plains;
  for (const BlockRef& block : blocks) plains.push_back(plain_of(block));
  auto order = blocks;
  const auto seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 4; ++round) {
    if (round == 1) std::reverse(order.begin(), order.end());
    if (round > 1) std::shuffle(order.begin(), order.end(), random);
    order_packs(order);
    const Rebuilt rebuilt = rebuild_now();
    EXPECT_EQ(rebuilt.lost, std::vector<std::string>());
    EXPECT_EQ(rebuilt.blocks, blocks.size());
    EXPECT_EQ(rebuilt.contents, blocks.size());
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      const BlockRef block = found(blocks[i].id);
      EXPECT_EQ(block.depth, blocks[i].depth);
      EXPECT_EQ(plain_of(block), plains[i]);
      if (!blocks[i].base) continue;
      EXPECT_EQ(block.base->reason, blocks[i].base->reason);
      EXPECT_EQ(block.base->position, blocks[i].base->position);
      EXPECT_EQ(block.base->skip, blocks[i].base->skip);
      EXPECT_EQ(block.base->blocks.size(), blocks[i].base->blocks.size());
    }
    EXPECT_EQ(text_of(checked(CheckDepth::data)), "");
  }
}

TEST_F(DeltaRepair, ARebuildTellsOfDeltasWhoseBaseIsGoneAndKeepsTheOthers) {
  const auto blocks = blocks_of(put_chain(4));
  const Buffer first = plain_of(blocks[0]);
  const Buffer second = plain_of(blocks[1]);
  stdfs::remove(pack_of(blocks[2]));
  const Rebuilt rebuilt = rebuild_now();
  std::string lost;
  for (const std::string& line : rebuilt.lost) lost += line + '\n';
  for (const unsigned i : {2u, 3u}) {
    EXPECT_NE(lost.find(hex(blocks[i].id)), std::string::npos) << lost;
  }
  EXPECT_EQ(rebuilt.blocks, 2u);
  EXPECT_EQ(bytes_of(content_of(first)), first);
  EXPECT_EQ(bytes_of(content_of(second)), second);
}

TEST_F(DeltaRepair, AReportCountsTheDeltasOfASegmentByReason) {
  const Buffer root = weights(100'000, 1);
  const BlockRef base = put({{root, std::nullopt}}).blocks().front();
  const BlockRef first = put({{trained(root, 1), base_on({base})}}).blocks().front();
  const std::vector<NewBlock> blocks = {
      {trained(root, 2), base_on({base})},
      {trained(root, 3), base_on({first})},
      {trained(root, 4), base_on({first}, BaseReason::similar)},
      {weights(100'000, 77), std::nullopt}};
  put(blocks);
  const ContentReport report = explain(repository(), content_of(joined(blocks)));
  ASSERT_EQ(report.segments.size(), 1u);
  const auto& bases = report.segments[0].bases;
  ASSERT_EQ(bases.size(), 2u);
  EXPECT_EQ(bases[0].reason, "parent");
  EXPECT_EQ(bases[0].blocks, 2u);
  EXPECT_EQ(bases[0].depth_min, 1u);
  EXPECT_EQ(bases[0].depth_max, 2u);
  EXPECT_EQ(bases[1].reason, "similar");
  EXPECT_EQ(bases[1].blocks, 1u);
  EXPECT_EQ(bases[1].depth_min, 2u);
  EXPECT_GT(bases[1].stored_bytes, 0u);
  EXPECT_NE(report.segments[0].encodings.find("delta 3"), std::string::npos);
  EXPECT_NE(explain_json(report).find("\"similar\""), std::string::npos);
}

}  // namespace
}  // namespace wfs
