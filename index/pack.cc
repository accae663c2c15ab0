#include "index/pack.h"

#include <algorithm>

#include "base/error.h"
#include "base/wire.h"
#include "codec/split.h"

namespace wfs {
namespace {

constexpr std::string_view header_magic = "WFSPACK1";
constexpr std::string_view trailer_magic = "WFSFOOT1";
constexpr std::uint32_t pack_version = 1;
// What a reader must know to read a pack: a bit each.
constexpr std::uint32_t feature_bases = 1;  // payloads of deltas begin with what their base is
constexpr std::uint32_t features_known = feature_bases;
constexpr std::size_t guarded_bytes = 64;  // of a record header, before its checksum

Buffer guarded_part(const RecordHeader& header) {
  Buffer bytes;
  append_le(bytes, static_cast<std::uint8_t>(header.type));
  append_le(bytes, static_cast<std::uint8_t>(header.encoding));
  append_le(bytes, std::uint16_t{0});
  append_le(bytes, header.payload_length);
  append_le(bytes, header.plain_length);
  append_le(bytes, std::uint32_t{0});
  append_bytes(bytes, header.id);
  append_bytes(bytes, header.base);
  expects(bytes.size() == guarded_bytes, "a record header has its fixed length");
  return bytes;
}

std::uint64_t checksum_of(Bytes guarded, Bytes payload) {
  return xxh3_64(payload, xxh3_64(guarded));
}

RecordHeader take_guarded(Cursor& cursor) {
  RecordHeader header;
  header.type = static_cast<RecordType>(cursor.number<std::uint8_t>());
  header.encoding = static_cast<Encoding>(cursor.number<std::uint8_t>());
  cursor.skip(2);
  header.payload_length = cursor.number<std::uint32_t>();
  header.plain_length = cursor.number<std::uint32_t>();
  cursor.skip(4);
  header.id = cursor.array<32>();
  header.base = cursor.array<16>();
  if (header.type < RecordType::block || header.type > RecordType::commit) {
    fail(Errc::corrupt, "a record of a pack is of unknown type");
  }
  const bool is_block = header.type == RecordType::block;
  if (header.plain_length > (is_block ? block_size_max : record_plain_max) ||
      header.payload_length > header.plain_length) {
    fail(Errc::corrupt, "a record of a pack has an impossible length");
  }
  return header;
}

}  // namespace

Buffer bytes_of_pack_header() {
  Buffer bytes;
  append_bytes(bytes, as_bytes(header_magic));
  append_le(bytes, pack_version);
  append_le(bytes, feature_bases);
  return bytes;
}

void check_pack_header(Bytes bytes) {
  Cursor cursor(bytes);
  if (as_text(cursor.take(header_magic.size())) != header_magic) {
    fail(Errc::corrupt, "this is no pack");
  }
  const auto version = cursor.number<std::uint32_t>();
  const auto features = cursor.number<std::uint32_t>();
  if (version != pack_version || (features & ~features_known) != 0) {
    fail(Errc::unsupported,
         cat("the pack is of format version ", version, " and needs features ", features,
             "; this weightfs knows version ", pack_version, " and features ", features_known,
             ". Use a newer weightfs"));
  }
}

Buffer bytes_of(const RecordHeader& header, Bytes payload) {
  Buffer bytes = guarded_part(header);
  append_le(bytes, checksum_of(bytes, payload));
  return bytes;
}

RecordHeader record_header_unchecked(Bytes header) {
  Cursor cursor(header);
  return take_guarded(cursor);
}

RecordHeader record_header_of(Bytes header, Bytes payload) {
  if (header.size() != record_header_bytes) fail(Errc::corrupt, "a record header is cut");
  const auto stored = load_le<std::uint64_t>(header.data() + guarded_bytes);
  if (stored != checksum_of(header.first(guarded_bytes), payload)) {
    fail(Errc::corrupt, "the checksum of a record does not match");
  }
  const RecordHeader record = record_header_unchecked(header);
  if (record.payload_length != payload.size()) fail(Errc::corrupt, "a record has a wrong length");
  return record;
}

Buffer bytes_of_footer(const std::vector<FooterRow>& rows, std::uint64_t footer_offset) {
  Buffer bytes;
  for (const FooterRow& row : rows) {
    append_le(bytes, row.offset);
    append_bytes(bytes, guarded_part(row.header));
  }
  const Hash128 hash = xxh3_128(bytes);
  append_le(bytes, footer_offset);
  append_le(bytes, static_cast<std::uint64_t>(rows.size()));
  append_bytes(bytes, hash.bytes);
  append_bytes(bytes, as_bytes(trailer_magic));
  return bytes;
}

Range footer_range(Bytes tail, std::uint64_t pack_size) {
  Cursor cursor(tail);
  const auto offset = cursor.number<std::uint64_t>();
  const auto count = cursor.number<std::uint64_t>();
  cursor.skip(16);
  if (as_text(cursor.take(trailer_magic.size())) != trailer_magic) {
    fail(Errc::corrupt, "the pack has no trailer: it was cut short");
  }
  if (pack_size < pack_header_bytes + pack_trailer_bytes) {
    fail(Errc::corrupt, "the pack is cut short");
  }
  const std::uint64_t room = pack_size - pack_trailer_bytes;
  if (offset < pack_header_bytes || offset > room || (room - offset) % footer_row_bytes != 0 ||
      (room - offset) / footer_row_bytes != count) {
    fail(Errc::corrupt, "the trailer of the pack does not fit it");
  }
  return {offset, count * footer_row_bytes};
}

Footer footer_of(Bytes footer, Bytes tail) {
  Footer parsed;
  std::copy_n(tail.begin() + 16, 16, parsed.id.hash.bytes.begin());
  if (xxh3_128(footer) != parsed.id.hash) fail(Errc::corrupt, "the footer of the pack is damaged");
  Cursor cursor(footer);
  std::uint64_t end = pack_header_bytes;
  while (!cursor.at_end()) {
    FooterRow row;
    row.offset = cursor.number<std::uint64_t>();
    row.header = take_guarded(cursor);
    if (row.offset != end + record_header_bytes) fail(Errc::corrupt, "the footer leaves a gap");
    end = row.offset + row.header.payload_length;
    parsed.rows.push_back(row);
  }
  if (end != load_le<std::uint64_t>(tail.data())) {
    fail(Errc::corrupt, "the footer does not follow the last record");
  }
  return parsed;
}

}  // namespace wfs
