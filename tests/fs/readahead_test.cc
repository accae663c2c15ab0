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
    at_ = name_of(commit("first"));
    EXPECT_TRUE(capture_->wait_idle(60));
    const ContentId content{sha256(as_bytes(text))};
    return repository_->contents().open(content);
  }

  std::string at_;  // the name of the commit that has it, as "f"
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

TEST_F(ReadAheadTest, WhatItDecodesAheadIsDecodedOnce) {
  const auto content = std::dynamic_pointer_cast<const PackedContent>(packed());
  ASSERT_TRUE(content);
  const std::uint64_t before = content->blocks().decoded_bytes();
  {
    Pool pool(2);  // its end waits for what is queued
    const auto ahead = ReadAhead::over(content, pool, 8 * mib);
    Buffer piece(mib);
    for (std::uint64_t at = 0; at < 16; ++at) {
      ahead->note({at * mib, mib});
      content->read(at * mib, piece);
    }
  }
  EXPECT_EQ(content->blocks().decoded_bytes() - before, content->size());
}

TEST_F(ReadAheadTest, AFileIsDecodedWholeWhileItsFirstReaderReads) {
  packed();
  files().passthrough().turn_on();
  Handle* handle = files().open(ino(at_ + "/f"), OpenMode{}, caller_);
  const auto read_mib = [&](std::uint64_t at) {
    read(*handle, at * mib, mib);
    files().decoded().wait_idle();
    return files().decoded().totals().files;
  };
  for (const std::uint64_t at : {0, 1, 2}) EXPECT_EQ(read_mib(at), 0u) << "less than a quarter";
  EXPECT_EQ(read_mib(3), 1u);
  files().release(handle);
}

TEST_F(ReadAheadTest, StagedBytesNeedNone) {
  Pool pool(1);
  const auto staged = repository_->staging().create();
  EXPECT_FALSE(ReadAhead::over(staged, pool, 8 * mib));
}

}  // namespace
}  // namespace wfs
