#include "codec/planes.h"

#include <gtest/gtest.h>

#include <array>

#include "base/hash.h"
#include "tests/codec/samples.h"

namespace wfs {
namespace {

TEST(Planes, MergingUndoesSplittingForEveryWidthAndLength) {
  Random random(3);
  for (const unsigned width : {2U, 4U, 8U}) {
    for (const Rotation rotation : {Rotation::none, Rotation::upper_half}) {
      for (std::size_t count = 0; count < 130; ++count) {
        const Buffer plain = random.bytes(count * width + random.below(width));
        Buffer planes(count * width);
        split_planes(plain, width, rotation, planes);
        std::array<const std::byte*, planes_width_max> starts{};
        for (unsigned k = 0; k < width; ++k) starts[k] = planes.data() + k * count;
        Buffer merged = plain;
        std::fill_n(merged.begin(), count * width, std::byte{0});
        merge_planes({starts.data(), width}, rotation, merged);
        ASSERT_EQ(merged, plain) << width << " x " << count;
      }
    }
  }
}

TEST(Planes, TheHighestPlaneOfFloatsIsTheExponentAndTheSignFollowsTheMantissa) {
  Buffer plain;
  append_le(plain, std::uint32_t{0xbf812345});  // sign 1, exponent 0x7f, mantissa 0x012345
  Buffer planes(4);
  split_planes(plain, 4, Rotation::upper_half, planes);
  EXPECT_EQ(planes, (Buffer{std::byte{0x45}, std::byte{0x23}, std::byte{0x03}, std::byte{0x7f}}));

  plain.clear();
  append_le(plain, std::uint16_t{0xbf81});
  planes.resize(2);
  split_planes(plain, 2, Rotation::upper_half, planes);
  EXPECT_EQ(planes, (Buffer{std::byte{0x03}, std::byte{0x7f}}));

  plain.clear();
  append_le(plain, std::uint64_t{0x8001'0203'0405'0607});
  planes.resize(8);
  split_planes(plain, 8, Rotation::upper_half, planes);
  EXPECT_EQ(hex(planes), "0706050403020300");
}

}  // namespace
}  // namespace wfs
