#include "index/staged_hash.h"

#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "index/staging.h"
#include "tests/index/temporary_folder.h"

namespace wfs {
namespace {

class StagedHashTest : public testing::Test {
 protected:
  std::shared_ptr<StagedFile> frozen(std::size_t size) {
    std::mt19937_64 random(seed_);
    bytes_.resize(size);
    for (auto& byte : bytes_) byte = static_cast<std::byte>(random());
    auto file = staging_.create();
    file->write(0, bytes_);
    file->freeze();
    return file;
  }

  void expect_right(const StagedHash::Hashed& hashed) const {
    EXPECT_EQ(hashed.content.digest, sha256(bytes_)) << "seed " << seed_;
    EXPECT_EQ(hashed.fast_hash, xxh3_128(bytes_)) << "seed " << seed_;
  }

  const unsigned seed_ = std::random_device{}();
  Buffer bytes_;
  TemporaryFolder folder_;
  Staging staging_{folder_.path(), StagedId{1}};
};

TEST_F(StagedHashTest, IsThatOfAllBytesHoweverFarSomebodyWasBefore) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{5}, std::size_t{1} << 20,
                                 (std::size_t{3} << 20) + 7}) {
    for (int pieces = 0; pieces < 5; ++pieces) {
      const auto file = frozen(size);
      for (int n = 0; n < pieces; ++n) file->hash().advance(*file);
      expect_right(file->hash().finish(*file));
      EXPECT_FALSE(file->hash().advance(*file));
    }
  }
}

TEST_F(StagedHashTest, IsRightWhileTwoThreadsMakeIt) {
  const auto file = frozen(std::size_t{16} << 20);
  std::jthread ahead([&] {
    while (file->hash().advance(*file)) {
    }
  });
  expect_right(file->hash().finish(*file));
}

}  // namespace
}  // namespace wfs
