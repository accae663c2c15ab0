// Repositories that earlier formats left: see tests/golden/README.md.
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "base/error.h"
#include "index/check.h"
#include "index/rebuild.h"
#include "index/report.h"
#include "index/revision.h"
#include "index/upgrade.h"
#include "tests/index/deltas.h"

namespace wfs {
namespace {

const stdfs::path golden = WEIGHTFS_GOLDEN;

struct GoldenFile {
  std::string commit, sha256, path;
};

std::vector<GoldenFile> listed_files() {
  std::vector<GoldenFile> files;
  std::ifstream list(golden / "v1.txt");
  for (GoldenFile file; list >> file.commit >> file.sha256 >> file.path;) files.push_back(file);
  return files;
}

class GoldenV1 : public DeltaRepository {
 protected:
  GoldenV1() {
    repository_.reset();
    stdfs::remove_all(path());
    stdfs::copy(golden / "v1", path(), stdfs::copy_options::recursive);
    stdfs::create_directory(path() / "staging");
    stdfs::create_directory(path() / "cache");
  }

  int index_version_on_disk() {
    Database database(path() / "index.sqlite", Database::Access::read);
    return version_of_index(database);
  }

  void expect_all_files() {
    const auto files = listed_files();
    ASSERT_GE(files.size(), 10u);
    for (const GoldenFile& file : files) {
      const auto entry = find_path(repository(), resolve(repository(), file.commit), file.path);
      ASSERT_TRUE(entry.has_value()) << file.commit << ' ' << file.path;
      EXPECT_EQ(hex(sha256(bytes_of(entry->content)).bytes), file.sha256) << file.commit << ' ' << file.path;
    }
  }

  void expect_clean() {
    for (const CheckDepth depth : {CheckDepth::structure, CheckDepth::data}) {
      for (const Finding& finding : check(repository(), depth, nullptr).findings) {
        ADD_FAILURE() << finding.object << ' ' << finding.name << ": " << finding.what;
      }
    }
  }

  Buffer file_of(const std::string& ref, const std::string& name) {
    return bytes_of(find_path(repository(), resolve(repository(), ref), name)->content);
  }
};

TEST_F(GoldenV1, IsReadWholeAndChecksClean) {
  open();
  expect_all_files();
  expect_clean();
  EXPECT_EQ(stats_of(repository()).commits, 2u);
  EXPECT_EQ(stats_of(repository()).tags, 1u);
}

TEST_F(GoldenV1, IsUpgradedWhenItIsOpenedForReading) {
  EXPECT_EQ(index_version_on_disk(), 1);
  {
    Repository reader(path(), Repository::Access::read);
    EXPECT_EQ(index_version_on_disk(), index_version);
    EXPECT_EQ(stats_of(reader).commits, 2u);
  }
  open();
  expect_all_files();
}

TEST_F(GoldenV1, AnUpgradedIndexHasTheColumnsOfANewOne) {
  open();
  const auto columns = [](const stdfs::path& index) {
    std::vector<std::string> rows;
    Database database(index, Database::Access::read);
    auto query = database.prepare(
        "SELECT m.name, c.name, c.type, c.\"notnull\", c.dflt_value, c.pk FROM sqlite_schema m "
        "JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' "
        "ORDER BY m.name, c.cid");
    while (query.step()) {
      rows.push_back(cat(query.text(0), '.', query.text(1), ' ', query.text(2), ' ',
                         query.number(3), ' ', query.text(4), ' ', query.number(5)));
    }
    return rows;
  };
  const stdfs::path fresh = folder_.path() / "fresh";
  Repository::create(fresh);
  EXPECT_EQ(columns(path() / "index.sqlite"), columns(fresh / "index.sqlite"));
}

TEST_F(GoldenV1, AnIndexThatCannotBeWrittenIsNotUpgradedAndSaysSo) {
  using stdfs::perms;
  const perms readable = perms::owner_read | perms::group_read | perms::others_read;
  const perms folder = readable | perms::owner_exec | perms::group_exec | perms::others_exec;
  for (const auto& entry : stdfs::recursive_directory_iterator(path())) {
    stdfs::permissions(entry.path(), entry.is_directory() ? folder : readable);
  }
  // SQLite reads only where it may write beside the index.
  stdfs::permissions(path(), perms::all);
  stdfs::permissions(folder_.path(), folder);
  const auto open_it = [this] {
    // Nothing is read-only to root.
    if (::geteuid() == 0 && ::setresuid(65534, 65534, 65534) != 0) std::exit(2);
    try {
      Repository reader(path(), Repository::Access::read);
    } catch (const Error& error) {
      std::fprintf(stderr, "%s\n", error.what());
      std::exit(error.code() == Errc::read_only ? 0 : 3);
    }
    std::exit(1);
  };
  EXPECT_EXIT(open_it(), testing::ExitedWithCode(0), "cannot be upgraded");
  stdfs::permissions(folder_.path(), perms::owner_all);
  for (const auto& entry : stdfs::recursive_directory_iterator(path())) {
    if (entry.is_directory()) stdfs::permissions(entry.path(), perms::owner_all);
  }
  stdfs::permissions(path(), perms::owner_all);
}

TEST_F(GoldenV1, TakesCommitsAndDeltasAndIsRebuiltFromThePacksOfBothFormats) {
  open();
  Buffer changed = file_of("main", "model/f32.safetensors");
  for (std::size_t i = changed.size() / 2; i < changed.size(); i += 4) changed[i] ^= std::byte{3};
  const Buffer other = file_of("main", "model/model.gguf");
  commit_files({{"changed.safetensors", changed}, {"same.gguf", other}});
  EXPECT_EQ(pack().failed, 0u);

  const ContentId old = find_path(repository(), resolve(repository(), "first"),
                                  "model/f32.safetensors")->content;
  const SegmentMap map = repository().catalog().read(
      [&](Database& database) { return load_segment_map(database, old); });
  const auto base = std::max_element(
      map.blocks().begin(), map.blocks().end(),
      [](const BlockRef& a, const BlockRef& b) { return a.plain_length < b.plain_length; });
  const Buffer plain = trained(plain_of(*base), 1);
  EXPECT_EQ(put({{plain, base_on({*base})}}).blocks().front().encoding, Encoding::delta);

  for (const bool rebuilt : {false, true}) {
    SCOPED_TRACE(rebuilt);
    repository_.reset();
    if (rebuilt) {
      // From the packs alone.
      stdfs::remove(path() / "index.sqlite");
      EXPECT_EQ(rebuild(path(), nullptr).lost, std::vector<std::string>());
    }
    open();
    expect_all_files();
    expect_clean();
    EXPECT_EQ(bytes_of(content_of(changed)), changed);
    EXPECT_EQ(bytes_of(content_of(plain)), plain);
  }
}

TEST_F(GoldenV1, IsRebuiltWithTheHelpOfItsOldIndex) {
  EXPECT_EQ(rebuild(path(), nullptr).lost, std::vector<std::string>());
  EXPECT_EQ(index_version_on_disk(), index_version);
  open();
  expect_all_files();
  expect_clean();
}

}  // namespace
}  // namespace wfs
