#include "fs/readahead.h"

#include "tests/fs/mounted.h"

namespace wfs {
namespace {

class ReadAheadTest : public Mounted {
 protected:
  static constexpr std::uint64_t mib = 1 << 20;

  // A packed content of 16 MiB.
  std::shared_ptr<const ByteSource> packed() {
    std::string text(16 * mib, '\0');
    for (std::size_t i = 0; i < text.size(); i += 8) {
      const std::uint64_t number = xxh3_64(as_bytes("x"), i);
      std::memcpy(text.data() + i, &number, sizeof number);
    }
    write("main", "f", text);
    commit("first");
    EXPECT_TRUE(capture_->wait_idle(60));
    const ContentId content{sha256(as_bytes(text))};
    return repository_->contents().open(content);
  }
};

TEST_F(ReadAheadTest, WindowGrowsWhileReadsFollowOneAnother) {
  Pool pool(1);
  const auto ahead = ReadAhead::over(packed(), pool, 8 * mib);
  ASSERT_TRUE(ahead);
  EXPECT_EQ(ahead->window(), 0u);
  for (std::uint64_t at = 0; at < 8; ++at) ahead->note({at * mib, mib});
  EXPECT_EQ(ahead->window(), 8 * mib);
}

TEST_F(ReadAheadTest, ReadsServedOutOfOrderAreStillOneRun) {
  Pool pool(1);
  const auto ahead = ReadAhead::over(packed(), pool, 8 * mib);
  for (const std::uint64_t at : {1, 0, 3, 2, 5, 4}) ahead->note({at * mib, mib});
  EXPECT_GT(ahead->window(), 0u);
}

TEST_F(ReadAheadTest, JumpsEndIt) {
  Pool pool(1);
  const auto ahead = ReadAhead::over(packed(), pool, 8 * mib);
  for (std::uint64_t at = 0; at < 4; ++at) ahead->note({at * mib, mib});
  ahead->note({15 * mib, 4096});
  EXPECT_EQ(ahead->window(), 0u);
}

TEST_F(ReadAheadTest, StagedBytesNeedNone) {
  Pool pool(1);
  const auto staged = repository_->staging().create();
  EXPECT_FALSE(ReadAhead::over(staged, pool, 8 * mib));
}

}  // namespace
}  // namespace wfs
