// Fuzzes what is read from packs and from the index: footers, records and what they decode to. Whatever the
// bytes are, a parser says corrupt or unsupported, or gives a value that is read back as the same.
#include <sys/mman.h>

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "codec/decode.h"
#include "index/content_record.h"
#include "index/model.h"
#include "index/pack.h"
#include "index/pack_scan.h"

namespace wfs {
namespace {

template <class Parse>
void refuse_or(Parse parse) {
  try {
    parse();
  } catch (const Error& error) {
    expects(error.code() == Errc::corrupt || error.code() == Errc::unsupported,
            "bytes that cannot be parsed are corrupt or of a newer format");
  }
}

bool same(Bytes left, Bytes right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end());
}

// A file without a name that holds the bytes.
Fd file_of(Bytes bytes) {
  Fd file(::memfd_create("fuzz_pack", MFD_CLOEXEC));
  expects(static_cast<bool>(file), "a file in memory can be made");
  write_fully(file, 0, bytes);
  return file;
}

void scan(Bytes bytes) {
  const Fd file = file_of(bytes);
  const PackContents contents = scan_pack(file);
  expects(contents.id.has_value() == contents.damage.empty(), "a whole pack has an id");
  for (const FooterRow& row : contents.rows) {
    refuse_or([&] {
      if (row.header.type == RecordType::block) {
        const Buffer payload = read_payload(file, row);
        Buffer plain(row.header.plain_length);
        decode(row.header.encoding, payload, {}, plain);
      } else {
        read_record(file, row);
      }
    });
  }
}

// A pack of these bytes whose checksums are right, so that what lies behind them is reached.
void scan_with_checksums(Bytes bytes) {
  std::vector<FooterRow> rows;
  Buffer pack = bytes_of_pack_header();
  while (bytes.size() > 8) {
    RecordHeader header;
    header.type = static_cast<RecordType>(1 + std::to_integer<unsigned>(bytes[0]) % 4);
    header.encoding = static_cast<Encoding>(std::to_integer<unsigned>(bytes[1]) % 5);
    header.plain_length = std::to_integer<std::uint32_t>(bytes[2]) << 8 |
                          std::to_integer<std::uint32_t>(bytes[3]);
    const std::size_t length =
        std::min<std::size_t>(bytes.size() - 8, std::to_integer<std::size_t>(bytes[4]) * 16);
    const Bytes payload = bytes.subspan(8, length);
    header.payload_length = static_cast<std::uint32_t>(length);
    const Buffer head = bytes_of(header, payload);
    pack.insert(pack.end(), head.begin(), head.end());
    rows.push_back({pack.size(), header});
    pack.insert(pack.end(), payload.begin(), payload.end());
    bytes = bytes.subspan(8 + length);
  }
  const Buffer footer = bytes_of_footer(rows, pack.size());
  pack.insert(pack.end(), footer.begin(), footer.end());
  scan(pack);
}

void parse(Bytes bytes) {
  refuse_or([&] {
    const ContentRecord content = content_record_of(bytes);
    const Buffer again = record_of(content);
    expects(same(record_of(content_record_of(again)), again), "a content record keeps its value");
  });
  refuse_or([&] {
    const StoredMap map = map_of(bytes);
    const Buffer again = bytes_of_map(map.layout, map.blocks);
    expects(map_of(again).blocks == map.blocks, "a map keeps its blocks");
  });
  refuse_or([&] {
    const Tree tree = tree_of(bytes);
    expects(tree_of(record_of(tree)) == tree, "a tree keeps its value");
  });
  refuse_or([&] {
    const Commit commit = commit_of(bytes);
    expects(commit_of(record_of(commit)) == commit, "a commit keeps its value");
  });
}

}  // namespace
}  // namespace wfs

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const wfs::Bytes bytes(reinterpret_cast<const std::byte*>(data), size);
  wfs::parse(bytes);
  wfs::scan_with_checksums(bytes);
  wfs::scan(bytes);
  return 0;
}
