#include "index/pack_scan.h"

#include "base/error.h"
#include "codec/zstd.h"

namespace wfs {
namespace {

// From record to record: each header says how long its payload is, and a checksum whether that is so.
std::vector<FooterRow> walk_records(const Fd& pack, std::uint64_t size) {
  std::vector<FooterRow> rows;
  std::uint64_t at = pack_header_bytes;
  while (at + record_header_bytes <= size) {
    Buffer header(record_header_bytes);
    read_exactly(pack, at, header);
    FooterRow row;
    try {
      row.header = record_header_unchecked(header);
      row.offset = at + record_header_bytes;
      if (row.header.payload_length > size - row.offset) break;
      read_payload(pack, row);
    } catch (const Error&) {
      break;  // the footer starts here, or the damage does
    }
    rows.push_back(row);
    at = row.offset + row.header.payload_length;
  }
  return rows;
}

}  // namespace

PackContents scan_pack(const Fd& pack) {
  PackContents contents;
  contents.size = size_of(pack);
  try {
    if (contents.size < pack_header_bytes + pack_trailer_bytes) fail(Errc::corrupt, "it is cut short");
    Buffer header(pack_header_bytes);
    read_exactly(pack, 0, header);
    check_pack_header(header);
    Buffer tail(pack_trailer_bytes);
    read_exactly(pack, contents.size - tail.size(), tail);
    const Range range = footer_range(tail, contents.size);
    Buffer bytes(range.length);
    read_exactly(pack, range.offset, bytes);
    Footer footer = footer_of(bytes, tail);
    for (const FooterRow& row : footer.rows) {
      if (row.offset < pack_header_bytes + record_header_bytes || row.offset > range.offset ||
          row.header.payload_length > range.offset - row.offset) {
        fail(Errc::corrupt, "a row of the footer points outside");
      }
    }
    contents.id = footer.id;
    contents.rows = std::move(footer.rows);
  } catch (const Error& error) {
    if (error.code() == Errc::io) throw;
    contents.damage = error.what();
    contents.rows = walk_records(pack, contents.size);
  }
  return contents;
}

Buffer read_payload(const Fd& pack, const FooterRow& row) {
  Buffer record(record_header_bytes + row.header.payload_length);
  read_exactly(pack, row.offset - record_header_bytes, record);
  const Bytes payload = Bytes(record).subspan(record_header_bytes);
  const RecordHeader header = record_header_of(Bytes(record).first(record_header_bytes), payload);
  if (header != row.header) fail(Errc::corrupt, "a record differs from the footer");
  return Buffer(payload.begin(), payload.end());
}

Buffer read_record(const Fd& pack, const FooterRow& row) {
  Buffer payload = read_payload(pack, row);
  if (row.header.encoding == Encoding::raw) {
    if (row.header.plain_length != payload.size()) fail(Errc::corrupt, "a record has a wrong length");
    return payload;
  }
  if (row.header.encoding != Encoding::zstd) fail(Errc::corrupt, "a record has a wrong encoding");
  constexpr std::uint32_t record_bytes_max = 256u << 20;
  if (row.header.plain_length > record_bytes_max) fail(Errc::corrupt, "a record is too long");
  Buffer plain(row.header.plain_length);
  zstd_decompress(payload, plain);
  return plain;
}

}  // namespace wfs
