#include "index/decoded_files.h"

#include <fstream>

#include "base/error.h"
#include "tests/index/example.h"

namespace wfs {
namespace {

constexpr std::uint64_t mib = 1 << 20;

class DecodedFilesTest : public ExampleRepository {
 protected:
  stdfs::path cache() const { return path() / "cache"; }

  void start(std::optional<std::uint64_t> bytes_max) {
    decoded_.reset();
    decoded_ =
        std::make_unique<DecodedFiles>(cache(), repository().contents(),
                                       DecodedFiles::Options{bytes_max, [this] {
                                                               return DiskSpace{free_, 1000 * mib};
                                                             }});
  }
  DecodedFiles& decoded() { return *decoded_; }

  ContentId packed(std::uint64_t seed, std::uint64_t size = 2 * mib) {
    bytes_ = weights(size, seed);
    commit_files({{cat("f", seed), bytes_}}, cat("commit ", seed));
    pack();
    return content_of(bytes_);
  }

  static Buffer all_of(const Fd& file) {
    Buffer bytes(size_of(file));
    read_exactly(file, 0, bytes);
    return bytes;
  }

  std::size_t names() const {
    return static_cast<std::size_t>(
        std::distance(stdfs::directory_iterator(cache()), stdfs::directory_iterator()));
  }

  std::atomic<std::uint64_t> free_ = 900 * mib;
  Buffer bytes_;  // of the content packed last
  std::unique_ptr<DecodedFiles> decoded_;
};

using Filled = DecodedFiles::Filled;

TEST_F(DecodedFilesTest, AFilledContentIsThereWhole) {
  const ContentId id = packed(1, 5 * mib + 17);
  start(100 * mib);
  EXPECT_FALSE(decoded().find(id));
  EXPECT_EQ(decoded().fill(id), Filled::made);
  const Fd file = decoded().find(id);
  ASSERT_TRUE(file);
  EXPECT_EQ(all_of(file), bytes_);
  EXPECT_EQ(decoded().fill(id), Filled::there);
  EXPECT_EQ(decoded().totals().bytes, 5 * mib + 17);
}

TEST_F(DecodedFilesTest, WhatIsWantedIsMadeInTheBackground) {
  const ContentId id = packed(1);
  start(100 * mib);
  decoded().want(id);
  decoded().wait_idle();
  const Fd file = decoded().find(id);
  ASSERT_TRUE(file);
  EXPECT_EQ(all_of(file), bytes_);
}

TEST_F(DecodedFilesTest, SmallAndStagedContentsAreNotWorthIt) {
  const ContentId small = packed(1, DecodedFiles::file_bytes_min - 1);
  const Buffer staged = weights(2 * mib, 2);
  commit_files({{"staged", staged}});
  start(100 * mib);
  EXPECT_EQ(decoded().fill(small), Filled::not_worth_it);
  EXPECT_EQ(decoded().fill(content_of(staged)), Filled::not_worth_it);
  EXPECT_EQ(names(), 0u);
}

TEST_F(DecodedFilesTest, TheBoundTakesWhatWasUsedLongestAgo) {
  const ContentId a = packed(1), b = packed(2), c = packed(3);
  start(5 * mib);
  EXPECT_EQ(decoded().fill(a), Filled::made);
  EXPECT_EQ(decoded().fill(b), Filled::made);
  EXPECT_TRUE(decoded().find(a));
  EXPECT_EQ(decoded().fill(c), Filled::made);
  EXPECT_TRUE(decoded().find(a));
  EXPECT_TRUE(decoded().find(c));
  EXPECT_FALSE(stdfs::exists(cache() / hex(b)));
  EXPECT_LE(decoded().totals().bytes, 5 * mib);
}

TEST_F(DecodedFilesTest, WhatIsLargerThanTheBoundHasNoRoomAndTakesNobodyElses) {
  const ContentId a = packed(1), large = packed(2, 6 * mib);
  start(5 * mib);
  EXPECT_EQ(decoded().fill(a), Filled::made);
  EXPECT_EQ(decoded().fill(large), Filled::no_room);
  EXPECT_TRUE(decoded().find(a));
}

TEST_F(DecodedFilesTest, AnEvictedFileStaysReadableForWhoHasItOpen) {
  const ContentId a = packed(1);
  const Buffer bytes = bytes_;
  const ContentId b = packed(2);
  start(3 * mib);
  decoded().fill(a);
  const Fd file = decoded().find(a);
  ASSERT_TRUE(file);
  EXPECT_EQ(decoded().fill(b), Filled::made);
  EXPECT_FALSE(stdfs::exists(cache() / hex(a)));
  EXPECT_EQ(all_of(file), bytes);
}

TEST_F(DecodedFilesTest, AfterARestartAFileIsCheckedBeforeItIsTrusted) {
  const ContentId id = packed(1);
  start(100 * mib);
  decoded().fill(id);
  start(100 * mib);
  EXPECT_EQ(decoded().totals().files, 1u);
  EXPECT_FALSE(decoded().find(id));
  decoded().wait_idle();
  const Fd file = decoded().find(id);
  ASSERT_TRUE(file);
  EXPECT_EQ(all_of(file), bytes_);
}

TEST_F(DecodedFilesTest, TheAgeOfUseSurvivesARestart) {
  const ContentId a = packed(1), b = packed(2), c = packed(3);
  start(100 * mib);
  decoded().fill(a);
  decoded().fill(b);
  // As if b had not been used for a day.
  stdfs::last_write_time(cache() / (hex(b) + ".sum"),
                         stdfs::file_time_type::clock::now() - std::chrono::hours(24));
  start(5 * mib);
  EXPECT_EQ(decoded().fill(c), Filled::made);
  EXPECT_TRUE(stdfs::exists(cache() / hex(a)));
  EXPECT_FALSE(stdfs::exists(cache() / hex(b)));
}

TEST_F(DecodedFilesTest, ADamagedFileIsNeverGivenOut) {
  const ContentId id = packed(1);
  start(100 * mib);
  decoded().fill(id);
  decoded_.reset();
  {
    std::fstream file(cache() / hex(id), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(mib);
    file.put(static_cast<char>(~std::to_integer<int>(bytes_[mib])));
  }
  start(100 * mib);
  EXPECT_FALSE(decoded().find(id));
  decoded().wait_idle();
  // Found bad, and decoded anew: the reader wanted it.
  const Fd file = decoded().find(id);
  ASSERT_TRUE(file);
  EXPECT_EQ(all_of(file), bytes_);
}

TEST_F(DecodedFilesTest, AFileChangedUnderUsIsNotGivenOut) {
  const ContentId id = packed(1);
  start(100 * mib);
  decoded().fill(id);
  {
    std::ofstream file(cache() / hex(id), std::ios::app | std::ios::binary);
    file.put('x');
  }
  EXPECT_FALSE(decoded().find(id));
  decoded().wait_idle();
  const Fd file = decoded().find(id);
  ASSERT_TRUE(file);
  EXPECT_EQ(all_of(file), bytes_);
}

TEST_F(DecodedFilesTest, AFileRemovedByHandIsForgotten) {
  const ContentId id = packed(1);
  start(100 * mib);
  decoded().fill(id);
  stdfs::remove(cache() / hex(id));
  EXPECT_FALSE(decoded().find(id));
  EXPECT_EQ(decoded().totals().files, 0u);
  EXPECT_EQ(decoded().fill(id), Filled::made);
}

TEST_F(DecodedFilesTest, ALowDiskGetsItsSpaceBack) {
  const ContentId id = packed(1);
  start(100 * mib);
  decoded().fill(id);
  decoded().give_back();
  EXPECT_EQ(decoded().totals().files, 1u);
  free_ = 10 * mib;
  decoded().give_back();
  EXPECT_EQ(decoded().totals().files, 0u);
  EXPECT_EQ(names(), 0u);
  EXPECT_EQ(decoded().fill(id), Filled::no_room);
}

TEST_F(DecodedFilesTest, TheBoundIsATenthOfWhatIsFreeUnlessChosen) {
  start(std::nullopt);
  EXPECT_EQ(decoded().totals().bytes_max, 90 * mib);
}

TEST_F(DecodedFilesTest, ZeroIsOffAndRemovesWhatWasThere) {
  const ContentId id = packed(1);
  start(100 * mib);
  decoded().fill(id);
  start(0);
  EXPECT_FALSE(decoded().is_on());
  EXPECT_EQ(names(), 0u);
  EXPECT_FALSE(decoded().find(id));
  EXPECT_EQ(decoded().fill(id), Filled::not_worth_it);
}

TEST_F(DecodedFilesTest, WhatAnEarlierRunLeftUnfinishedIsRemoved) {
  const ContentId id = packed(1);
  start(100 * mib);
  decoded().fill(id);
  decoded_.reset();
  const std::string other(64, 'a');
  for (const std::string& name : {other, other + ".new", std::string(64, 'b') + ".sum"}) {
    std::ofstream(cache() / name) << "x";
  }
  std::ofstream(cache() / (hex(id) + ".sum")) << "nonsense";
  start(100 * mib);
  EXPECT_EQ(names(), 0u);
  EXPECT_EQ(decoded().totals().files, 0u);
}

TEST_F(DecodedFilesTest, NothingBeginsOnceItIsStopped) {
  const ContentId id = packed(1);
  start(100 * mib);
  decoded().stop();
  EXPECT_THROW(decoded().fill(id), Error);
  EXPECT_EQ(names(), 0u);
}

}  // namespace
}  // namespace wfs
