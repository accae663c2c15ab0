#include "index/export.h"

#include <sys/stat.h>

#include "base/error.h"
#include "index/import.h"
#include "tests/index/example.h"

namespace wfs {
namespace {

const auto quiet = [](std::uint64_t) {};

// What an import took in comes out again: both ways are tested here together.
class Export : public ExampleRepository {
 protected:
  Export() {
    stdfs::create_directories(source() / "sub/deep");
    stdfs::create_directories(source() / "hollow");
    write_file(source() / "weights", weights(700'000, 1));
    write_file(source() / "empty", {});
    write_file(source() / "sub/deep/run.sh", as_bytes("true"));
    ::chmod((source() / "sub/deep/run.sh").c_str(), 0755);
    stdfs::create_symlink("weights", source() / "link");
    stdfs::create_symlink("no/where", source() / "dangling");
    const timespec times[2] = {{1'600'000'000, 123'456'789}, {1'600'000'000, 123'456'789}};
    ::utimensat(AT_FDCWD, (source() / "weights").c_str(), times, 0);
    ::utimensat(AT_FDCWD, (source() / "sub").c_str(), times, 0);
  }

  stdfs::path source() const { return folder_.path() / "source"; }
  stdfs::path out() const { return folder_.path() / "out"; }

  CommitId import_source(const std::string& source, const std::string& branch = "main") {
    return import_folder(repository(), {source, branch, "imported", ""}, quiet)->id;
  }

  static std::int64_t mtime_ns(const stdfs::path& path) {
    struct ::stat status {};
    EXPECT_EQ(::lstat(path.c_str(), &status), 0) << path;
    return status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec;
  }

  void expect_source_at(const stdfs::path& shown) {
    std::size_t entries = 0;
    for (const auto& item : stdfs::recursive_directory_iterator(source())) {
      ++entries;
      const stdfs::path copy = shown / item.path().lexically_relative(source());
      ASSERT_TRUE(stdfs::exists(stdfs::symlink_status(copy))) << copy;
      EXPECT_EQ(stdfs::symlink_status(copy).type(), item.symlink_status().type()) << copy;
      EXPECT_EQ(mtime_ns(copy), mtime_ns(item.path())) << copy;
      if (item.is_symlink()) {
        EXPECT_EQ(stdfs::read_symlink(copy), stdfs::read_symlink(item.path()));
      } else if (item.is_regular_file()) {
        EXPECT_EQ(read_file(copy), read_file(item.path())) << copy;
        EXPECT_EQ(stdfs::status(copy).permissions() & stdfs::perms::owner_exec,
                  item.status().permissions() & stdfs::perms::owner_exec)
            << copy;
      }
    }
    const auto shown_entries = std::distance(stdfs::recursive_directory_iterator(shown), {});
    EXPECT_EQ(static_cast<std::size_t>(shown_entries), entries);
  }
};

TEST_F(Export, WritesTheFilesAsTheyWereImported) {
  const CommitId id = import_source(source().native() + "/.");
  const Exported exported = export_tree(repository(), id, out(), quiet);
  expect_source_at(out());
  EXPECT_EQ(exported.files, 5u);
  EXPECT_EQ(exported.bytes, 700'004u);
  EXPECT_TRUE(exported.unreadable.empty());
}

TEST_F(Export, WritesPackedContentsToo) {
  const CommitId id = import_source(source().native());
  pack();
  stdfs::create_directory(out());
  export_tree(repository(), id, out(), quiet);
  expect_source_at(out() / "source");
}

TEST_F(Export, RefusesADestinationThatHoldsSomething) {
  const CommitId id = import_source(source().native());
  stdfs::create_directory(out());
  write_file(out() / "mine", as_bytes("mine"));
  EXPECT_THROW(export_tree(repository(), id, out(), quiet), Error);
  EXPECT_THROW(export_tree(repository(), id, out() / "mine", quiet), Error);
  EXPECT_EQ(as_text(read_file(out() / "mine")), "mine");
  EXPECT_EQ(std::distance(stdfs::directory_iterator(out()), {}), 1);
}

TEST_F(Export, LeavesADamagedFileOutAndTellsIt) {
  const CommitId id = import_source(source().native() + "/.");
  pack();
  open();
  // Nearly all of the one pack is the weights.
  for (const auto& pack_file : stdfs::directory_iterator(path() / "packs")) {
    ::chmod(pack_file.path().c_str(), 0600);
    const Fd file = open_file(pack_file.path(), O_RDWR);
    std::byte one{};
    const std::uint64_t middle = size_of(file) / 2;
    read_exactly(file, middle, MutableBytes(&one, 1));
    one ^= std::byte{1};
    write_fully(file, middle, Bytes(&one, 1));
  }
  const Exported exported = export_tree(repository(), id, out(), quiet);
  ASSERT_EQ(exported.unreadable.size(), 1u);
  EXPECT_TRUE(exported.unreadable[0].starts_with("weights: ")) << exported.unreadable[0];
  EXPECT_FALSE(stdfs::exists(out() / "weights"));
  EXPECT_TRUE(stdfs::exists(out() / "sub/deep/run.sh"));
}

}  // namespace
}  // namespace wfs
