// What is done with one block before it is appended, apart from all others: read it from staging, name it,
// measure it, look whether it is stored, encode it against its base or alone, and decode that again. Any
// thread.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "codec/encode.h"
#include "codec/split.h"
#include "codec/tensor_health.h"
#include "index/block_base.h"
#include "index/open_blocks.h"
#include "index/pack.h"
#include "index/repository.h"

namespace wfs {

BlockId block_id_of(Bytes plain);

// What is to be done with a block.
struct Verdict {
  enum class Kind { stored, collides, fresh };
  Kind kind = Kind::fresh;
  std::optional<BlockRef> known;  // stored: as it is stored; fresh: the row whose own bytes are damaged
  Encoding encoding = Encoding::raw;
  Buffer payload;                         // fresh; of a delta with the description of its base
  std::shared_ptr<const BlockBase> base;  // of a delta
};

// The record of a block that is stored as `verdict` says; of a delta with its first base.
RecordHeader header_of(const Verdict& verdict, const BlockId& id, std::uint32_t plain_length);

// What a block may be encoded against, in the order to be tried.
using Bases = std::vector<std::shared_ptr<const BlockBase>>;

// A block of a staged file, and what may be its base.
struct BlockTask {
  PlainBlock block;
  Bases bases;
  bool begins_segment = true;  // what was found out about the block before says nothing about it
};

struct WorkedBlock {
  Buffer plain;
  BlockId id;
  std::optional<HealthMeter> health;
  std::optional<Verdict> verdict;  // none: the block is expected in the pack being written
};

class BlockWork {
 public:
  BlockWork(Repository& repository, OpenBlocks& open, BlockId (*namer)(Bytes plain))
      : repository_(repository), open_(open), name_(namer) {}

  // Throws Errc::corrupt also when the staged file cannot be read: that is its own damage and holds no
  // other content back, while a pack that cannot be written holds everybody.
  // `memory` is what the plain bytes may be put in.
  WorkedBlock work(const StagedFile& file, const BlockTask& task, EncodeAdvice& advice,
                   Buffer memory);
  Verdict judge(const BlockId& id, Bytes plain, Dtype dtype, const Bases& bases,
                EncodeAdvice* advice = nullptr);

  BlockId name(Bytes plain) const { return name_(plain); }
  std::optional<BlockRef> find_known(const BlockId& id);
  // The decoded bytes of a block, of the pack being written or of another one.
  std::shared_ptr<const Buffer> load(const BlockRef& block);

 private:
  Repository& repository_;
  OpenBlocks& open_;
  BlockId (*name_)(Bytes plain);
};

// Encodes and compares what decodes from it. `load` gives decoded blocks; a base that cannot be loaded is none.
Verdict encode_verified(Bytes plain, Dtype dtype, const Bases& bases,
                        const std::function<std::shared_ptr<const Buffer>(const BlockRef&)>& load,
                        EncodeAdvice* advice = nullptr);

// Reads staged bytes; what cannot be read is Errc::corrupt.
void read_staged(const ByteSource& file, std::uint64_t offset, MutableBytes to);

}  // namespace wfs
