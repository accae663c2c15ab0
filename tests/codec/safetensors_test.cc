#include <gtest/gtest.h>

#include "codec/layout.h"
#include "tests/codec/samples.h"

namespace wfs {
namespace {

// In the headers, @ stands for the fields of a tensor of one byte at the start of the data.
constexpr std::string_view one_byte = R"("dtype":"U8","shape":[1],"data_offsets":[0,1])";

std::string expand(std::string_view text) {
  std::string header(text);
  for (auto at = header.find('@'); at != header.npos; at = header.find('@')) {
    header.replace(at, 1, one_byte);
  }
  return header;
}

struct Case {
  const char* rule;
  std::string header;
  std::size_t data = 1;
};

bool accepts(Bytes file) {
  try {
    const Layout layout = parse_safetensors(MemorySource(file));
    expect_covers(layout, file.size());
    EXPECT_EQ(layout.format, Format::safetensors);
    return true;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::invalid) << error.what();
    EXPECT_STRNE(error.what(), "");
    return false;
  }
}

bool accepts(const Case& one) {
  return accepts(safetensors_file(expand(one.header), one.data));
}

// Each decision below was compared with the safetensors library 0.8.0.
TEST(Safetensors, AcceptsWhatTheLibraryAccepts) {
  const std::vector<Case> cases = {
      {"no tensors", "{}", 0},
      {"space behind", "{}  \n\t\r", 0},
      {"space before", " {}", 0},
      {"one tensor", R"({"a":{@}})"},
      {"the empty name", R"({"":{@}})"},
      {"metadata", R"({"__metadata__":{"x":"y"},"a":{@}})"},
      {"metadata behind", R"({"a":{@},"__metadata__":{"q":"w"}})"},
      {"null for metadata", R"({"__metadata__":null,"a":{@}})"},
      {"a key of metadata twice", R"({"__metadata__":{"x":"y","x":"z"},"a":{@}})"},
      {"metadata with an escape in its name", R"({"__metad\u0061ta__":{"x":"y"},"a":{@}})"},
      {"a tensor twice", R"({"a":{@},"a":{@}})"},
      {"a tensor twice, the first wrong in offsets only",
       R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[4,5]},"a":{@}})"},
      {"unknown fields", R"({"a":{@,"z":[1,{"q":2}]}})"},
      {"an unknown field twice", R"({"a":{@,"z":1,"z":-2.5e3}})"},
      {"an unknown field with a large number", R"({"a":{@,"z":123456789012345678901234567890}})"},
      {"an unknown field with a small number", R"({"a":{@,"z":1e-99999999999}})"},
      {"a tensor as an array", R"({"a":["U8",[1],[0,1]]})"},
      {"a dtype as an object", R"({"a":{"dtype":{"U8":null},"shape":[1],"data_offsets":[0,1]}})"},
      {"a dtype as an object in an array", R"({"a":[{"U8":null},[1],[0,1]]})"},
      {"an escape in a dtype", R"({"a":{"dtype":"U\u0038","shape":[1],"data_offsets":[0,1]}})"},
      {"an escape in a field", R"({"a":{"d\u0074ype":"U8","shape":[1],"data_offsets":[0,1]}})"},
      {"a scalar", R"({"a":{"dtype":"U8","shape":[],"data_offsets":[0,1]}})"},
      {"tensors out of order", R"({"b":{"dtype":"U8","shape":[1],"data_offsets":[1,2]},"a":{@}})",
       2},
      {"an empty tensor between two",
       R"({"a":{@},"e":{"dtype":"U8","shape":[0],"data_offsets":[1,1]},)"
       R"("b":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
       2},
      {"an empty tensor at the start of another",
       R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
       R"("e":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})",
       2},
      {"zero before lengths that would overflow",
       R"({"e":{"dtype":"U8","shape":[0,18446744073709551615,9],"data_offsets":[0,0]}})", 0},
      {"a surrogate pair", R"({"\ud83d\ude00":{@}})"},
      {"an escaped NUL", R"({"\u0000":{@}})"},
      {"the control character that is allowed", "{\"\x7f\":{@}}"},
      {"125 arrays inside a tensor",
       R"({"a":{@,"z":)" + std::string(125, '[') + std::string(125, ']') + "}}"},
      {"two numbers of four bits", R"({"a":{"dtype":"F4","shape":[2],"data_offsets":[0,1]}})"},
      {"four numbers of six bits", R"({"a":{"dtype":"F6_E2M3","shape":[4],"data_offsets":[0,3]}})",
       3},
  };
  for (const Case& one : cases) EXPECT_TRUE(accepts(one)) << one.rule << ": " << one.header;
}

TEST(Safetensors, RefusesWhatTheLibraryRefuses) {
  const std::vector<Case> cases = {
      {"an empty header", "", 0},
      {"an array", "[]", 0},
      {"a NUL behind", std::string("{}\0", 3), 0},
      {"text behind", "{}x", 0},
      {"two headers", "{}{}", 0},
      {"a byte order mark", "\xef\xbb\xbf{}", 0},
      {"a comment", R"({/**/"a":{@}})"},
      {"a comma too many", R"({"a":{@},})"},
      {"an open object", R"({"a":{@})"},
      {"not UTF-8", "{\"\xff\":{@}}"},
      {"a surrogate in UTF-8", "{\"\xed\xa0\x80\":{@}}"},
      {"half a surrogate pair", R"({"\ud800":{@}})"},
      {"the other half", R"({"\udc00":{@}})"},
      {"a control character", "{\"\x01\":{@}}"},
      {"an unknown escape", R"({"a\x":{@}})"},
      {"metadata with a number", R"({"__metadata__":{"x":1},"a":{@}})"},
      {"metadata with null", R"({"__metadata__":{"x":null},"a":{@}})"},
      {"metadata with an object", R"({"__metadata__":{"x":{}},"a":{@}})"},
      {"metadata as an array", R"({"__metadata__":[],"a":{@}})"},
      {"metadata twice", R"({"__metadata__":{},"__metadata__":{},"a":{@}})"},
      {"metadata twice, once null", R"({"__metadata__":null,"__metadata__":{},"a":{@}})"},
      {"metadata with a tensor", R"({"__metadata__":{@}})"},
      {"a tensor twice, the last wrong",
       R"({"a":{@},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})", 2},
      {"a tensor twice, one of no type",
       R"({"a":{"dtype":"XX","shape":[1],"data_offsets":[0,1]},"a":{@}})"},
      {"a field twice", R"({"a":{@,"dtype":"U8"}})"},
      {"an unknown field with a number out of range", R"({"a":{@,"z":1e999}})"},
      {"NaN", R"({"a":{@,"z":NaN}})"},
      {"a number that ends in a point", R"({"a":{@,"z":1.}})"},
      {"a tensor that is null", R"({"a":null})", 0},
      {"a tensor that is a number", R"({"a":3})", 0},
      {"a tensor as an array of two", R"({"a":["U8",[1]]})"},
      {"a tensor as an array of four", R"({"a":["U8",[1],[0,1],5]})"},
      {"a tensor as an array in another order", R"({"a":[[1],"U8",[0,1]]})"},
      {"no offsets", R"({"a":{"dtype":"U8","shape":[1]}})"},
      {"no shape", R"({"a":{"dtype":"U8","data_offsets":[0,1]}})"},
      {"no dtype", R"({"a":{"shape":[1],"data_offsets":[0,1]}})"},
      {"an unknown dtype", R"({"a":{"dtype":"C128","shape":[1],"data_offsets":[0,16]}})", 16},
      {"a dtype of ours only", R"({"a":{"dtype":"OPAQUE","shape":[1],"data_offsets":[0,1]}})"},
      {"a dtype in small letters", R"({"a":{"dtype":"u8","shape":[1],"data_offsets":[0,1]}})"},
      {"a dtype that is a number", R"({"a":{"dtype":4,"shape":[1],"data_offsets":[0,1]}})"},
      {"a dtype as an empty object", R"({"a":{"dtype":{},"shape":[1],"data_offsets":[0,1]}})"},
      {"a dtype with a value", R"({"a":{"dtype":{"U8":0},"shape":[1],"data_offsets":[0,1]}})"},
      {"a dtype with an object", R"({"a":{"dtype":{"U8":{}},"shape":[1],"data_offsets":[0,1]}})"},
      {"two dtypes", R"({"a":{"dtype":{"U8":null,"I8":null},"shape":[1],"data_offsets":[0,1]}})"},
      {"a shape that is null", R"({"a":{"dtype":"U8","shape":null,"data_offsets":[0,1]}})"},
      {"a shape that is an object", R"({"a":{"dtype":"U8","shape":{},"data_offsets":[0,1]}})"},
      {"a fraction as a length", R"({"a":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}})"},
      {"an exponent in a length", R"({"a":{"dtype":"U8","shape":[1e0],"data_offsets":[0,1]}})"},
      {"minus zero", R"({"a":{"dtype":"U8","shape":[-0],"data_offsets":[0,0]}})", 0},
      {"a negative length", R"({"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}})"},
      {"a leading zero", R"({"a":{"dtype":"U8","shape":[01],"data_offsets":[0,1]}})"},
      {"text as a length", R"({"a":{"dtype":"U8","shape":["1"],"data_offsets":[0,1]}})"},
      {"a shape in a shape", R"({"a":{"dtype":"U8","shape":[[1]],"data_offsets":[0,1]}})"},
      {"a length past 64 bits",
       R"({"a":{"dtype":"U8","shape":[18446744073709551616],"data_offsets":[0,1]}})"},
      {"one offset", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0]}})"},
      {"three offsets", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}})"},
      {"a tensor that ends before it starts",
       R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}})"},
      {"a tensor of another size", R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,1]}})"},
      {"bytes behind the last tensor", R"({"a":{@}})", 2},
      {"bytes that are missing", R"({"a":{@}})", 0},
      {"a hole", R"({"a":{@},"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}})", 3},
      {"an overlap", R"({"a":{@},"b":{@}})"},
      {"an empty tensor inside another",
       R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
       R"("e":{"dtype":"U8","shape":[0],"data_offsets":[1,1]}})",
       2},
      {"a shape that overflows before its zero",
       R"({"e":{"dtype":"U8","shape":[18446744073709551615,9,0],"data_offsets":[0,0]}})", 0},
      {"a size that overflows",
       R"({"e":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0]}})", 0},
      {"half a byte", R"({"a":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}})", 2},
      {"half a byte, rounded down", R"({"a":{"dtype":"F4","shape":[3],"data_offsets":[0,1]}})"},
      {"126 arrays inside a tensor",
       R"({"a":{@,"z":)" + std::string(126, '[') + std::string(126, ']') + "}}"},
  };
  for (const Case& one : cases) EXPECT_FALSE(accepts(one)) << one.rule << ": " << one.header;
}

TEST(Safetensors, TheLengthOfTheHeaderIsBelievedOnlyWhenItFits) {
  const auto file_of = [](std::uint64_t length, std::string_view rest) {
    Buffer file;
    append_le(file, length);
    append_bytes(file, as_bytes(rest));
    return file;
  };
  EXPECT_TRUE(accepts(file_of(2, "{}")));
  EXPECT_FALSE(accepts(file_of(3, "{}")));
  EXPECT_FALSE(accepts(file_of(~std::uint64_t{0}, "{}")));
  EXPECT_FALSE(accepts(file_of(0, "")));
  EXPECT_FALSE(accepts(Buffer(7)));
  EXPECT_TRUE(accepts(
      file_of(safetensors_header_max, "{}" + std::string(safetensors_header_max - 2, ' '))));
  EXPECT_FALSE(accepts(
      file_of(safetensors_header_max + 1, "{}" + std::string(safetensors_header_max - 1, ' '))));
}

TEST(Safetensors, EveryDtypeOfTheFormatIsKnownWithItsSize) {
  struct Spelling {
    const char* name;
    std::size_t bytes_of_eight;
  };
  for (const auto& [name, bytes] :
       {Spelling{"BOOL", 8}, {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},
        {"I8", 8},           {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8},
        {"F8_E5M2FNUZ", 8},  {"I16", 16},    {"U16", 16},    {"F16", 16},    {"BF16", 16},
        {"I32", 32},         {"U32", 32},    {"F32", 32},    {"C64", 64},    {"F64", 64},
        {"I64", 64},         {"U64", 64}}) {
    const std::string header =
        cat(R"({"a":{"dtype":")", name, R"(","shape":[2,4],"data_offsets":[0,)", bytes, "]}}");
    EXPECT_TRUE(accepts(safetensors_file(header, bytes))) << name;
    EXPECT_FALSE(accepts(safetensors_file(header, bytes + 1))) << name;
  }
}

TEST(Safetensors, TensorsBecomeSegmentsInTheOrderOfTheirData) {
  const Buffer file =
      safetensors_file(R"({"b":{"dtype":"BF16","shape":[2,3],"data_offsets":[4,16]},)"
                       R"("none":{"dtype":"F32","shape":[0,5],"data_offsets":[4,4]},)"
                       R"("a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})",
                       16);
  const Layout layout = layout_of(MemorySource(file));
  const std::uint64_t data = file.size() - 16;
  ASSERT_EQ(layout.segments.size(), 3U);
  EXPECT_EQ(layout.segments[0], (Segment{{0, data}, {}}));
  EXPECT_EQ(layout.segments[1], (Segment{{data, 4}, Tensor{"a", Dtype::f32, {}}}));
  EXPECT_EQ(layout.segments[2], (Segment{{data + 4, 12}, Tensor{"b", Dtype::bf16, {2, 3}}}));
  ASSERT_EQ(layout.empty_tensors.size(), 1U);
  EXPECT_EQ(layout.empty_tensors[0], (Tensor{"none", Dtype::f32, {0, 5}}));
  EXPECT_EQ(layout.reason, "");
}

}  // namespace
}  // namespace wfs
