// What one round of packing appends: blocks, each once, and the records that name them; and how a sealed
// pack gets into the index. A pack that has grown long enough is sealed on the way, also inside of a
// content. One thread; the pool reads, encodes and compares, and what it gives is placed in order.
//
// Blocks are named by a hash that can be made to collide. A block whose name is taken by other bytes is
// cut in two, which gives it two other names: colliding blocks cost space, never data.
#pragma once

#include <deque>
#include <future>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/pool.h"
#include "index/block_work.h"
#include "index/commit_rows.h"
#include "index/content_check.h"
#include "index/content_record.h"
#include "index/pack_writer.h"
#include "index/repository.h"
#include "index/tensor_report.h"

namespace wfs {

class PackSession {
 public:
  struct Options {
    std::uint64_t pack_bytes_max = std::uint64_t{512} << 20;
    BlockId (*name)(Bytes plain) = block_id_of;
  };

  PackSession(Repository& repository, Pool& pool, Options options);
  ~PackSession();
  PackSession(PackSession&&) = delete;

  void begin(const ContentId& id, std::shared_ptr<StagedFile> staged, Layout layout);
  // The next bytes of the content that was begun, and what they may be encoded against. Throws
  // Errc::corrupt when they cannot be read, Errc::io, Errc::no_space.
  void add_block(const PlainBlock& block, Bases bases = {});
  // Throws Errc::corrupt when the bytes are not those of the content.
  void end();
  // Instead of end(): the content stays in staging; blocks of it that are in a pack may serve another one.
  void abandon();

  void add_tree(const UnpackedRecord& tree);
  void add_commit(const UnpackedRecord& commit);

  // Seals the pack, if there is one, and names it and what it holds in the index, in one transaction.
  void finish_pack();

  // The map of a content that was ended and whose pack is not sealed: blocks of this pack have pack 0 and
  // number 0 in it. Null for any other.
  std::shared_ptr<const SegmentMap> find_map(const ContentId& id) const;
  // Whether find_map() was asked for the content that is open: once it is ended, the answer is another one.
  bool was_asked_for_open() const noexcept { return asked_for_open_; }

  std::uint64_t stored_bytes() const noexcept { return stored_bytes_; }

 private:
  // Neighbours that one thread of the pool works on, one after the other: what it finds out about the first
  // spares it the search for the others of the same tensor.
  struct Group {
    std::vector<BlockTask> tasks;
    std::uint64_t bytes = 0;
  };
  struct Pending {
    std::vector<PlainBlock> blocks;
    std::uint64_t bytes = 0;
    std::future<std::vector<WorkedBlock>> worked;
    unsigned packs_sealed = 0;  // when it was given to the pool
  };
  // A content whose blocks are appended or known.
  struct PackedFile {
    ContentId id;
    std::shared_ptr<StagedFile> staged;
    ContentRecord record;
    std::vector<BlockRef> blocks;  // those of the pack being written have pack 0
    std::uint64_t stored_bytes = 0;
    std::shared_ptr<const SegmentMap> map;  // once the pack is sealed
  };
  // The content between begin() and end().
  struct OpenFile {
    explicit OpenFile(PackedFile of);
    PackedFile file;
    TensorReport report;
    ContentCheck check;
    std::size_t segment = 0;  // of the block that was added last
    Group group;              // not given to the pool yet
  };

  bool begins_segment(const PlainBlock& block);
  void submit_group();
  void take_first();
  void take(const PlainBlock& block, unsigned packs_sealed, WorkedBlock worked);
  void place(Bytes plain, const PlainBlock& block, const BlockId& id,
             std::optional<Verdict> verdict);
  BlockRef append_block(Verdict verdict, const BlockId& id, const Range& range);
  std::shared_ptr<const BlockBase> resolved(const BlockBase& base);
  void append_record(RecordType type, Bytes id, Bytes record);
  void put_blocks(Database& database, std::int64_t pack);
  void put_content(Database& database, PackedFile& file);
  void take_places(std::vector<BlockRef>& blocks) const;
  PackWriter& writer();

  Repository& repository_;
  Pool& pool_;
  const Options options_;
  OpenBlocks open_blocks_;
  BlockWork work_;
  std::uint64_t stored_bytes_ = 0;
  unsigned packs_sealed_ = 0;
  std::unique_ptr<OpenFile> open_;
  mutable bool asked_for_open_ = false;
  std::deque<Pending> queue_;  // its blocks that are not placed yet
  std::size_t queue_blocks_ = 0;
  std::uint64_t queue_bytes_ = 0;
  std::vector<Buffer> spare_;  // memory of blocks that are placed, for the next ones

  std::optional<PackWriter> writer_;
  std::vector<BlockRef> blocks_;                    // of this pack, in order; number 0: a new row
  std::unordered_map<BlockId, std::size_t> by_id_;  // their places in blocks_
  std::vector<PackedFile> files_;
  std::unordered_map<ContentId, std::shared_ptr<const SegmentMap>> maps_;  // of files_
  std::vector<TreeId> trees_;
  std::vector<CommitId> commits_;
};

}  // namespace wfs
