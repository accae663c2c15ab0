#include "index/block_base.h"

#include <algorithm>

#include "base/error.h"
#include "base/wire.h"
#include "codec/split.h"
#include "index/convert.h"

namespace wfs {
namespace {

bool converts(const BlockBase& base) noexcept { return base.from != base.to; }

void take_meaning(Cursor& cursor, BlockBase& base) {
  const auto reason = cursor.number<std::uint8_t>();
  const auto from = dtype_of_number(cursor.number<std::uint8_t>());
  const auto to = dtype_of_number(cursor.number<std::uint8_t>());
  base.reason = static_cast<BaseReason>(reason);
  if (base.reason < BaseReason::parent || base.reason > BaseReason::similar) {
    fail(Errc::corrupt, cat("a base for an unknown reason, ", static_cast<unsigned>(reason)));
  }
  if (!from || !to || (from != to && !convertible(*from, *to))) {
    fail(Errc::corrupt, "a base of types that cannot be converted");
  }
  base.from = *from;
  base.to = *to;
}

void take_place(Cursor& cursor, BlockBase& base) {
  base.skip = cursor.number<std::uint32_t>();
  base.position = cursor.number<std::uint16_t>();
  if (base.skip > block_size_max) fail(Errc::corrupt, "a base begins behind its first block");
}

void append_meaning(Buffer& to, const BlockBase& base) {
  append_le(to, static_cast<std::uint8_t>(base.reason));
  append_le(to, static_cast<std::uint8_t>(base.from));
  append_le(to, static_cast<std::uint8_t>(base.to));
}

}  // namespace

std::string_view name_of(BaseReason reason) noexcept {
  switch (reason) {
    case BaseReason::parent: return "parent";
    case BaseReason::sibling: return "sibling";
    case BaseReason::name: return "name";
    case BaseReason::similar: return "similar";
  }
  return "unknown";
}

std::uint64_t source_length(const BlockBase& base, std::uint32_t plain_length) noexcept {
  if (!converts(base)) return plain_length;
  const std::uint64_t numbers = (plain_length + width_of(base.to) - 1) / width_of(base.to);
  return numbers * width_of(base.from);
}

Buffer base_bytes(const BlockBase& base, std::uint32_t plain_length,
                  const std::function<std::shared_ptr<const Buffer>(const BlockRef&)>& load) {
  if (converts(base) && !convertible(base.from, base.to)) {
    fail(Errc::corrupt, "a base of types that cannot be converted");
  }
  const std::uint64_t wanted = source_length(base, plain_length);
  std::shared_ptr<const Buffer> block;  // holds what `source` may be a view of
  Buffer gathered;
  Bytes source;
  std::uint64_t skip = base.skip;
  for (const BlockRef& ref : base.blocks) {
    if (gathered.size() >= wanted) break;
    if (skip >= ref.plain_length) {
      skip -= ref.plain_length;
      continue;
    }
    block = load(ref);
    const Bytes bytes = Bytes(*block).subspan(std::min<std::uint64_t>(skip, block->size()));
    skip = 0;
    if (gathered.empty() && bytes.size() >= wanted) {
      source = bytes.first(wanted);
      break;
    }
    gathered.reserve(wanted);
    append_bytes(gathered, bytes.first(std::min(bytes.size(), wanted - gathered.size())));
  }
  if (source.size() < wanted) {
    gathered.resize(wanted);
    source = gathered;
  }
  if (!converts(base)) {
    return gathered.size() == wanted ? std::move(gathered) : Buffer(source.begin(), source.end());
  }
  Buffer bytes(plain_length);
  convert(base.from, source, base.to, bytes);
  return bytes;
}

Buffer bytes_of_base(const BlockBase& base) {
  expects(!base.blocks.empty() && base.blocks.size() <= 256, "a base is of 1 to 256 blocks");
  Buffer bytes;
  append_meaning(bytes, base);
  append_le(bytes, static_cast<std::uint8_t>(base.blocks.size() - 1));
  append_le(bytes, base.skip);
  append_le(bytes, base.position);
  for (std::size_t i = 1; i < base.blocks.size(); ++i) {
    append_bytes(bytes, base.blocks[i].id.hash.bytes);
  }
  return bytes;
}

BaseNames base_names_of(const BlockId& first, Bytes payload) {
  Cursor cursor(payload);
  BaseNames names;
  take_meaning(cursor, names.base);
  const auto further = cursor.number<std::uint8_t>();
  take_place(cursor, names.base);
  names.blocks.push_back(first);
  for (unsigned i = 0; i < further; ++i) {
    names.blocks.push_back(BlockId{Hash128{cursor.array<16>()}});
  }
  names.bytes = cursor.position();
  return names;
}

Buffer row_of_base(const BlockBase& base, const std::vector<std::int64_t>& numbers) {
  Buffer bytes;
  append_meaning(bytes, base);
  append_le(bytes, base.skip);
  append_le(bytes, base.position);
  for (const std::int64_t number : numbers) append_le(bytes, number);
  return bytes;
}

BaseNumbers base_numbers_of(Bytes row) {
  Cursor cursor(row);
  BaseNumbers numbers;
  take_meaning(cursor, numbers.base);
  take_place(cursor, numbers.base);
  while (!cursor.at_end()) numbers.blocks.push_back(cursor.number<std::int64_t>());
  if (numbers.blocks.empty() || numbers.blocks.size() > 256) {
    fail(Errc::corrupt, "a base is of 1 to 256 blocks");
  }
  return numbers;
}

}  // namespace wfs
