#include "codec/tensor.h"

#include <gtest/gtest.h>

#include <set>

namespace wfs {
namespace {

TEST(Dtype, NumbersAndNamesLeadBackToTheType) {
  std::set<std::string_view> names;
  for (std::uint8_t number = 0; number < dtype_count; ++number) {
    const auto dtype = static_cast<Dtype>(number);
    EXPECT_EQ(dtype_of_number(number), dtype);
    EXPECT_TRUE(names.insert(name_of(dtype)).second) << name_of(dtype);
    const bool ours = dtype == Dtype::opaque || bits_of(dtype) == 0;
    EXPECT_EQ(dtype_of_safetensors(name_of(dtype)), ours ? std::nullopt : std::optional(dtype));
  }
  EXPECT_FALSE(dtype_of_number(dtype_count));
  EXPECT_FALSE(dtype_of_number(255));
}

TEST(Dtype, TheNumbersInRepositoriesStay) {
  EXPECT_EQ(static_cast<int>(Dtype::f64), 1);
  EXPECT_EQ(static_cast<int>(Dtype::bf16), 4);
  EXPECT_EQ(static_cast<int>(Dtype::boolean), 15);
  EXPECT_EQ(static_cast<int>(Dtype::quantised), 21);
  EXPECT_EQ(static_cast<int>(Dtype::f8_e5m2_fnuz), 23);
  EXPECT_EQ(static_cast<int>(Dtype::q8_0), 28);
  EXPECT_EQ(static_cast<int>(Dtype::mxfp4), 36);
}

TEST(Dtype, AWidthOfSeveralBytesIsThatOfTheNumbers) {
  EXPECT_EQ(width_of(Dtype::bf16), 2U);
  EXPECT_EQ(width_of(Dtype::f32), 4U);
  EXPECT_EQ(width_of(Dtype::c64), 4U);
  EXPECT_EQ(width_of(Dtype::i64), 8U);
  EXPECT_EQ(width_of(Dtype::f4), 1U);
  EXPECT_EQ(width_of(Dtype::quantised), 1U);
  EXPECT_EQ(bits_of(Dtype::c64), 64U);
  EXPECT_EQ(bits_of(Dtype::f6_e3m2), 6U);
}

}  // namespace
}  // namespace wfs
