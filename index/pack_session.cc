#include "index/pack_session.h"

#include <utility>

#include "base/error.h"
#include "base/fault.h"
#include "codec/zstd.h"
#include "index/base_policy.h"
#include "index/block_rows.h"
#include "index/content_rows.h"
#include "index/similarity.h"
#include "index/staged_rows.h"

namespace wfs {
namespace {

constexpr std::size_t queue_blocks_max = 128;
constexpr std::uint64_t queue_bytes_max = 8 << 20;
constexpr std::size_t group_blocks_max = 16;
constexpr std::uint64_t group_bytes_max = 1 << 20;

}  // namespace

PackSession::OpenFile::OpenFile(PackedFile of)
    : file(std::move(of)), report(file.record.layout), check(*file.staged) {}

PackSession::PackSession(Repository& repository, Pool& pool, Options options)
    : repository_(repository),
      pool_(pool),
      options_(options),
      work_(repository, open_blocks_, options.name) {}

PackSession::~PackSession() { abandon(); }

void PackSession::begin(const ContentId& id, std::shared_ptr<StagedFile> staged, Layout layout) {
  expects(!open_, "one content is packed at a time");
  PackedFile file{id, std::move(staged), {}, {}, 0, nullptr};
  file.record.size = file.staged->size();
  file.record.layout = std::move(layout);
  open_ = std::make_unique<OpenFile>(std::move(file));
  asked_for_open_ = false;
}

void PackSession::add_block(const PlainBlock& block, Bases bases) {
  Group& group = open_->group;
  if (group.bytes + block.range.length > group_bytes_max) submit_group();
  group.bytes += block.range.length;
  group.tasks.push_back({block, std::move(bases), begins_segment(block)});
  if (group.tasks.size() == group_blocks_max) submit_group();
}

bool PackSession::begins_segment(const PlainBlock& block) {
  const auto& segments = open_->file.record.layout.segments;
  std::size_t& at = open_->segment;
  while (at + 1 < segments.size() && segments[at].range.end() <= block.range.offset) ++at;
  return at == segments.size() || segments[at].range.offset == block.range.offset;
}

void PackSession::submit_group() {
  Group group = std::exchange(open_->group, {});
  if (group.tasks.empty()) return;
  Pending pending;
  pending.bytes = group.bytes;
  pending.packs_sealed = packs_sealed_;
  std::vector<Buffer> memory(group.tasks.size());
  for (std::size_t i = 0; i < group.tasks.size(); ++i) {
    pending.blocks.push_back(group.tasks[i].block);
    if (spare_.empty()) continue;
    memory[i] = std::move(spare_.back());
    spare_.pop_back();
  }
  pending.worked = pool_.submit([this, file = open_->file.staged, tasks = std::move(group.tasks),
                                 memory = std::move(memory)]() mutable {
    std::vector<WorkedBlock> worked;
    EncodeAdvice advice;
    for (std::size_t i = 0; i < tasks.size(); ++i) {
      worked.push_back(work_.work(*file, tasks[i], advice, std::move(memory[i])));
    }
    return worked;
  });
  queue_bytes_ += pending.bytes;
  queue_blocks_ += pending.blocks.size();
  queue_.push_back(std::move(pending));
  while (queue_blocks_ > queue_blocks_max || queue_bytes_ > queue_bytes_max) take_first();
}

void PackSession::end() {
  submit_group();
  while (!queue_.empty()) take_first();
  PackedFile& file = open_->file;
  if (!open_->check.finds(file.id)) {
    fail(Errc::corrupt, cat("staged file ", static_cast<std::int64_t>(file.staged->id()),
                            " has changed on disk; check the disk"));
  }
  ContentRecord& record = file.record;
  record.health = open_->report.finish();
  Buffer bytes = record_of(record);
  if (bytes.size() > record_plain_max) {
    // Tensors beyond all measure: the bytes are kept, their description is not.
    record.health.clear();
    record.layout = {};
    record.layout.segments = cover(record.size, {});
    record.layout.reason = "the description of its tensors is too long";
    bytes = record_of(record);
  }
  append_record(RecordType::content, file.id.digest.bytes, bytes);
  maps_[file.id] = std::make_shared<const SegmentMap>(record.layout, file.blocks);
  files_.push_back(std::move(file));
  open_.reset();
  if (writer_->bytes() >= options_.pack_bytes_max) finish_pack();
}

void PackSession::abandon() {
  // The pool may still read what belongs to the repository.
  for (const Pending& pending : queue_) {
    if (pending.worked.valid()) pending.worked.wait();
  }
  queue_.clear();
  queue_blocks_ = 0;
  queue_bytes_ = 0;
  open_.reset();
}

void PackSession::add_tree(const UnpackedRecord& tree) {
  append_record(RecordType::tree, tree.id.bytes, tree.record);
  trees_.push_back(TreeId{tree.id});
}

void PackSession::add_commit(const UnpackedRecord& commit) {
  append_record(RecordType::commit, commit.id.bytes, commit.record);
  commits_.push_back(CommitId{commit.id});
}

void PackSession::finish_pack() {
  if (!writer_) return;
  const PackId id = writer_->seal();
  const std::uint64_t size = writer_->bytes();
  repository_.catalog().write(Durability::now, [&](Database& database) {
    put_blocks(database, insert_pack(database, id, size));
    for (PackedFile& file : files_) put_content(database, file);
    for (const TreeId& tree : trees_) set_tree_packed(database, tree);
    for (const CommitId& commit : commits_) set_commit_packed(database, commit);
    fault_point("packing.before_commit");
  });
  fault_point("packing.after_commit");
  for (PackedFile& file : files_) {
    file.staged->set_content(file.id);
    file.staged->forward(repository_.contents().packed(file.id, file.map));
    repository_.contents().forget(file.id);
  }
  if (open_) take_places(open_->file.blocks);
  writer_.reset();
  ++packs_sealed_;
  blocks_.clear();
  by_id_.clear();
  open_blocks_.clear();
  files_.clear();
  maps_.clear();
  trees_.clear();
  commits_.clear();
}

std::shared_ptr<const SegmentMap> PackSession::find_map(const ContentId& id) const {
  if (open_ && open_->file.id == id) asked_for_open_ = true;
  const auto at = maps_.find(id);
  return at == maps_.end() ? nullptr : at->second;
}

void PackSession::take_first() {
  Pending pending = std::move(queue_.front());
  queue_.pop_front();
  queue_bytes_ -= pending.bytes;
  queue_blocks_ -= pending.blocks.size();
  std::vector<WorkedBlock> worked = pending.worked.get();
  for (std::size_t i = 0; i < worked.size(); ++i) {
    take(pending.blocks[i], pending.packs_sealed, std::move(worked[i]));
  }
}

void PackSession::take(const PlainBlock& block, unsigned packs_sealed, WorkedBlock worked) {
  open_->check.add(worked.plain);
  if (worked.health) open_->report.add(block.range.offset, *worked.health);
  // What was fresh may be in a pack that was sealed meanwhile.
  const bool fresh = worked.verdict && worked.verdict->kind == Verdict::Kind::fresh;
  if (fresh && packs_sealed != packs_sealed_ && work_.find_known(worked.id)) {
    worked.verdict.reset();
  }
  place(worked.plain, block, worked.id, std::move(worked.verdict));
  spare_.push_back(std::move(worked.plain));
  if (writer_ && writer_->bytes() >= options_.pack_bytes_max) finish_pack();
}

void PackSession::place(Bytes plain, const PlainBlock& block, const BlockId& id,
                        std::optional<Verdict> verdict) {
  if (const auto at = by_id_.find(id); at != by_id_.end()) {
    const auto stored = work_.load(blocks_[at->second]);
    const bool same = same_bytes(*stored, plain);
    verdict.emplace();
    verdict->kind = same ? Verdict::Kind::stored : Verdict::Kind::collides;
    verdict->known = blocks_[at->second];
  }
  if (!verdict) verdict = work_.judge(id, plain, block.dtype, {});
  PackedFile& file = open_->file;
  switch (verdict->kind) {
    case Verdict::Kind::fresh:
      file.blocks.push_back(append_block(std::move(*verdict), id, block.range));
      break;
    case Verdict::Kind::stored: file.blocks.push_back(*verdict->known); break;
    case Verdict::Kind::collides: {
      const std::size_t half = plain.size() / 2;
      if (half == 0) fail(Errc::corrupt, cat("a byte collides with block ", hex(id)));
      for (const Range part : {Range{0, half}, Range{half, plain.size() - half}}) {
        const Bytes bytes = plain.subspan(part.offset, part.length);
        const Range range{block.range.offset + part.offset, part.length};
        place(bytes, {range, Dtype::opaque}, work_.name(bytes), std::nullopt);
      }
      return;
    }
  }
  file.record.blocks.push_back({id, static_cast<std::uint32_t>(plain.size())});
}

BlockRef PackSession::append_block(Verdict verdict, const BlockId& id, const Range& range) {
  const RecordHeader header = header_of(verdict, id, static_cast<std::uint32_t>(range.length));
  BlockRef block;
  block.id = id;
  block.number = verdict.known ? verdict.known->number : 0;
  block.payload_length = static_cast<std::uint32_t>(verdict.payload.size());
  block.plain_length = header.plain_length;
  block.encoding = verdict.encoding;
  if (verdict.base) {
    block.base = resolved(*verdict.base);
    block.depth = static_cast<std::uint8_t>(depth_over(*block.base));
  }
  block.offset = writer().append(header, verdict.payload);
  by_id_.emplace(id, blocks_.size());
  blocks_.push_back(block);
  open_blocks_.put(id, {open_->file.staged, range});
  open_->file.stored_bytes += verdict.payload.size();
  stored_bytes_ += verdict.payload.size();
  return block;
}

// With the places its blocks have now: the pack they were in when it was picked may be sealed.
std::shared_ptr<const BlockBase> PackSession::resolved(const BlockBase& base) {
  auto with_places = std::make_shared<BlockBase>(base);
  for (BlockRef& block : with_places->blocks) {
    if (const auto at = by_id_.find(block.id); at != by_id_.end()) {
      block = blocks_[at->second];
    } else if (block.pack == 0) {
      const auto known = work_.find_known(block.id);
      if (!known) fail(Errc::corrupt, cat("the index lacks block ", hex(block.id)));
      block = *known;
    }
  }
  return with_places;
}

void PackSession::append_record(RecordType type, Bytes id, Bytes record) {
  RecordHeader header;
  header.type = type;
  header.id = record_id(id);
  header.plain_length = static_cast<std::uint32_t>(record.size());
  Buffer compressed(record.size());
  const std::size_t length = zstd_compress(record, compressed, ZstdEffort::normal);
  if (length > 0 && length < record.size()) {
    header.encoding = Encoding::zstd;
    writer().append(header, Bytes(compressed).first(length));
  } else {
    writer().append(header, record);
  }
}

// Bases come before the blocks that use them, so each has its row when it is named.
void PackSession::put_blocks(Database& database, std::int64_t pack) {
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    BlockRef& block = blocks_[i];
    if (block.base) {
      auto base = std::make_shared<BlockBase>(*block.base);
      for (BlockRef& of : base->blocks) {
        const auto at = by_id_.find(of.id);
        if (at != by_id_.end() && at->second < i) of = blocks_[at->second];
      }
      block.base = std::move(base);
    }
    block.pack = pack;
    if (block.number == 0) {
      block.number = insert_block(database, block);
    } else {
      move_block(database, block);
    }
  }
}

void PackSession::take_places(std::vector<BlockRef>& blocks) const {
  for (BlockRef& block : blocks) {
    if (block.pack == 0) block = blocks_[by_id_.at(block.id)];
  }
}

void PackSession::put_content(Database& database, PackedFile& file) {
  take_places(file.blocks);
  file.map = std::make_shared<const SegmentMap>(file.record.layout, std::move(file.blocks));
  put_packed_content(database, file.id, *file.map, file.stored_bytes, file.record.health);
  put_sketches(database, file.id, {});  // it was looked at; what was found is there
  const std::uint64_t size = file.record.size;
  put_staged(database, {file.staged->id(), size, file.id, StagedId::none, size, {}});
}

PackWriter& PackSession::writer() {
  if (!writer_) writer_.emplace(repository_.packs().folder());
  return *writer_;
}

}  // namespace wfs
