#include "base/wire.h"

#include <gtest/gtest.h>

namespace wfs {
namespace {

TEST(Wire, NumbersAreLittleEndian) {
  Buffer bytes;
  append_le(bytes, std::uint32_t{0x01020304});
  EXPECT_EQ(as_text(bytes), std::string_view("\4\3\2\1", 4));
  append_le(bytes, std::int16_t{-2});
  EXPECT_EQ(as_text(bytes).substr(4), std::string_view("\xfe\xff", 2));
}

TEST(Wire, ACursorReadsWhatWasAppended) {
  Buffer bytes;
  append_le(bytes, std::uint8_t{200});
  append_le(bytes, std::uint64_t{1} << 63);
  append_text16(bytes, "short");
  append_text32(bytes, std::string(70000, 'x'));
  append_text16(bytes, "");
  append_bytes(bytes, as_bytes("end"));
  Cursor cursor(bytes);
  EXPECT_EQ(cursor.number<std::uint8_t>(), 200);
  EXPECT_EQ(cursor.number<std::uint64_t>(), std::uint64_t{1} << 63);
  EXPECT_EQ(cursor.text16(), "short");
  EXPECT_EQ(cursor.text32(), std::string(70000, 'x'));
  EXPECT_EQ(cursor.text16(), "");
  EXPECT_EQ(cursor.left(), 3U);
  EXPECT_EQ(cursor.position(), bytes.size() - 3);
  EXPECT_EQ(as_text(cursor.array<2>()), "en");
  EXPECT_EQ(as_text(cursor.take(1)), "d");
  EXPECT_TRUE(cursor.at_end());
}

TEST(Wire, ACursorCannotBeDrivenPastItsEnd) {
  const Buffer bytes(5, std::byte{0xff});
  const auto code_of = [&](auto read) {
    Cursor cursor(bytes);
    try {
      read(cursor);
    } catch (const Error& error) {
      return error.code();
    }
    return Errc::io;
  };
  EXPECT_EQ(code_of([](Cursor& c) { c.take(6); }), Errc::corrupt);
  EXPECT_EQ(code_of([](Cursor& c) { c.take(~std::uint64_t{0}); }), Errc::corrupt);
  EXPECT_EQ(code_of([](Cursor& c) { c.number<std::uint64_t>(); }), Errc::corrupt);
  EXPECT_EQ(code_of([](Cursor& c) { c.array<6>(); }), Errc::corrupt);
  EXPECT_EQ(code_of([](Cursor& c) { c.text16(); }), Errc::corrupt);
  EXPECT_EQ(code_of([](Cursor& c) { c.text32(); }), Errc::corrupt);
  EXPECT_EQ(code_of([](Cursor& c) {
              c.take(5);
              c.skip(1);
            }),
            Errc::corrupt);
}

TEST(Wire, AFailedReadLeavesTheCursorWhereItWas) {
  const Buffer bytes(3, std::byte{1});
  Cursor cursor(bytes);
  EXPECT_THROW(cursor.number<std::uint32_t>(), Error);
  EXPECT_EQ(cursor.left(), 3U);
}

TEST(Bytes, CatJoinsTextCharactersAndNumbers) {
  EXPECT_EQ(cat("a", 'b', 12, std::string("c"), std::uint64_t{1} << 40), "ab12c1099511627776");
}

}  // namespace
}  // namespace wfs
