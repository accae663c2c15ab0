#include "index/pack_session.h"

#include <algorithm>

#include "base/error.h"
#include "base/fault.h"
#include "codec/decode.h"
#include "codec/encode.h"
#include "codec/zstd.h"
#include "index/content_rows.h"
#include "index/staged_rows.h"

namespace wfs {
namespace {

constexpr std::size_t queue_blocks_max = 32;

EncodedBlock encode_verified(Bytes plain, Dtype dtype) {
  EncodedBlock encoded = encode(plain, dtype);
  Buffer decoded(plain.size());
  decode(encoded.encoding, encoded.payload, {}, decoded);
  if (!std::equal(plain.begin(), plain.end(), decoded.begin())) {
    fail(Errc::io, "a block does not decode to what was encoded; check the memory");
  }
  return encoded;
}

std::array<std::byte, 32> filled_up(Bytes id) {
  std::array<std::byte, 32> bytes{};
  std::copy(id.begin(), id.end(), bytes.begin());
  return bytes;
}

}  // namespace

BlockId block_id_of(Bytes plain) { return BlockId{xxh3_128(plain)}; }

PackSession::PackSession(Repository& repository, Pool& pool, Options options)
    : repository_(repository), pool_(pool), options_(options) {}

PackSession::~PackSession() { abandon(); }

void PackSession::begin(const ContentId& id, std::shared_ptr<StagedFile> staged,
                        const Layout& layout) {
  expects(!open_, "one content is packed at a time");
  open_.emplace(PackedFile{id, std::move(staged), {}, 0});
  open_->record.size = open_->staged->size();
  open_->record.layout = layout;
}

void PackSession::add_block(Buffer plain, Dtype dtype) {
  Pending pending{std::make_shared<const Buffer>(std::move(plain)), dtype, {}, {}};
  pending.id = options_.name(*pending.plain);
  if (!expected_in_pack(pending.id)) {
    pending.verdict = pool_.submit([&blocks = repository_.blocks(), known = find_known(pending.id),
                                    bytes = pending.plain, dtype] {
      return judge(blocks, known, *bytes, dtype);
    });
  }
  queue_.push_back(std::move(pending));
  if (queue_.size() >= queue_blocks_max) take_first();
}

void PackSession::end(std::string health) {
  while (!queue_.empty()) take_first();
  ContentRecord& record = open_->record;
  record.health = std::move(health);
  Buffer bytes = record_of(record);
  if (bytes.size() > record_plain_max) {
    // Tensors beyond all measure: the bytes are kept, their description is not.
    record.health.clear();
    record.layout = {};
    record.layout.segments = cover(record.size, {});
    record.layout.reason = "the description of its tensors is too long";
    bytes = record_of(record);
  }
  append_record(RecordType::content, open_->id.digest.bytes, bytes);
  files_.push_back(std::move(*open_));
  open_.reset();
  if (writer_->bytes() >= options_.pack_bytes_max) finish_pack();
}

void PackSession::abandon() {
  // The pool may still read what belongs to the repository.
  for (const Pending& pending : queue_) {
    if (pending.verdict.valid()) pending.verdict.wait();
  }
  queue_.clear();
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
  std::vector<std::shared_ptr<const SegmentMap>> maps;
  repository_.catalog().write(Durability::now, [&](Database& database) {
    const std::int64_t pack = insert_pack(database, id, size);
    for (BlockRef& block : blocks_) {
      block.pack = pack;
      if (block.number == 0) {
        block.number = insert_block(database, block);
      } else {
        move_block(database, block);
      }
    }
    for (const PackedFile& file : files_) maps.push_back(put_content(database, file));
    for (const TreeId& tree : trees_) set_tree_packed(database, tree);
    for (const CommitId& commit : commits_) set_commit_packed(database, commit);
    fault_point("packing.before_commit");
  });
  fault_point("packing.after_commit");
  for (std::size_t i = 0; i < files_.size(); ++i) {
    PackedFile& file = files_[i];
    file.staged->set_content(file.id);
    file.staged->forward(std::make_shared<const PackedContent>(maps[i], repository_.blocks()));
    repository_.contents().forget(file.id);
  }
  writer_.reset();
  blocks_.clear();
  by_id_.clear();
  files_.clear();
  trees_.clear();
  commits_.clear();
}

PackSession::Verdict PackSession::judge(BlockStore& blocks, const std::optional<BlockRef>& known,
                                        Bytes plain, Dtype dtype) {
  Verdict verdict;
  if (known) {
    try {
      const Buffer stored = blocks.load_uncached(*known);
      const bool same = std::equal(stored.begin(), stored.end(), plain.begin(), plain.end());
      verdict.kind = same ? Verdict::Kind::stored : Verdict::Kind::collides;
      return verdict;
    } catch (const Error& error) {
      if (error.code() != Errc::corrupt) throw;
      verdict.row = known->number;  // these bytes replace what is damaged
    }
  }
  verdict.encoded = encode_verified(plain, dtype);
  return verdict;
}

std::optional<BlockRef> PackSession::find_known(const BlockId& id) {
  return repository_.catalog().read([&](Database& database) { return find_block(database, id); });
}

bool PackSession::expected_in_pack(const BlockId& id) const {
  if (by_id_.contains(id)) return true;
  return std::any_of(queue_.begin(), queue_.end(),
                     [&](const Pending& pending) { return pending.id == id; });
}

void PackSession::take_first() {
  Pending pending = std::move(queue_.front());
  queue_.pop_front();
  std::optional<Verdict> verdict;
  if (pending.verdict.valid()) verdict = pending.verdict.get();
  place(*pending.plain, pending.dtype, pending.id, std::move(verdict));
  if (writer_ && writer_->bytes() >= options_.pack_bytes_max) finish_pack();
}

void PackSession::place(Bytes plain, Dtype dtype, const BlockId& id,
                        std::optional<Verdict> verdict) {
  if (const auto at = by_id_.find(id); at != by_id_.end()) {
    const BlockRef& block = blocks_[at->second];
    Buffer stored(block.plain_length);
    decode(block.encoding, writer_->read({block.offset, block.payload_length}), {}, stored);
    const bool same = std::equal(stored.begin(), stored.end(), plain.begin(), plain.end());
    verdict = Verdict{same ? Verdict::Kind::stored : Verdict::Kind::collides, {}, 0};
  }
  if (!verdict) verdict = judge(repository_.blocks(), find_known(id), plain, dtype);
  switch (verdict->kind) {
    case Verdict::Kind::fresh: append_block(*verdict, id, plain.size()); break;
    case Verdict::Kind::stored: break;
    case Verdict::Kind::collides:
      if (plain.size() < 2) fail(Errc::corrupt, cat("a byte collides with block ", hex(id)));
      for (const Bytes half : {plain.first(plain.size() / 2), plain.subspan(plain.size() / 2)}) {
        place(half, Dtype::opaque, options_.name(half), std::nullopt);
      }
      return;
  }
  open_->record.blocks.push_back({id, static_cast<std::uint32_t>(plain.size())});
}

void PackSession::append_block(const Verdict& verdict, const BlockId& id,
                               std::size_t plain_length) {
  const EncodedBlock& encoded = verdict.encoded;
  RecordHeader header;
  header.encoding = encoded.encoding;
  header.plain_length = static_cast<std::uint32_t>(plain_length);
  header.id = filled_up(id.hash.bytes);
  BlockRef block;
  block.id = id;
  block.number = verdict.row;
  block.offset = writer().append(header, encoded.payload);
  block.payload_length = static_cast<std::uint32_t>(encoded.payload.size());
  block.plain_length = header.plain_length;
  block.encoding = encoded.encoding;
  by_id_.emplace(id, blocks_.size());
  blocks_.push_back(block);
  open_->stored_bytes += encoded.payload.size();
  stored_bytes_ += encoded.payload.size();
}

void PackSession::append_record(RecordType type, Bytes id, Bytes record) {
  RecordHeader header;
  header.type = type;
  header.id = filled_up(id);
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

std::shared_ptr<const SegmentMap> PackSession::put_content(Database& database,
                                                           const PackedFile& file) {
  std::vector<BlockRef> blocks;
  blocks.reserve(file.record.blocks.size());
  for (const auto& name : file.record.blocks) {
    const auto at = by_id_.find(name.id);
    const auto known = at == by_id_.end() ? find_block(database, name.id)
                                          : std::optional(blocks_[at->second]);
    if (!known) fail(Errc::corrupt, cat("the index lacks block ", hex(name.id)));
    blocks.push_back(*known);
  }
  auto map = std::make_shared<const SegmentMap>(file.record.layout, std::move(blocks));
  put_packed_content(database, file.id, *map, file.stored_bytes, file.record.health);
  const std::uint64_t size = file.record.size;
  put_staged(database, {file.staged->id(), size, file.id, StagedId::none, size, {}});
  return map;
}

PackWriter& PackSession::writer() {
  if (!writer_) writer_.emplace(repository_.packs().folder());
  return *writer_;
}

}  // namespace wfs
