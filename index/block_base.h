// What a delta is decoded against: bytes of one or several other blocks, which may be numbers of another
// type that are converted first. Stored in front of the payload in a pack, and in the row of the block, so
// that both the packs and the index know every base. Values and functions without state; any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "codec/tensor.h"
#include "index/segment_map.h"

namespace wfs {

// Why these bytes were taken. Stored in packs: the numbers never change.
enum class BaseReason : std::uint8_t {
  parent = 1,   // the same tensor of the same path in the commit before
  sibling = 2,  // the same tensor in the folder of the checkpoint before
  name = 3,     // the same tensor name, shape and type elsewhere in the branch
  similar = 4,  // values that are alike, by their sketches
};
std::string_view name_of(BaseReason reason) noexcept;

inline constexpr unsigned base_depth_max = 64;  // of any chain that is read

struct BlockBase {
  BaseReason reason = BaseReason::parent;
  Dtype from = Dtype::opaque;  // both opaque: the bytes as they are
  Dtype to = Dtype::opaque;
  std::uint32_t skip = 0;      // bytes of the first block that come before the base
  // Place in the run of deltas that began at a block without a base: which block is the next one's base
  // follows from it.
  std::uint16_t position = 0;
  std::vector<BlockRef> blocks;  // neighbours, in order; never empty
};

// How many bytes of base blocks, from `skip` on, give `plain_length` bytes after conversion.
std::uint64_t source_length(const BlockBase& base, std::uint32_t plain_length) noexcept;

// The bytes of the base, `plain_length` of them: `load` gives the decoded bytes of a block; where the blocks
// are too short the rest is zero. Converting is between f32, f16 and bf16, IEEE 754 round to nearest even.
// Throws Errc::corrupt for a conversion that does not exist.
Buffer base_bytes(const BlockBase& base, std::uint32_t plain_length,
                  const std::function<std::shared_ptr<const Buffer>(const BlockRef&)>& load);

// In a pack, before the payload of the delta: u8 reason, u8 from, u8 to, u8 count of further blocks, u32 skip,
// u16 position, 16 bytes for each further block; the first block is named by the record header.
struct BaseNames {
  BlockBase base;               // without its blocks
  std::vector<BlockId> blocks;  // all, the first included
  std::size_t bytes = 0;        // how long the description was
};
Buffer bytes_of_base(const BlockBase& base);
BaseNames base_names_of(const BlockId& first, Bytes payload);  // throws Errc::corrupt
inline constexpr std::size_t base_names_bytes_max = 10 + 255 * 16;

// In the row of the block: u8 reason, u8 from, u8 to, u32 skip, u16 position, then the i64 row numbers of the
// base blocks.
struct BaseNumbers {
  BlockBase base;  // without its blocks
  std::vector<std::int64_t> blocks;
};
Buffer row_of_base(const BlockBase& base, const std::vector<std::int64_t>& numbers);
BaseNumbers base_numbers_of(Bytes row);  // throws Errc::corrupt

}  // namespace wfs
