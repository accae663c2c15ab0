#include "base/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <functional>

#include "base/error.h"

namespace wfs {
namespace {

class Files : public testing::Test {
 protected:
  Files() {
    std::string name = (stdfs::temp_directory_path() / "weightfs-test-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~Files() override { stdfs::remove_all(folder_); }

  stdfs::path folder_;
};

Errc code_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "nothing was thrown";
  return Errc::io;
}

TEST_F(Files, AWrittenFileReadsBackAndLeavesNoTemporaryOne) {
  write_file(folder_ / "a", as_bytes("first"));
  write_file(folder_ / "a", as_bytes("2nd"));
  EXPECT_EQ(as_text(read_file(folder_ / "a")), "2nd");
  EXPECT_EQ(std::distance(stdfs::directory_iterator(folder_), {}), 1);
}

TEST_F(Files, AnEmptyFileReadsBackEmpty) {
  write_file(folder_ / "empty", {});
  EXPECT_TRUE(read_file(folder_ / "empty").empty());
}

TEST_F(Files, PublishGivesAFileItsNameAndReplacesWhatHadIt) {
  write_file(folder_ / "name", as_bytes("old"));
  const Fd fd = open_file(folder_ / "work", O_RDWR | O_CREAT);
  write_fully(fd, 0, as_bytes("new"));
  publish(fd, folder_ / "work", folder_ / "name");
  EXPECT_EQ(as_text(read_file(folder_ / "name")), "new");
  EXPECT_FALSE(stdfs::exists(folder_ / "work"));
}

TEST_F(Files, ReadsStopAtTheEndOrSayThatItIsThere) {
  write_file(folder_ / "a", as_bytes("12345"));
  const Fd fd = open_file(folder_ / "a", O_RDONLY);
  EXPECT_EQ(size_of(fd), 5U);
  Buffer four(4);
  EXPECT_EQ(read_some(fd, 3, four), 2U);
  EXPECT_EQ(read_some(fd, 9, four), 0U);
  read_exactly(fd, 1, four);
  EXPECT_EQ(as_text(four), "2345");
  EXPECT_EQ(code_of([&] { read_exactly(fd, 2, four); }), Errc::corrupt);
}

TEST_F(Files, ErrorsHaveTheirCauseAndNameTheFile) {
  EXPECT_EQ(code_of([&] { read_file(folder_ / "none"); }), Errc::not_found);
  EXPECT_EQ(code_of([&] { write_file(folder_ / "none" / "a", {}); }), Errc::not_found);
  EXPECT_EQ(code_of([&] { open_file(folder_ / std::string(300, 'x'), O_RDONLY); }),
            Errc::name_too_long);
  try {
    read_file(folder_ / "none");
  } catch (const Error& error) {
    EXPECT_NE(std::string_view(error.what()).find("/none"), std::string_view::npos);
  }
}

TEST_F(Files, ADescriptorIsClosedOnceByWhoeverOwnsItLast) {
  Fd first = open_file(folder_, O_RDONLY | O_DIRECTORY);
  const int number = first.get();
  Fd second = std::move(first);
  EXPECT_FALSE(first);
  EXPECT_EQ(second.get(), number);
  second = Fd();
  EXPECT_EQ(::fcntl(number, F_GETFD), -1);
}

}  // namespace
}  // namespace wfs
