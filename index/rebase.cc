#include "index/rebase.h"

#include <deque>
#include <future>
#include <unordered_set>

#include "base/error.h"
#include "base/fault.h"
#include "base/log.h"
#include "index/base_policy.h"
#include "index/block_rows.h"
#include "index/block_work.h"
#include "index/commit_rows.h"
#include "index/content_rows.h"
#include "index/pack_writer.h"

namespace wfs {
namespace {

constexpr std::size_t blocks_under_way_max = 32;
constexpr std::uint64_t pack_bytes_max = std::uint64_t{512} << 20;
constexpr std::uint64_t hot_factor = 2;

struct DeepBlock {
  BlockRef block;
  Dtype dtype = Dtype::opaque;
  std::shared_ptr<const BlockBase> base;  // the first ancestor
};

// The farthest ancestor; null when it is no shorter way than the block has.
std::shared_ptr<const BlockBase> first_ancestor(const BlockRef& block) {
  auto at = lifted(*block.base, block.plain_length);
  for (auto next = at; next; next = lifted(*at, block.plain_length)) at = next;
  if (!at || depth_over(*at) >= block.depth) return nullptr;
  auto base = std::make_shared<BlockBase>(*at);
  base->reason = block.base->reason;
  base->position = block.base->position;
  return base;
}

std::vector<DeepBlock> deep_blocks_of(const SegmentMap& map) {
  std::vector<DeepBlock> deep;
  std::unordered_set<BlockId> seen;
  const auto& segments = map.layout().segments;
  std::size_t segment = 0;
  for (std::size_t i = 0; i < map.blocks().size(); ++i) {
    const BlockRef& block = map.blocks()[i];
    while (segment + 1 < segments.size() && segments[segment].range.end() <= map.offset_of(i)) ++segment;
    if (block.depth < 2 || !block.base || !seen.insert(block.id).second) continue;
    const auto& tensor = segments[segment].tensor;
    if (auto base = first_ancestor(block)) {
      deep.push_back({block, tensor ? tensor->dtype : Dtype::opaque, std::move(base)});
    }
  }
  return deep;
}

// Appends what is encoded anew and moves the rows.
class Mover {
 public:
  Mover(Repository& repository, Rebased& rebased) : repository_(repository), rebased_(rebased) {}

  void append(BlockRef block, const Verdict& verdict) {
    if (!writer_) writer_.emplace(repository_.packs().folder());
    block.offset =
        writer_->append(header_of(verdict, block.id, block.plain_length), verdict.payload);
    block.payload_length = static_cast<std::uint32_t>(verdict.payload.size());
    block.encoding = verdict.encoding;
    block.base = verdict.base;
    block.depth = verdict.base ? static_cast<std::uint8_t>(depth_over(*verdict.base)) : std::uint8_t{0};
    moved_.push_back(std::move(block));
    ++rebased_.blocks;
    rebased_.stored_bytes += verdict.payload.size();
    if (writer_->bytes() >= pack_bytes_max) finish();
  }

  void finish() {
    if (!writer_) return;
    const PackId id = writer_->seal();
    repository_.catalog().write(Durability::now, [&](Database& database) {
      const std::int64_t pack = insert_pack(database, id, writer_->bytes());
      for (BlockRef& block : moved_) {
        block.pack = pack;
        move_block(database, block);
      }
      fault_point("rebase.before_commit");
    });
    fault_point("rebase.after_commit");
    moved_.clear();
    writer_.reset();
  }

 private:
  Repository& repository_;
  Rebased& rebased_;
  std::optional<PackWriter> writer_;
  std::vector<BlockRef> moved_;
};

// Those of `wanted` that the tree or a folder in it names.
void find_named(Database& database, const TreeId& tree, const std::unordered_set<ContentId>& wanted,
                std::unordered_set<TreeId>& seen, std::unordered_set<ContentId>& named) {
  if (!seen.insert(tree).second) return;
  for (const TreeEntry& entry : load_tree(database, tree).entries) {
    if (entry.kind == Kind::folder) find_named(database, entry.tree, wanted, seen, named);
    if (entry.kind == Kind::file && wanted.contains(entry.content)) named.insert(entry.content);
  }
}

std::unordered_set<ContentId> named_by_tips(Database& database,
                                            const std::unordered_set<ContentId>& wanted) {
  std::unordered_set<ContentId> named;
  std::unordered_set<TreeId> seen;
  for (const Ref& ref : all_refs(database)) {
    if (ref.kind != RefKind::branch || !ref.tip) continue;
    find_named(database, load_commit(database, *ref.tip).commit.tree, wanted, seen, named);
  }
  return named;
}

}  // namespace

Rebased rebase(Repository& repository, Pool& pool, const ContentId& content,
               const std::atomic<bool>& stop) {
  Rebased rebased;
  const SegmentMap map = repository.catalog().read(
      [&](Database& database) { return load_segment_map(database, content); });
  const auto load = [&repository](const BlockRef& block) { return repository.blocks().load(block); };
  const std::vector<DeepBlock> deep = deep_blocks_of(map);
  Mover mover(repository, rebased);
  std::deque<std::pair<std::size_t, std::future<Verdict>>> queue;
  const auto wait_for_all = [&queue] {
    for (const auto& entry : queue) entry.second.wait();
  };
  const auto take_first = [&] {
    const std::size_t at = queue.front().first;
    std::future<Verdict> verdict = std::move(queue.front().second);
    queue.pop_front();
    mover.append(deep[at].block, verdict.get());
  };
  try {
    for (std::size_t i = 0; i < deep.size() && !stop; ++i) {
      queue.emplace_back(i, pool.submit([&load, &at = deep[i]] {
        return encode_verified(*load(at.block), at.dtype, {at.base}, load);
      }));
      if (queue.size() > blocks_under_way_max) take_first();
    }
    while (!queue.empty()) take_first();
    mover.finish();
  } catch (...) {
    wait_for_all();
    throw;
  }
  repository.contents().reset_deep(content);
  ++rebased.contents;
  return rebased;
}

Rebased rebase_hot(Repository& repository, Pool& pool, const std::atomic<bool>& stop) {
  Rebased all;
  std::unordered_set<ContentId> hot;
  for (const auto& [id, bytes] : repository.contents().deep_reads()) {
    const auto row = repository.catalog().read([&](Database& database) { return find_content(database, id); });
    if (row && row->staged == StagedId::none && bytes > hot_factor * row->size) hot.insert(id);
  }
  if (hot.empty()) return all;
  const auto named = repository.catalog().read(
      [&](Database& database) { return named_by_tips(database, hot); });
  for (const ContentId& id : hot) {
    if (stop) break;
    if (!named.contains(id)) {
      repository.contents().reset_deep(id);
      continue;
    }
    try {
      const Rebased rebased = rebase(repository, pool, id, stop);
      all.contents += rebased.contents;
      all.blocks += rebased.blocks;
      all.stored_bytes += rebased.stored_bytes;
    } catch (const Error& error) {
      if (error.code() != Errc::corrupt && error.code() != Errc::not_found) throw;
      log(Level::warning, cat("content ", hex(id), " cannot be rebased: ", error.what()));
      repository.contents().reset_deep(id);
    }
  }
  return all;
}

}  // namespace wfs
