#include "index/packing.h"

#include "base/error.h"
#include "index/check.h"
#include "index/content_rows.h"
#include "tests/index/example.h"

namespace wfs {
namespace {

using PackingTest = ExampleRepository;

std::uint64_t bytes_in(const stdfs::path& folder) {
  std::uint64_t bytes = 0;
  for (const auto& entry : stdfs::directory_iterator(folder)) bytes += entry.file_size();
  return bytes;
}

TEST_F(PackingTest, PackedContentsReadTheSameAndLeaveStaging) {
  const Buffer model = weights(5'000'001, 1);
  const Buffer empty;
  commit_files({{"model.bin", model}, {"empty", empty}});
  const Packed packed = pack();
  EXPECT_EQ(packed.contents, 2u);
  EXPECT_EQ(packed.failed, 0u);
  EXPECT_LT(packed.stored_bytes, model.size());
  EXPECT_EQ(bytes_of(content_of(model)), model);
  EXPECT_EQ(bytes_of(content_of(empty)), empty);
  EXPECT_EQ(bytes_in(path() / "staging"), 0u);
  open();
  EXPECT_EQ(bytes_of(content_of(model)), model);
  EXPECT_EQ(pack().contents, 0u) << "nothing is left to pack";
}

TEST_F(PackingTest, TheSameBytesUnderAnotherNameCostNothing) {
  const Buffer model = weights(4'000'000, 1);
  commit_files({{"a.bin", model}});
  pack();
  const std::uint64_t before = bytes_in(path() / "packs");
  Buffer longer = model;
  longer.resize(longer.size() + 1000);  // another content, mostly of the same blocks
  commit_files({{"a.bin", model}, {"b.bin", model}, {"c.bin", longer}});
  pack();
  EXPECT_LT(bytes_in(path() / "packs") - before, 300'000u);
  EXPECT_EQ(bytes_of(content_of(longer)), longer);
}

TEST_F(PackingTest, EqualBlocksInOneContentAreStoredOnce) {
  const Buffer part = weights(256 * 1024, 3);
  Buffer repeated;
  for (int i = 0; i < 40; ++i) repeated.insert(repeated.end(), part.begin(), part.end());
  commit_files({{"model.npy", repeated}});
  EXPECT_LT(pack().stored_bytes, 3'000'000u);
  EXPECT_EQ(bytes_of(content_of(repeated)), repeated);
}

TEST_F(PackingTest, AHeldStagedFileGoesOnReading) {
  const Buffer model = weights(2'000'000, 5);
  commit_files({{"a", model}});
  const auto held = repository().contents().staged(content_of(model));
  ASSERT_TRUE(held);
  pack();
  EXPECT_TRUE(held->forwarded());
  Buffer bytes(model.size());
  held->read(0, bytes);
  EXPECT_EQ(bytes, model);
}

TEST_F(PackingTest, StagedBytesThatChangedOnDiskAreNotPackedUnderAWrongName) {
  const Buffer good = weights(1'000'000, 1);
  const Buffer bad = weights(1'000'000, 2);
  commit_files({{"bad", bad}, {"good", good}});
  const auto staged = repository().contents().staged(content_of(bad));
  const stdfs::path local = path() / "staging" / std::to_string(static_cast<int>(staged->id()));
  write_fully(open_file(local, O_RDWR), 5000, as_bytes("damage"));
  const Packed packed = pack();
  EXPECT_EQ(packed.contents, 1u);
  EXPECT_EQ(packed.failed, 1u);
  EXPECT_EQ(bytes_of(content_of(good)), good);
  const CheckReport report = check(repository(), CheckDepth::data, nullptr);
  ASSERT_EQ(report.findings.size(), 1u);
  EXPECT_EQ(report.findings[0].name, hex(content_of(bad)));
}

TEST_F(PackingTest, HealthOfTensorsIsKept) {
  const std::string header = R"({"w":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}})";
  Buffer file;
  const std::uint64_t length = header.size();
  for (int i = 0; i < 8; ++i) file.push_back(static_cast<std::byte>(length >> (8 * i)));
  for (const char c : header) file.push_back(static_cast<std::byte>(c));
  for (const float value : {1.0f, -2.0f, __builtin_nanf("")}) {
    const auto* bytes = reinterpret_cast<const std::byte*>(&value);
    file.insert(file.end(), bytes, bytes + 4);
  }
  commit_files({{"model.safetensors", file}});
  pack();
  const auto row = repository().catalog().read(
      [&](Database& database) { return find_content(database, content_of(file)); });
  EXPECT_NE(row->health.find(R"("nan":1)"), std::string::npos) << row->health;
  EXPECT_NE(row->health.find(R"("min":-2.0)"), std::string::npos) << row->health;
}

}  // namespace
}  // namespace wfs
