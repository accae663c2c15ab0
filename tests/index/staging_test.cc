#include "index/staging.h"

#include <gtest/gtest.h>

#include <random>

#include "base/error.h"
#include "tests/index/temporary_folder.h"

namespace wfs {
namespace {

Buffer bytes_of(const ByteSource& file) {
  Buffer bytes(file.size());
  file.read(0, bytes);
  return bytes;
}

Buffer random_bytes(std::mt19937_64& random, std::size_t size) {
  Buffer bytes(size);
  for (auto& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

StagedBase base_of(const std::shared_ptr<StagedFile>& file) { return {file, std::nullopt, file}; }

TEST(Staging, RandomWritesOverABaseReadLikeAPlainBuffer) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  TemporaryFolder folder;
  Staging staging(folder.path(), StagedId{1});
  for (int round = 0; round < 30; ++round) {
    auto base = staging.create();
    Buffer expected = random_bytes(random, random() % 5000);
    base->write(0, expected);
    base->freeze();
    expected.resize(std::min<std::size_t>(expected.size(), random() % 6000));
    auto file = staging.create_over(base_of(base), expected.size());
    for (int step = 0; step < 40; ++step) {
      const std::size_t at = random() % 6000;
      switch (random() % 4) {
        case 0: {
          expected.resize(at);
          file->resize(at);
          break;
        }
        case 1: {
          const std::size_t length = random() % 500;
          for (std::size_t i = at; i < std::min(at + length, expected.size()); ++i) {
            expected[i] = std::byte{0};
          }
          file->punch({at, length});
          break;
        }
        default: {
          const Buffer piece = random_bytes(random, 1 + random() % 500);
          if (expected.size() < at + piece.size()) expected.resize(at + piece.size());
          std::copy(piece.begin(), piece.end(), expected.begin() + static_cast<long>(at));
          file->write(at, piece);
        }
      }
      ASSERT_EQ(bytes_of(*file), expected) << "round " << round << " step " << step;
    }
  }
}

TEST(Staging, AFileComesBackFromItsRowAfterARestart) {
  TemporaryFolder folder;
  StagedRow base_row, row;
  {
    Staging staging(folder.path(), StagedId{1});
    auto base = staging.create();
    base->write(0, as_bytes("0123456789"));
    base->freeze();
    auto file = staging.create_over(base_of(base), 10);
    file->write(2, as_bytes("AB"));
    file->write(12, as_bytes("Z"));
    base_row = base->row();
    row = file->row();
    staging.close();
  }
  Staging staging(folder.path(), StagedId{9});
  auto base = staging.open(base_row, {});
  auto file = staging.open(row, base_of(base));
  EXPECT_EQ(as_text(bytes_of(*file)), std::string_view("01AB456789\0\0Z", 13));
  EXPECT_EQ(staging.open(row, base_of(base)), file) << "one staged file is opened once";
}

TEST(Staging, WhatNobodyHoldsIsListedAndRemovedOnlyWhenAsked) {
  TemporaryFolder folder;
  Staging staging(folder.path(), StagedId{1});
  auto file = staging.create();
  file->write(0, as_bytes("x"));
  const StagedId id = file->id();
  file = nullptr;
  EXPECT_TRUE(stdfs::exists(folder.path() / "1"));
  EXPECT_EQ(staging.take_dropped(), std::vector<StagedId>{id});
  staging.remove({id});
  EXPECT_FALSE(stdfs::exists(folder.path() / "1"));
}

TEST(Staging, AForwardedFileReadsTheSameBytesWithoutItsLocalFile) {
  TemporaryFolder folder;
  Staging staging(folder.path(), StagedId{1});
  auto file = staging.create();
  file->write(0, as_bytes("weights"));
  file->freeze();
  file->set_content(ContentId{sha256(as_bytes("weights"))});
  const Buffer packed(as_bytes("weights").begin(), as_bytes("weights").end());
  file->forward(std::make_shared<MemorySource>(packed));
  EXPECT_FALSE(stdfs::exists(folder.path() / "1"));
  EXPECT_EQ(as_text(bytes_of(*file)), "weights");
  EXPECT_EQ(file->row().base_content, file->content());
}

TEST(Staging, OrphansOfACrashAreRemovedAndOthersStay) {
  TemporaryFolder folder;
  for (const auto* name : {"1", "2", "recovered-1"}) write_file(folder.path() / name, as_bytes("x"));
  Staging staging(folder.path(), StagedId{3});
  staging.remove_orphans({StagedId{2}});
  EXPECT_FALSE(stdfs::exists(folder.path() / "1"));
  EXPECT_TRUE(stdfs::exists(folder.path() / "2"));
  EXPECT_TRUE(stdfs::exists(folder.path() / "recovered-1"));
}

}  // namespace
}  // namespace wfs
