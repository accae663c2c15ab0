// The bytes of a pack: a header, records, a footer that lists the records, so that a pack explains itself
// without an index. All integers little-endian; the layout stands in docs/FORMAT.md.
//
//   header   magic "WFSPACK1", u32 version, u32 required features (bit 0: bases)
//   record   u8 type, u8 encoding, u16 0, u32 payload length, u32 plain length, u32 0, 32-byte id (a shorter
//            one filled up with zeros), 16-byte base (zero: none), u64 XXH3-64 of the payload, seeded
//            with the XXH3-64 of the 64 bytes before; then the payload
//   footer   one 72-byte row a record: u64 offset of its payload, then the record header's first 64 bytes;
//   trailer  u64 offset of the footer, u64 record count, 16-byte XXH3-128 of the footer, magic "WFSFOOT1"
// The id of a pack is the XXH3-128 of its footer. Values, any thread.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "codec/encoding.h"
#include "index/ids.h"

namespace wfs {

inline constexpr std::size_t pack_header_bytes = 16;
inline constexpr std::size_t record_header_bytes = 72;
inline constexpr std::size_t footer_row_bytes = 72;
inline constexpr std::size_t pack_trailer_bytes = 40;

// No record decodes to more than this; a block to no more than block_size_max.
inline constexpr std::uint32_t record_plain_max = 256u << 20;

enum class RecordType : std::uint8_t { block = 1, content = 2, tree = 3, commit = 4 };

struct RecordHeader {
  RecordType type = RecordType::block;
  Encoding encoding = Encoding::raw;  // blocks and other records alike
  std::uint32_t payload_length = 0;
  std::uint32_t plain_length = 0;
  std::array<std::byte, 32> id{};
  std::array<std::byte, 16> base{};

  bool operator==(const RecordHeader&) const = default;
};

// The id that a record has by its type, which is the beginning of those 32 bytes.
template <class Id>
Id id_in(const RecordHeader& header) noexcept {
  Id id;
  static_assert(sizeof id <= sizeof header.id);
  __builtin_memcpy(&id, header.id.data(), sizeof id);
  return id;
}

// An id as a header holds it. Requires: at most 32 bytes.
inline std::array<std::byte, 32> record_id(Bytes id) noexcept {
  std::array<std::byte, 32> filled_up{};
  __builtin_memcpy(filled_up.data(), id.data(), id.size());
  return filled_up;
}

struct FooterRow {
  std::uint64_t offset = 0;  // of the payload; its record header is the 72 bytes before
  RecordHeader header;

  bool operator==(const FooterRow&) const = default;
};

Buffer bytes_of_pack_header();
void check_pack_header(Bytes bytes);  // throws Errc::corrupt, Errc::unsupported

// The 72 bytes before a payload, checksum included.
Buffer bytes_of(const RecordHeader& header, Bytes payload);
// Throws Errc::corrupt unless the header is one, and guards exactly this payload.
RecordHeader record_header_of(Bytes header, Bytes payload);
// The header alone, its checksum not looked at: to learn the payload's length. Throws Errc::corrupt for what
// no header can say.
RecordHeader record_header_unchecked(Bytes header);

Buffer bytes_of_footer(const std::vector<FooterRow>& rows, std::uint64_t footer_offset);  // with trailer
struct Footer {
  PackId id;
  std::vector<FooterRow> rows;
};
// `tail` is the trailer's 40 bytes; gives the footer's range. Throws Errc::corrupt.
Range footer_range(Bytes tail, std::uint64_t pack_size);
Footer footer_of(Bytes footer, Bytes tail);

}  // namespace wfs
