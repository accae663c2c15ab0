// The bytes that describe a packed content: its layout and its blocks. In a pack blocks are named by their
// ids; in the index by the numbers of their rows, so that their places are read in runs. Both decoders take
// hostile bytes. Values, any thread.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "codec/layout.h"
#include "index/ids.h"

namespace wfs {

struct ContentRecord {
  std::uint64_t size = 0;
  Layout layout;
  struct BlockName {
    BlockId id;
    std::uint32_t plain_length = 0;
    bool operator==(const BlockName&) const = default;
  };
  std::vector<BlockName> blocks;
  std::string health;  // JSON
};

Buffer record_of(const ContentRecord& content);
ContentRecord content_record_of(Bytes record);  // throws Errc::corrupt

// The map column of contents: the layout, then the numbers of the blocks.
Buffer bytes_of_map(const Layout& layout, const std::vector<std::int64_t>& blocks);
struct StoredMap {
  Layout layout;
  std::vector<std::int64_t> blocks;
};
StoredMap map_of(Bytes bytes);  // throws Errc::corrupt

}  // namespace wfs
