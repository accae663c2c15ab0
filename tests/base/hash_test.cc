#include "base/hash.h"

#include <gtest/gtest.h>

namespace wfs {
namespace {

TEST(Hash, Sha256GivesTheVectorsOfTheStandard) {
  struct Case {
    std::string_view text;
    std::string_view digest;
  };
  for (const Case& one :
       {Case{"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        Case{"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        Case{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
             "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"}}) {
    EXPECT_EQ(hex(sha256(as_bytes(one.text)).bytes), one.digest) << one.text;
    EXPECT_EQ(hex(sha256_cut(as_bytes(one.text)).bytes), one.digest.substr(0, 40)) << one.text;
  }
}

TEST(Hash, Sha256OfAStreamDoesNotDependOnItsPieces) {
  const std::string text(100'000, 'a');
  Sha256 hasher;
  for (std::size_t at = 0, step = 1; at < text.size(); at += step, step = step * 3 + 1) {
    hasher.add(as_bytes(std::string_view(text).substr(at, step)));
  }
  EXPECT_EQ(hasher.finish(), sha256(as_bytes(text)));
  hasher = Sha256();
  hasher.add(as_bytes("abc"));
  EXPECT_EQ(hasher.finish(), sha256(as_bytes("abc")));
}

TEST(Hash, Xxh3GivesItsPublishedVectors) {
  EXPECT_EQ(hex(xxh3_128({}).bytes), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(xxh3_64({}), 0x2d06800538d394c2U);
  EXPECT_NE(xxh3_64({}, 1), xxh3_64({}));
  EXPECT_EQ(hex(xxh3_128(as_bytes("abc")).bytes), "06b05ab6733a618578af5f94892f3950");
  // Long enough for the loops that take whole vectors.
  std::string letters;
  for (int i = 0; i < 100'000; ++i) letters += static_cast<char>('a' + i % 26);
  EXPECT_EQ(hex(xxh3_128(as_bytes(letters)).bytes), "e785560b9f6575a0f7edd902a697d021");
  EXPECT_EQ(xxh3_64(as_bytes(letters), 7), 0xe61546a77c3ed098U);
}

TEST(Hash, HexReadsBackAndRefusesWhatIsNone) {
  const Buffer bytes{std::byte{0}, std::byte{0x9a}, std::byte{0xff}};
  EXPECT_EQ(hex(bytes), "009aff");
  EXPECT_EQ(unhex("009aff"), bytes);
  EXPECT_EQ(unhex("009AFf"), bytes);
  EXPECT_EQ(unhex(""), Buffer{});
  for (const char* wrong : {"0", "0g", "abc", " 00", "0x"}) EXPECT_FALSE(unhex(wrong)) << wrong;
}

}  // namespace
}  // namespace wfs
