#include "index/block_work.h"

#include <algorithm>

#include "base/error.h"
#include "base/wire.h"
#include "codec/decode.h"
#include "index/block_rows.h"

namespace wfs {
namespace {

constexpr std::size_t delta_min = 512;  // a shorter block does not pay for naming its base

using Loader = std::function<std::shared_ptr<const Buffer>(const BlockRef&)>;

void verify(Encoding encoding, Bytes payload, Bytes plain, Bytes base) {
  thread_local Buffer scratch;
  if (scratch.size() < plain.size()) scratch.resize(plain.size());
  const MutableBytes decoded = MutableBytes(scratch).first(plain.size());
  decode(encoding, payload, base, decoded);
  if (!same_bytes(plain, decoded)) {
    fail(Errc::io, "a block does not decode to what was encoded; check the memory");
  }
}

// At least `plain_length` bytes; null when they are damaged.
std::shared_ptr<const Buffer> load_base(const BlockBase& base, std::uint32_t plain_length,
                                        const Loader& load) {
  try {
    const bool as_it_is = base.from == base.to && base.skip == 0 && base.blocks.size() == 1;
    if (as_it_is && base.blocks.front().plain_length >= plain_length) {
      return load(base.blocks.front());
    }
    return std::make_shared<const Buffer>(base_bytes(base, plain_length, load));
  } catch (const Error& error) {
    if (error.code() != Errc::corrupt && error.code() != Errc::not_found) throw;
    return nullptr;
  }
}

}  // namespace

RecordHeader header_of(const Verdict& verdict, const BlockId& id, std::uint32_t plain_length) {
  RecordHeader header;
  header.encoding = verdict.encoding;
  header.plain_length = plain_length;
  header.id = record_id(id.hash.bytes);
  if (verdict.base) header.base = verdict.base->blocks.front().id.hash.bytes;
  return header;
}

BlockId block_id_of(Bytes plain) { return BlockId{xxh3_128(plain)}; }

void read_staged(const ByteSource& file, std::uint64_t offset, MutableBytes to) {
  try {
    file.read(offset, to);
  } catch (const Error& error) {
    if (error.code() != Errc::io) throw;
    fail(Errc::corrupt, error.what());
  }
}

Verdict encode_verified(Bytes plain, Dtype dtype, const Bases& bases, const Loader& load,
                        EncodeAdvice* advice) {
  Verdict verdict;
  BlockEncoder encoder(plain, dtype, advice);
  const auto length = static_cast<std::uint32_t>(plain.size());
  for (const auto& base : plain.size() < delta_min ? Bases() : bases) {
    if (encoder.skips_base()) continue;
    const auto loaded = load_base(*base, length, load);
    if (!loaded) continue;
    const Bytes bytes = Bytes(*loaded).first(length);
    auto delta = encoder.against(bytes, base == bases.back() ? delta_worth : far_delta_worth);
    if (!delta) continue;
    verdict.payload = bytes_of_base(*base);
    if (verdict.payload.size() + delta->size() > plain.size()) continue;
    verify(Encoding::delta, *delta, plain, bytes);
    append_bytes(verdict.payload, *delta);
    verdict.encoding = Encoding::delta;
    verdict.base = base;
    return verdict;
  }
  EncodedBlock alone = encoder.alone();
  verify(alone.encoding, alone.payload, plain, {});
  verdict.encoding = alone.encoding;
  verdict.payload = std::move(alone.payload);
  return verdict;
}

WorkedBlock BlockWork::work(const StagedFile& file, const BlockTask& task, EncodeAdvice& advice,
                            Buffer memory) {
  const PlainBlock& block = task.block;
  WorkedBlock worked;
  worked.plain = std::move(memory);
  worked.plain.resize(block.range.length);
  read_staged(file, block.range.offset, worked.plain);
  worked.id = name_(worked.plain);
  const bool whole = bits_of(block.dtype) >= 8 && worked.plain.size() % (bits_of(block.dtype) / 8) == 0;
  if (HealthMeter::measures(block.dtype) && whole) {
    worked.health.emplace(block.dtype);
    worked.health->add(worked.plain);
  }
  if (open_.claim(worked.id)) {
    if (task.begins_segment) advice = {};
    worked.verdict = judge(worked.id, worked.plain, block.dtype, task.bases, &advice);
  }
  return worked;
}

Verdict BlockWork::judge(const BlockId& id, Bytes plain, Dtype dtype, const Bases& bases,
                         EncodeAdvice* advice) {
  const auto known = find_known(id);
  if (known) {
    try {
      const Buffer stored = repository_.blocks().load_uncached(*known);
      Verdict verdict;
      const bool same = same_bytes(stored, plain);
      verdict.kind = same ? Verdict::Kind::stored : Verdict::Kind::collides;
      verdict.known = known;
      return verdict;
    } catch (const Error& error) {
      if (error.code() != Errc::corrupt) throw;
    }
  }
  const auto load_block = [this](const BlockRef& block) { return load(block); };
  // These bytes replace what is damaged, and other blocks may be deltas against it: a base of its own could
  // be one of them.
  Verdict verdict = encode_verified(plain, dtype, known ? Bases() : bases, load_block, advice);
  verdict.known = known;
  return verdict;
}

std::optional<BlockRef> BlockWork::find_known(const BlockId& id) {
  return repository_.catalog().read([&](Database& database) { return find_block(database, id); });
}

std::shared_ptr<const Buffer> BlockWork::load(const BlockRef& block) {
  if (block.pack != 0) return repository_.blocks().load(block);
  if (const auto place = open_.find(block.id)) {
    Buffer plain(place->range.length);
    read_staged(*place->file, place->range.offset, plain);
    if (name_(plain) != block.id) fail(Errc::corrupt, "a staged file has changed on disk");
    return std::make_shared<const Buffer>(std::move(plain));
  }
  const auto known = find_known(block.id);  // its pack was sealed meanwhile
  if (!known) fail(Errc::not_found, cat("the index lacks block ", hex(block.id)));
  return repository_.blocks().load(*known);
}

}  // namespace wfs
