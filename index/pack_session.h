// What one round of packing appends: blocks, each once, and the records that name them; and how a sealed
// pack gets into the index. A pack that has grown long enough is sealed on the way, also inside of a
// content. One thread; the pool encodes and compares.
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
#include "index/commit_rows.h"
#include "index/content_record.h"
#include "index/pack_writer.h"
#include "index/repository.h"

namespace wfs {

BlockId block_id_of(Bytes plain);

class PackSession {
 public:
  struct Options {
    std::uint64_t pack_bytes_max = std::uint64_t{512} << 20;
    BlockId (*name)(Bytes plain) = block_id_of;
  };

  PackSession(Repository& repository, Pool& pool, Options options);
  ~PackSession();
  PackSession(PackSession&&) = delete;

  void begin(const ContentId& id, std::shared_ptr<StagedFile> staged, const Layout& layout);
  // The next bytes of the content that was begun. Throws Errc::io, Errc::no_space.
  void add_block(Buffer plain, Dtype dtype);
  void end(std::string health);
  // Instead of end(): the content stays in staging; blocks of it that are in a pack may serve another one.
  void abandon();

  void add_tree(const UnpackedRecord& tree);
  void add_commit(const UnpackedRecord& commit);

  // Seals the pack, if there is one, and names it and what it holds in the index, in one transaction.
  void finish_pack();

  std::uint64_t stored_bytes() const noexcept { return stored_bytes_; }

 private:
  // What is to be done with a block.
  struct Verdict {
    enum class Kind { stored, collides, fresh };
    Kind kind = Kind::fresh;
    EncodedBlock encoded;   // fresh
    std::int64_t row = 0;   // fresh: the row whose own bytes are damaged; 0: none
  };
  struct Pending {
    std::shared_ptr<const Buffer> plain;  // shared with the thread that encodes it
    Dtype dtype = Dtype::opaque;
    BlockId id;
    std::future<Verdict> verdict;  // none: the block is expected in the pack being written
  };
  // A content whose blocks are appended or known.
  struct PackedFile {
    ContentId id;
    std::shared_ptr<StagedFile> staged;
    ContentRecord record;
    std::uint64_t stored_bytes = 0;
  };

  static Verdict judge(BlockStore& blocks, const std::optional<BlockRef>& known, Bytes plain,
                       Dtype dtype);
  std::optional<BlockRef> find_known(const BlockId& id);
  bool expected_in_pack(const BlockId& id) const;
  void take_first();
  void place(Bytes plain, Dtype dtype, const BlockId& id, std::optional<Verdict> verdict);
  void append_block(const Verdict& verdict, const BlockId& id, std::size_t plain_length);
  void append_record(RecordType type, Bytes id, Bytes record);
  std::shared_ptr<const SegmentMap> put_content(Database& database, const PackedFile& file);
  PackWriter& writer();

  Repository& repository_;
  Pool& pool_;
  const Options options_;
  std::uint64_t stored_bytes_ = 0;
  std::optional<PackedFile> open_;  // between begin() and end()
  std::deque<Pending> queue_;       // its blocks that are not placed yet

  std::optional<PackWriter> writer_;
  std::vector<BlockRef> blocks_;                    // of this pack, in order; number 0: a new row
  std::unordered_map<BlockId, std::size_t> by_id_;  // their places in blocks_
  std::vector<PackedFile> files_;
  std::vector<TreeId> trees_;
  std::vector<CommitId> commits_;
};

}  // namespace wfs
