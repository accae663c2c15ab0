// The packs of a repository: the files, their records, and whether the index agrees with them.
#include <fcntl.h>

#include <algorithm>

#include "base/error.h"
#include "base/hash.h"
#include "codec/decode.h"
#include "index/block_base.h"
#include "index/check_run.h"
#include "index/content_record.h"

namespace wfs {
namespace {

std::string describe(const RecordHeader& header) {
  switch (header.type) {
    case RecordType::block: return hex(id_in<BlockId>(header));
    case RecordType::content: return hex(id_in<ContentId>(header));
    case RecordType::tree: return hex(id_in<TreeId>(header));
    case RecordType::commit: return hex(id_in<CommitId>(header));
  }
  return hex(header.id);
}

const char* object_of(RecordType type) {
  switch (type) {
    case RecordType::block: return "block";
    case RecordType::content: return "content";
    case RecordType::tree: return "tree";
    case RecordType::commit: return "commit";
  }
  return "record";
}

// Throws Errc::corrupt unless the record is what its id names. A delta is checked by its base, elsewhere.
void require_record(const Fd& pack, const FooterRow& row) {
  bool matches = true;
  switch (row.header.type) {
    case RecordType::block: {
      const Buffer payload = read_payload(pack, row);
      Buffer plain(row.header.plain_length);
      decode(row.header.encoding, payload, {}, plain);
      matches = xxh3_128(plain) == id_in<BlockId>(row.header).hash;
      break;
    }
    // Its id names the bytes of the content, which are checked as such.
    case RecordType::content: content_record_of(read_record(pack, row)); break;
    case RecordType::tree:
    case RecordType::commit:
      matches = sha256_cut(read_record(pack, row)) == id_in<Digest160>(row.header);
      break;
  }
  if (!matches) fail(Errc::corrupt, "its bytes do not match its name");
}

bool same_place(const BlockRef& block, const PackRow& pack, const FooterRow& row) {
  return block.pack == pack.number && block.offset == row.offset &&
         block.payload_length == row.header.payload_length &&
         block.plain_length == row.header.plain_length && block.encoding == row.header.encoding;
}

}  // namespace

void CheckRun::check_packs() {
  auto [packs, counts] = read([](Database& database) {
    return std::pair(all_packs(database), count_blocks_by_pack(database));
  });
  for (const PackRow& pack : packs) total_ += pack.size;
  for (const PackRow& pack : packs) {
    const auto count = counts.find(pack.number);
    check_pack(pack, count == counts.end() ? 0 : count->second);
    if (count != counts.end()) counts.erase(count);
  }
  for (const auto& [number, count] : counts) {
    bad_packs_.emplace(number, found("pack", std::to_string(number),
                                     cat("the index does not say which file holds its ", count,
                                         " blocks; run `mountctl rebuild`")));
  }
}

void CheckRun::check_pack(const PackRow& row, std::int64_t indexed_blocks) {
  ++report_.packs;
  report_.blocks += static_cast<std::uint64_t>(indexed_blocks);
  const std::string path = repository_.packs().path_of(row.id);
  const std::uint64_t done_after = done_ + row.size;
  try {
    const auto pack = repository_.packs().open(row.number);
    const PackContents contents = scan_pack(*pack);
    if (!contents.damage.empty()) {
      found("pack", path, contents.damage);
    } else if (contents.id != row.id) {
      found("pack", path, "it has another id inside");
    }
    if (contents.size != row.size) {
      found("pack", path, cat("it has ", contents.size, " bytes; the index says ", row.size));
    }
    if (depth_ == CheckDepth::data) {
      for (const FooterRow& record : contents.rows) check_record(*pack, row, record);
    }
    compare_with_index(row, contents, indexed_blocks);
  } catch (const Error& error) {
    bad_packs_.emplace(row.number, found("pack", path, error.what()));
  }
  if (done_ < done_after) advance(done_after - done_);
}

// A delta as its record describes it, with the bases that the index knows.
BlockRef CheckRun::block_of(const Fd& pack, const PackRow& row, const FooterRow& record) {
  BlockRef block;
  block.id = id_in<BlockId>(record.header);
  block.pack = row.number;
  block.offset = record.offset;
  block.payload_length = record.header.payload_length;
  block.plain_length = record.header.plain_length;
  block.encoding = record.header.encoding;
  BlockId first;
  first.hash.bytes = record.header.base;
  BaseNames names = base_names_of(first, read_payload(pack, record));
  for (const BlockId& id : names.blocks) {
    auto base = read([&](Database& database) { return find_block(database, id); });
    if (!base) fail(Errc::corrupt, cat("its base, block ", hex(id), ", is missing"));
    block.depth = std::max(block.depth, static_cast<std::uint8_t>(base->depth + 1));
    names.base.blocks.push_back(std::move(*base));
  }
  block.base = std::make_shared<const BlockBase>(std::move(names.base));
  return block;
}

void CheckRun::check_record(const Fd& pack, const PackRow& row, const FooterRow& record) {
  const std::uint64_t bytes = record_header_bytes + record.header.payload_length;
  try {
    if (record.header.type == RecordType::block && record.header.encoding == Encoding::delta) {
      repository_.blocks().load_uncached(block_of(pack, row, record));
    } else {
      require_record(pack, record);
    }
  } catch (const Error& error) {
    const FindingIndex finding =
        found(object_of(record.header.type), describe(record.header),
              cat("in ", repository_.packs().path_of(row.id).string(), " at ", record.offset, ": ",
                  error.what()));
    if (record.header.type == RecordType::block) {
      // Bytes that the index finds elsewhere are no loss.
      const BlockId id = id_in<BlockId>(record.header);
      const auto known = read([&](Database& database) { return find_block_row(database, id); });
      if (known && same_place(*known, row, record)) bad_blocks_.emplace(id, finding);
    }
  }
  report_.bytes_read += bytes;
  advance(bytes);
}

void CheckRun::compare_with_index(const PackRow& row, const PackContents& contents,
                                  std::int64_t indexed_blocks) {
  std::int64_t agreeing = 0;
  read([&](Database& database) {
    for (const FooterRow& record : contents.rows) {
      if (record.header.type != RecordType::block) continue;
      const auto known = find_block_row(database, id_in<BlockId>(record.header));
      if (!known) {
        found("block", describe(record.header),
              cat("pack ", row.number, " holds it and the index does not know it"));
      } else if (same_place(*known, row, record)) {
        ++agreeing;
      }
    }
  });
  if (agreeing == indexed_blocks) return;
  // Some block of the index is not where it should be: which ones is looked up only now.
  const auto indexed =
      read([&](Database& database) { return blocks_of_pack(database, row.number); });
  std::optional<FindingIndex> finding;
  std::uint64_t missing = 0;
  for (const BlockRef& block : indexed) {
    const auto at = std::lower_bound(
        contents.rows.begin(), contents.rows.end(), block.offset,
        [](const FooterRow& record, std::uint64_t offset) { return record.offset < offset; });
    if (at != contents.rows.end() && same_place(block, row, *at) &&
        id_in<BlockId>(at->header) == block.id) {
      continue;
    }
    if (!finding) finding = found("pack", repository_.packs().path_of(row.id), "");
    bad_blocks_.emplace(block.id, *finding);
    ++missing;
  }
  if (finding) {
    report_.findings[*finding].what =
        cat(missing, " of ", indexed.size(), " blocks are not where the index says");
  }
}

}  // namespace wfs
