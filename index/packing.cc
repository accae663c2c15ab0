#include "index/packing.h"

#include "base/error.h"
#include "base/log.h"
#include "codec/split.h"
#include "index/base_picker.h"
#include "index/content_rows.h"
#include "index/pack_session.h"

namespace wfs {
namespace {

// Bytes of a staged file; that they cannot be read is damage of this content.
class StagedBytes final : public ByteSource {
 public:
  explicit StagedBytes(const StagedFile& file) : file_(file) {}

  std::uint64_t size() const override { return file_.size(); }
  void read(std::uint64_t offset, MutableBytes to) const override { read_staged(file_, offset, to); }

 private:
  const StagedFile& file_;
};

enum class Outcome { packed, stopped };

Outcome pack_content(Repository& repository, BasePicker& picker, PackSession& session,
                     const ContentRow& row, const std::atomic<bool>& stop) {
  const auto staged = repository.contents().take_up(row.staged);
  const StagedBytes bytes(*staged);
  const Layout layout = layout_of(bytes);
  const auto sketches = sketch_tensors(bytes, layout);
  const BasePlan plan = picker.plan(row.id, bytes, layout, sketches);
  session.begin(row.id, staged, layout);
  for (const PlainBlock& block : split(bytes, layout)) {
    if (stop) return Outcome::stopped;
    session.add_block(block, plan.bases_of(block));
  }
  session.end();
  if (!sketches.empty()) {
    // At once: the next content of this round may be like it.
    repository.catalog().write(Durability::later, [&](Database& database) {
      put_sketches(database, row.id, sketches);
    });
  }
  return Outcome::packed;
}

// What there is to pack, of one moment: every content these commits name is packed, or among the staged ones.
struct Work {
  std::vector<ContentRow> contents;
  std::vector<UnpackedRecord> trees;
  std::vector<UnpackedRecord> commits;
  ContentUses uses;
};

Work find_work(Repository& repository) {
  return repository.catalog().read([](Database& database) {
    Work work{staged_contents(database), unpacked_trees(database), unpacked_commits(database), {}};
    std::unordered_set<ContentId> ids;
    for (const ContentRow& row : work.contents) ids.insert(row.id);
    if (!ids.empty()) work.uses = uses_of(database, work.commits, ids);
    return work;
  });
}

}  // namespace

Packed pack_pending(Repository& repository, Pool& pool, const std::atomic<bool>& stop) {
  Work work = find_work(repository);
  Packed packed;
  PackSession session(repository, pool, {});
  BasePicker picker(repository, session, std::move(work.uses));
  picker.sort(work.contents);
  for (const ContentRow& row : work.contents) {
    if (stop) break;
    try {
      if (pack_content(repository, picker, session, row, stop) == Outcome::packed) {
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
    for (const UnpackedRecord& tree : work.trees) session.add_tree(tree);
    for (const UnpackedRecord& commit : work.commits) session.add_commit(commit);
  }
  session.finish_pack();
  packed.stored_bytes = session.stored_bytes();
  return packed;
}

}  // namespace wfs
