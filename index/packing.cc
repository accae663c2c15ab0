#include "index/packing.h"

#include <deque>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_map>

#include "base/error.h"
#include "base/fault.h"
#include "base/log.h"
#include "codec/decode.h"
#include "codec/encode.h"
#include "codec/split.h"
#include "codec/tensor_health.h"
#include "codec/zstd.h"
#include "index/commit_rows.h"
#include "index/content_record.h"
#include "index/content_rows.h"
#include "index/pack_writer.h"
#include "index/staged_rows.h"

namespace wfs {
namespace {

constexpr std::uint64_t pack_bytes_max = std::uint64_t{512} << 20;
constexpr std::size_t window_blocks = 32;

// A block between reading and appending.
struct Pending {
  std::shared_ptr<const Buffer> plain;  // shared with the thread that encodes it
  BlockId id;
  std::future<EncodedBlock> encoded;
};

// The numbers of one content's tensors, gathered block by block.
class HealthOfTensors {
 public:
  explicit HealthOfTensors(const Layout& layout) : layout_(layout) {}

  void add(std::uint64_t offset, Bytes plain) {
    while (at_ < layout_.segments.size() && layout_.segments[at_].range.end() <= offset) next();
    if (at_ == layout_.segments.size()) return;
    const auto& tensor = layout_.segments[at_].tensor;
    if (!tensor || !HealthMeter::measures(tensor->dtype)) return;
    if (plain.size() % (bits_of(tensor->dtype) / 8) != 0) return;
    if (!meter_) meter_.emplace(tensor->dtype);
    meter_->add(plain);
  }

  std::string finish() {
    while (at_ < layout_.segments.size()) next();
    return tensors_.empty() ? "" : nlohmann::json{{"tensors", tensors_}}.dump(
        -1, ' ', true, nlohmann::json::error_handler_t::replace);
  }

 private:
  void next() {
    if (meter_) {
      const Health health = meter_->finish();
      tensors_.push_back({{"name", layout_.segments[at_].tensor->name},
                          {"count", health.count},
                          {"nan", health.nan},
                          {"inf", health.inf},
                          {"min", health.min},
                          {"max", health.max},
                          {"l2", health.l2}});
      meter_.reset();
    }
    ++at_;
  }

  const Layout& layout_;
  std::size_t at_ = 0;
  std::optional<HealthMeter> meter_;
  nlohmann::json tensors_ = nlohmann::json::array();
};

// A content whose blocks are all appended or known, waiting for the pack to be sealed.
struct PackedFile {
  ContentId id;
  std::shared_ptr<StagedFile> staged;
  ContentRecord record;
  std::uint64_t stored_bytes = 0;
};

template <std::size_t size>
std::array<std::byte, 32> id_bytes(const std::array<std::byte, size>& id) {
  std::array<std::byte, 32> bytes{};
  std::copy(id.begin(), id.end(), bytes.begin());
  return bytes;
}

class Session {
 public:
  Session(Repository& repository, Pool& pool) : repository_(repository), pool_(pool) {}

  // Appends what is new of a content; stops without it when `stop` becomes true.
  void pack_content(const ContentRow& row, const std::atomic<bool>& stop) {
    auto staged = repository_.contents().take_up(row.staged);
    PackedFile file{row.id, staged, {}, 0};
    file.record.size = staged->size();
    file.record.layout = layout_of(*staged);
    HealthOfTensors health(file.record.layout);
    Sha256 hasher;
    std::deque<Pending> window;
    for (const PlainBlock& where : split(*staged, file.record.layout)) {
      if (stop) return;
      auto read = std::make_shared<Buffer>(where.range.length);
      staged->read(where.range.offset, *read);
      hasher.add(*read);
      health.add(where.range.offset, *read);
      Pending pending{std::move(read), {}, {}};
      pending.id = BlockId{xxh3_128(*pending.plain)};
      file.record.blocks.push_back({pending.id, static_cast<std::uint32_t>(where.range.length)});
      packed_.plain_bytes += where.range.length;
      if (is_stored(pending, window)) continue;
      pending.encoded = pool_.submit([plain = pending.plain, dtype = where.dtype] {
        return encode_verified(*plain, dtype);
      });
      window.push_back(std::move(pending));
      if (window.size() >= window_blocks) append_first(window, file);
    }
    while (!window.empty()) append_first(window, file);
    if (ContentId{hasher.finish()} != row.id) {
      fail(Errc::corrupt, cat("staged file ", static_cast<std::int64_t>(row.staged), " of content ",
                              hex(row.id), " has changed on disk; check the disk"));
    }
    file.record.health = health.finish();
    append_record(RecordType::content, id_bytes(row.id.digest.bytes), record_of(file.record));
    files_.push_back(std::move(file));
    ++packed_.contents;
    if (writer_ && writer_->bytes() >= pack_bytes_max) finish_pack();
  }

  // Appends the trees and commits that are in no pack yet: everything they name is.
  void pack_records(const std::vector<UnpackedRecord>& trees,
                    const std::vector<UnpackedRecord>& commits) {
    for (const auto& tree : trees) {
      append_record(RecordType::tree, id_bytes(tree.id.bytes), tree.record);
      trees_.push_back(TreeId{tree.id});
    }
    for (const auto& commit : commits) {
      append_record(RecordType::commit, id_bytes(commit.id.bytes), commit.record);
      commits_.push_back(CommitId{commit.id});
    }
  }

  // Seals the pack and names it and what it holds in the index, in one transaction.
  void finish_pack() {
    if (!writer_) return;
    const PackId id = writer_->seal();
    const std::uint64_t size = writer_->bytes();
    std::vector<std::pair<std::shared_ptr<StagedFile>, std::shared_ptr<const SegmentMap>>> forwards;
    repository_.catalog().write(Durability::now, [&](Database& database) {
      const std::int64_t pack = insert_pack(database, id, size);
      for (BlockRef& block : blocks_) {
        block.pack = pack;
        block.number = insert_block(database, block);
      }
      for (const PackedFile& file : files_) forwards.emplace_back(file.staged, put(database, file));
      for (const TreeId& tree : trees_) set_tree_packed(database, tree);
      for (const CommitId& commit : commits_) set_commit_packed(database, commit);
      fault_point("packing.before_commit");
    });
    fault_point("packing.after_commit");
    for (std::size_t i = 0; i < files_.size(); ++i) {
      const auto& [staged, map] = forwards[i];
      staged->set_content(files_[i].id);
      staged->forward(std::make_shared<const PackedContent>(map, repository_.blocks()));
      repository_.contents().forget(files_[i].id);
    }
    writer_.reset();
    blocks_.clear();
    by_id_.clear();
    files_.clear();
    trees_.clear();
    commits_.clear();
  }

  Packed packed() const { return packed_; }

 private:
  static EncodedBlock encode_verified(Bytes plain, Dtype dtype) {
    EncodedBlock encoded = encode(plain, dtype);
    Buffer decoded(plain.size());
    decode(encoded.encoding, encoded.payload, decoded);
    if (!std::equal(plain.begin(), plain.end(), decoded.begin())) {
      fail(Errc::io, "a block does not decode to what was encoded; check the memory");
    }
    return encoded;
  }

  // Whether the block's bytes are in a pack, in this pack, or on their way into it. A match of names is
  // confirmed by comparing bytes; bytes of another block under the same name are a collision, which a
  // content cannot be packed with: it stays in staging, whole and readable.
  bool is_stored(const Pending& pending, const std::deque<Pending>& window) {
    const auto require_same = [&](const Buffer& other) {
      if (other == *pending.plain) return;
      fail(Errc::corrupt, cat("two blocks are both named ", hex(pending.id),
                              "; the content stays in staging"));
    };
    for (const Pending& queued : window) {
      if (queued.id != pending.id) continue;
      require_same(*queued.plain);
      return true;
    }
    if (const auto at = by_id_.find(pending.id); at != by_id_.end()) {
      const BlockRef& block = blocks_[at->second];
      Buffer plain(block.plain_length);
      decode(block.encoding, writer_->read({block.offset, block.payload_length}), plain);
      require_same(plain);
      return true;
    }
    const auto stored = repository_.catalog().read(
        [&](Database& database) { return find_block(database, pending.id); });
    if (!stored) return false;
    require_same(repository_.blocks().load_uncached(*stored));
    return true;
  }

  void append_first(std::deque<Pending>& window, PackedFile& file) {
    Pending pending = std::move(window.front());
    window.pop_front();
    const EncodedBlock encoded = pending.encoded.get();
    BlockRef block;
    block.id = pending.id;
    block.encoding = encoded.encoding;
    block.payload_length = static_cast<std::uint32_t>(encoded.payload.size());
    block.plain_length = static_cast<std::uint32_t>(pending.plain->size());
    RecordHeader header;
    header.type = RecordType::block;
    header.encoding = encoded.encoding;
    header.plain_length = block.plain_length;
    header.id = id_bytes(pending.id.hash.bytes);
    block.offset = writer().append(header, encoded.payload);
    by_id_.emplace(block.id, blocks_.size());
    blocks_.push_back(block);
    file.stored_bytes += encoded.payload.size();
    packed_.stored_bytes += encoded.payload.size();
  }

  void append_record(RecordType type, const std::array<std::byte, 32>& id, const Buffer& plain) {
    RecordHeader header;
    header.type = type;
    header.id = id;
    header.plain_length = static_cast<std::uint32_t>(plain.size());
    Buffer compressed(plain.size());
    const std::size_t length = zstd_compress(plain, compressed, ZstdEffort::normal);
    if (length > 0 && length < plain.size()) {
      header.encoding = Encoding::zstd;
      writer().append(header, Bytes(compressed).first(length));
    } else {
      writer().append(header, plain);
    }
  }

  std::shared_ptr<const SegmentMap> put(Database& database, const PackedFile& file) {
    std::vector<BlockRef> blocks;
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

  PackWriter& writer() {
    if (!writer_) writer_.emplace(repository_.packs().folder());
    return *writer_;
  }

  Repository& repository_;
  Pool& pool_;
  Packed packed_;
  std::optional<PackWriter> writer_;
  std::vector<BlockRef> blocks_;                     // of this pack, in the order they were appended
  std::unordered_map<BlockId, std::size_t> by_id_;   // their places in blocks_
  std::vector<PackedFile> files_;
  std::vector<TreeId> trees_;
  std::vector<CommitId> commits_;
};

}  // namespace

Packed pack_pending(Repository& repository, Pool& pool, const std::atomic<bool>& stop) {
  const auto [contents, trees, commits] = repository.catalog().read([](Database& database) {
    return std::tuple(staged_contents(database), unpacked_trees(database),
                      unpacked_commits(database));
  });
  Session session(repository, pool);
  std::uint64_t failed = 0;
  for (const ContentRow& row : contents) {
    if (stop) break;
    try {
      session.pack_content(row, stop);
    } catch (const Error& error) {
      // Damage of one content holds nobody else back; a full disk holds everybody.
      if (error.code() != Errc::corrupt && error.code() != Errc::not_found) throw;
      log(Level::error, cat("content ", hex(row.id), ": ", error.what()));
      ++failed;
    }
  }
  if (!stop && failed == 0) session.pack_records(trees, commits);
  session.finish_pack();
  Packed packed = session.packed();
  packed.failed = failed;
  return packed;
}

}  // namespace wfs
