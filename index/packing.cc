#include "index/packing.h"

#include "base/error.h"
#include "base/log.h"
#include "codec/split.h"
#include "index/content_rows.h"
#include "index/pack_session.h"
#include "index/tensor_report.h"

namespace wfs {
namespace {

// Bytes of a staged file. That they cannot be read is its own damage and holds no other content back, while
// a pack that cannot be written holds everybody.
class StagedBytes final : public ByteSource {
 public:
  explicit StagedBytes(const StagedFile& file) : file_(file) {}

  std::uint64_t size() const override { return file_.size(); }

  void read(std::uint64_t offset, MutableBytes to) const override {
    try {
      file_.read(offset, to);
    } catch (const Error& error) {
      if (error.code() != Errc::io) throw;
      fail(Errc::corrupt, error.what());
    }
  }

 private:
  const StagedFile& file_;
};

enum class Outcome { packed, stopped };

Outcome pack_content(Repository& repository, PackSession& session, const ContentRow& row,
                     const std::atomic<bool>& stop) {
  const auto staged = repository.contents().take_up(row.staged);
  const StagedBytes bytes(*staged);
  const Layout layout = layout_of(bytes);
  TensorReport report(layout);
  Sha256 hasher;
  session.begin(row.id, staged, layout);
  for (const PlainBlock& block : split(bytes, layout)) {
    if (stop) return Outcome::stopped;
    Buffer plain(block.range.length);
    bytes.read(block.range.offset, plain);
    hasher.add(plain);
    report.add(block.range.offset, plain);
    session.add_block(std::move(plain), block.dtype);
  }
  if (ContentId{hasher.finish()} != row.id) {
    fail(Errc::corrupt, cat("staged file ", static_cast<std::int64_t>(row.staged),
                            " has changed on disk; check the disk"));
  }
  session.end(report.finish());
  return Outcome::packed;
}

}  // namespace

Packed pack_pending(Repository& repository, Pool& pool, const std::atomic<bool>& stop) {
  // Of one moment: every content these commits name is packed, or among the staged ones.
  const auto [contents, trees, commits] = repository.catalog().read([](Database& database) {
    return std::tuple(staged_contents(database), unpacked_trees(database),
                      unpacked_commits(database));
  });
  Packed packed;
  PackSession session(repository, pool, {});
  for (const ContentRow& row : contents) {
    if (stop) break;
    try {
      if (pack_content(repository, session, row, stop) == Outcome::packed) {
        ++packed.contents;
        packed.plain_bytes += row.size;
      }
    } catch (const Error& error) {
      if (error.code() != Errc::corrupt && error.code() != Errc::not_found) throw;
      log(Level::error, cat("content ", hex(row.id), " stays in staging: ", error.what()));
      ++packed.failed;
    }
    session.abandon();
  }
  // Also those that name a content which could not be packed: without the index, packs are all there is.
  if (!stop) {
    for (const UnpackedRecord& tree : trees) session.add_tree(tree);
    for (const UnpackedRecord& commit : commits) session.add_commit(commit);
  }
  session.finish_pack();
  packed.stored_bytes = session.stored_bytes();
  return packed;
}

}  // namespace wfs
