#include "index/packing.h"

#include <memory>
#include <optional>
#include <utility>

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

// A content that is about to be packed.
struct Prepared {
  explicit Prepared(std::shared_ptr<StagedFile> file)
      : staged(std::move(file)),
        bytes(*staged),
        layout(layout_of(bytes)),
        sketches(sketch_tensors(bytes, layout)) {}

  std::shared_ptr<StagedFile> staged;
  StagedBytes bytes;
  Layout layout;
  std::vector<TensorSketch> sketches;
  std::optional<BasePlan> plan;
};

std::unique_ptr<Prepared> prepare(Repository& repository, BasePicker& picker,
                                  const ContentRow& row) {
  auto prepared = std::make_unique<Prepared>(repository.contents().take_up(row.staged));
  prepared->plan.emplace(
      picker.plan(row.id, prepared->bytes, prepared->layout, prepared->sketches));
  return prepared;
}

// While the pool works on the content before. Nothing when that one may be a base, or when it fails: it is
// prepared when its turn comes.
std::unique_ptr<Prepared> prepare_ahead(Repository& repository, BasePicker& picker,
                                        const PackSession& session, const ContentRow& row) {
  try {
    auto prepared = prepare(repository, picker, row);
    return session.was_asked_for_open() ? nullptr : std::move(prepared);
  } catch (const Error&) {
    return nullptr;
  }
}

enum class Outcome { added, stopped };

Outcome add_content(Repository& repository, PackSession& session, const ContentRow& row,
                    const Prepared& content, const std::atomic<bool>& stop) {
  session.begin(row.id, content.staged, content.layout);
  for (const PlainBlock& block : split(content.bytes, content.layout)) {
    if (stop) return Outcome::stopped;
    session.add_block(block, content.plan->bases_of(block));
  }
  if (!content.sketches.empty()) {
    // At once: the next content of this round may be like it.
    repository.catalog().write(Durability::later, [&](Database& database) {
      put_sketches(database, row.id, content.sketches);
    });
  }
  return Outcome::added;
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
  std::unique_ptr<Prepared> next;
  for (std::size_t i = 0; i < work.contents.size() && !stop; ++i) {
    const ContentRow& row = work.contents[i];
    try {
      const auto content = next ? std::exchange(next, nullptr) : prepare(repository, picker, row);
      if (add_content(repository, session, row, *content, stop) == Outcome::added) {
        if (i + 1 < work.contents.size()) {
          next = prepare_ahead(repository, picker, session, work.contents[i + 1]);
        }
        session.end();
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
