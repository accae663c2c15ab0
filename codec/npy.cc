#include "codec/npy.h"

#include <array>
#include <charconv>

#include "codec/layout.h"
#include "codec/source_reader.h"

namespace wfs {
namespace {

constexpr std::uint32_t header_max = 64 * 1024;
constexpr std::size_t rank_max = 64;  // NumPy's own limit

// Reads the few Python literals a header consists of.
class LiteralReader {
 public:
  explicit LiteralReader(std::string_view text) : rest_(text) {}

  bool accept(std::string_view token) {
    skip_space();
    if (!rest_.starts_with(token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }

  void expect(std::string_view token) {
    if (!accept(token)) fail(Errc::invalid, cat("the array header lacks ", token));
  }

  std::string_view text() {
    const char quote = accept("'") ? '\'' : '"';
    if (quote == '"') expect("\"");
    const auto end = rest_.find(quote);
    if (end == rest_.npos) fail(Errc::invalid, "the array header has an open string");
    const auto text = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return text;
  }

  std::uint64_t number() {
    skip_space();
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (error != std::errc{}) fail(Errc::invalid, "the array header has a wrong number");
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    accept("L");  // Python 2 wrote long numbers so
    return value;
  }

  bool at_end() {
    skip_space();
    return rest_.empty();
  }

 private:
  void skip_space() {
    while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\n' || rest_[0] == '\t')) {
      rest_.remove_prefix(1);
    }
  }

  std::string_view rest_;
};

Dtype dtype_of(std::string_view descr) {
  struct Known {
    std::string_view code;
    Dtype dtype;
  };
  static constexpr std::array<Known, 13> known = {{{"f8", Dtype::f64},
                                                   {"f4", Dtype::f32},
                                                   {"f2", Dtype::f16},
                                                   {"i8", Dtype::i64},
                                                   {"i4", Dtype::i32},
                                                   {"i2", Dtype::i16},
                                                   {"i1", Dtype::i8},
                                                   {"u8", Dtype::u64},
                                                   {"u4", Dtype::u32},
                                                   {"u2", Dtype::u16},
                                                   {"u1", Dtype::u8},
                                                   {"b1", Dtype::boolean},
                                                   {"c8", Dtype::c64}}};
  if (descr.size() == 3 && std::string_view("<|=").find(descr[0]) != std::string_view::npos) {
    for (const Known& one : known) {
      if (one.code == descr.substr(1)) return one.dtype;
    }
  }
  fail(Errc::invalid, cat("arrays of type ", descr, " are not known"));
}

Tensor tensor_of(std::string_view header) {
  LiteralReader reader(header);
  Tensor tensor;
  bool has_descr = false;
  bool has_order = false;
  bool has_shape = false;
  reader.expect("{");
  while (!reader.accept("}")) {
    const std::string_view key = reader.text();
    reader.expect(":");
    if (key == "descr") {
      if (reader.accept("[")) fail(Errc::invalid, "arrays of records are not known");
      tensor.dtype = dtype_of(reader.text());
      has_descr = true;
    } else if (key == "fortran_order") {
      if (!reader.accept("True")) reader.expect("False");
      has_order = true;
    } else if (key == "shape") {
      reader.expect("(");
      tensor.shape.clear();
      while (!reader.accept(")")) {
        if (tensor.shape.size() >= rank_max) fail(Errc::invalid, "too many dimensions");
        tensor.shape.push_back(reader.number());
        if (!reader.accept(",")) {
          reader.expect(")");
          break;
        }
      }
      has_shape = true;
    } else {
      fail(Errc::invalid, "the array header has an unknown field");
    }
    if (!reader.accept(",")) {
      reader.expect("}");
      break;
    }
  }
  if (!reader.at_end()) fail(Errc::invalid, "the array header goes on after its end");
  if (!has_descr || !has_order || !has_shape) fail(Errc::invalid, "the array header lacks a field");
  return tensor;
}

}  // namespace

NpyArray read_npy(const ByteSource& source, Range range) {
  SourceReader reader(source, range);
  if (reader.text(6) != "\x93NUMPY") fail(Errc::invalid, "not a NumPy array");
  const auto version = reader.number<std::uint8_t>();
  reader.skip(1);
  if (version < 1 || version > 3) fail(Errc::invalid, cat("array version ", unsigned{version}));
  const std::uint32_t length =
      version == 1 ? reader.number<std::uint16_t>() : reader.number<std::uint32_t>();
  if (length > header_max) fail(Errc::invalid, "the array header is too long");
  NpyArray array{tensor_of(reader.text(length)), {}};

  std::uint64_t bytes = bits_of(array.tensor.dtype) / 8;
  bool overflows = false;
  bool empty = false;
  for (const std::uint64_t length_of_axis : array.tensor.shape) {
    empty |= length_of_axis == 0;
    overflows |= __builtin_mul_overflow(bytes, length_of_axis, &bytes);
  }
  if (empty) bytes = 0;
  if (!empty && overflows) fail(Errc::invalid, "the shape of the array overflows");
  if (bytes > reader.left()) fail(Errc::invalid, "the array is longer than its file");
  array.data = {reader.position(), bytes};
  return array;
}

Layout parse_npy(const ByteSource& file) {
  NpyArray array = read_npy(file, {0, file.size()});
  Layout layout;
  layout.format = Format::npy;
  std::vector<Segment> found;
  if (array.data.empty()) {
    layout.empty_tensors.push_back(std::move(array.tensor));
  } else {
    found.push_back({array.data, std::move(array.tensor)});
  }
  layout.segments = cover(file.size(), std::move(found));
  return layout;
}

}  // namespace wfs
