// The decision which files are safetensors follows the library to the letter, also where it is more
// lenient than the text of the format: a tensor named twice counts as named last, unknown fields of
// a tensor are skipped, and a tensor may be written as the array of its three fields.
#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <tuple>
#include <unordered_map>

#include "base/wire.h"
#include "codec/layout.h"

namespace wfs {
namespace {

struct Found {
  Tensor tensor;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

// Follows the header through the events of the JSON parser, without a tree in memory.
class HeaderReader final : public nlohmann::json_sax<nlohmann::json> {
 public:
  std::vector<Found> finish() && {
    if (place_ != Place::done) fail(Errc::invalid, "the header ends too early");
    return std::move(found_);
  }

  bool null() override {
    switch (place_) {
      case Place::metadata_value: return go_to(Place::members);
      case Place::dtype_value: return go_to(Place::dtype_end);
      default: return scalar("null");
    }
  }
  bool boolean(bool) override { return scalar("a boolean"); }
  bool number_integer(number_integer_t) override { return scalar("a negative number"); }
  bool number_float(number_float_t, const string_t&) override { return scalar("a fraction"); }
  bool binary(binary_t&) override { return scalar("binary"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (place_ == Place::shape) {
      // The library has no such limit; it bounds what a header of nothing but ones takes.
      if (current_.tensor.shape.size() >= rank_max) fail(Errc::invalid, "too many dimensions");
      current_.tensor.shape.push_back(value);
      return true;
    }
    if (place_ == Place::offsets) {
      if (offsets_ >= 2) fail(Errc::invalid, "data_offsets has more than two numbers");
      (offsets_++ == 0 ? current_.begin : current_.end) = value;
      return true;
    }
    return scalar("a number");
  }

  bool string(string_t& value) override {
    if (place_ == Place::metadata) return true;
    if (place_ == Place::fields && next_field() == Field::dtype) {
      set_dtype(value);
      return end_value();
    }
    return scalar("a string");
  }

  bool start_object(std::size_t) override {
    enter();
    switch (place_) {
      case Place::top: return go_to(Place::members);
      case Place::metadata_value: return go_to(Place::metadata);
      case Place::tensor_value: return start_tensor(/*positional=*/false);
      case Place::fields:
        if (next_field() == Field::dtype) return go_to(Place::dtype_name);
        return skip_or_refuse();
      case Place::skipped:
        ++skipped_;
        return true;
      default: fail(Errc::invalid, "an object where none belongs");
    }
  }

  bool start_array(std::size_t) override {
    enter();
    switch (place_) {
      case Place::tensor_value: return start_tensor(/*positional=*/true);
      case Place::fields:
        if (next_field() == Field::shape) return go_to(Place::shape);
        if (next_field() == Field::offsets) return go_to(Place::offsets);
        return skip_or_refuse();
      case Place::skipped:
        ++skipped_;
        return true;
      default: fail(Errc::invalid, "an array where none belongs");
    }
  }

  bool key(string_t& name) override {
    switch (place_) {
      case Place::members: return member(name);
      case Place::fields: return field(name);
      case Place::dtype_name:
        set_dtype(name);
        return go_to(Place::dtype_value);
      case Place::dtype_end: fail(Errc::invalid, "a dtype with two names");
      default: return true;
    }
  }

  bool end_object() override { return leave(); }
  bool end_array() override { return leave(); }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    fail(Errc::invalid, cat("the header is not JSON at ", position));
  }

 private:
  static constexpr std::size_t rank_max = 65536;
  static constexpr unsigned depth_max = 127;  // as serde_json has it

  enum class Place {
    top,
    members,
    metadata_value,
    metadata,
    tensor_value,
    fields,
    dtype_name,
    dtype_value,
    dtype_end,
    shape,
    offsets,
    skipped,
    done
  };
  enum class Field : std::uint8_t { dtype, shape, offsets, unknown };

  bool go_to(Place place) {
    place_ = place;
    return true;
  }

  void enter() {
    if (++depth_ > depth_max) fail(Errc::invalid, "the header is nested too deeply");
  }

  bool member(const std::string& name) {
    if (name == "__metadata__") {
      if (has_metadata_) fail(Errc::invalid, "__metadata__ is there twice");
      has_metadata_ = true;
      return go_to(Place::metadata_value);
    }
    current_ = Found{};
    current_.tensor.name = name;
    return go_to(Place::tensor_value);
  }

  bool start_tensor(bool positional) {
    positional_ = positional;
    seen_ = {};
    values_ = 0;
    offsets_ = 0;
    return go_to(Place::fields);
  }

  bool field(const std::string& name) {
    field_ = name == "dtype"          ? Field::dtype
             : name == "shape"        ? Field::shape
             : name == "data_offsets" ? Field::offsets
                                      : Field::unknown;
    if (field_ != Field::unknown && seen_[static_cast<std::size_t>(field_)]) {
      fail(Errc::invalid, cat("tensor ", current_.tensor.name, " has ", name, " twice"));
    }
    return true;
  }

  // The field that the next value belongs to.
  Field next_field() const {
    if (!positional_) return field_;
    if (values_ >= 3) fail(Errc::invalid, "a tensor has more than three fields");
    return static_cast<Field>(values_);
  }

  void set_dtype(const std::string& name) {
    const auto dtype = dtype_of_safetensors(name);
    if (!dtype) fail(Errc::invalid, cat("unknown dtype ", name));
    current_.tensor.dtype = *dtype;
  }

  // A value of a field of the tensor is over.
  bool end_value() {
    const Field field = next_field();
    if (field != Field::unknown) seen_[static_cast<std::size_t>(field)] = true;
    ++values_;
    return go_to(Place::fields);
  }

  bool scalar(const char* what) {
    if (place_ == Place::skipped) return true;
    if (place_ == Place::fields && next_field() == Field::unknown) return end_value();
    fail(Errc::invalid, cat(what, " where none belongs"));
  }

  bool skip_or_refuse() {
    if (next_field() != Field::unknown) fail(Errc::invalid, "a field of the wrong type");
    skipped_ = 1;
    return go_to(Place::skipped);
  }

  bool leave() {
    --depth_;
    switch (place_) {
      case Place::members: return go_to(Place::done);
      case Place::metadata: return go_to(Place::members);
      case Place::fields: return end_tensor();
      case Place::dtype_end:
      case Place::shape: return end_value();
      case Place::offsets:
        if (offsets_ != 2) fail(Errc::invalid, "data_offsets has fewer than two numbers");
        return end_value();
      case Place::skipped: return --skipped_ > 0 || end_value();
      default: fail(Errc::invalid, "a value is missing");
    }
  }

  bool end_tensor() {
    if (!seen_[0] || !seen_[1] || !seen_[2]) {
      fail(Errc::invalid, cat("tensor ", current_.tensor.name, " lacks a field"));
    }
    const auto [at, is_new] = index_.try_emplace(current_.tensor.name, found_.size());
    if (is_new) {
      found_.push_back(std::move(current_));
    } else {
      found_[at->second] = std::move(current_);
    }
    return go_to(Place::members);
  }

  Place place_ = Place::top;
  Field field_ = Field::unknown;
  bool positional_ = false;
  bool has_metadata_ = false;
  std::array<bool, 3> seen_{};
  unsigned values_ = 0;
  unsigned offsets_ = 0;
  unsigned depth_ = 0;
  unsigned skipped_ = 0;
  Found current_;
  std::vector<Found> found_;
  std::unordered_map<std::string, std::size_t> index_;
};

std::vector<Found> read_header(std::string_view text) {
  // The JSON library takes a NUL for the end of its input.
  if (text.find('\0') != text.npos) fail(Errc::invalid, "the header has a NUL");
  if (text.starts_with("\xef\xbb\xbf")) fail(Errc::invalid, "the header has a byte order mark");
  HeaderReader reader;
  nlohmann::json::sax_parse(text.begin(), text.end(), &reader);
  return std::move(reader).finish();
}

std::uint64_t bytes_of(const Tensor& tensor) {
  std::uint64_t bits = 1;
  bool overflows = false;
  for (const std::uint64_t length : tensor.shape) {
    overflows |= __builtin_mul_overflow(bits, length, &bits);
  }
  overflows |= __builtin_mul_overflow(bits, std::uint64_t{bits_of(tensor.dtype)}, &bits);
  if (overflows) fail(Errc::invalid, cat("the shape of tensor ", tensor.name, " overflows"));
  if (bits % 8 != 0) fail(Errc::invalid, cat("tensor ", tensor.name, " ends inside a byte"));
  return bits / 8;
}

}  // namespace

Layout parse_safetensors(const ByteSource& file) {
  const std::uint64_t size = file.size();
  if (size < 8) fail(Errc::invalid, "the file is shorter than a header length");
  std::array<std::byte, 8> start;
  file.read(0, start);
  const auto header_length = load_le<std::uint64_t>(start.data());
  if (header_length > safetensors_header_max) fail(Errc::invalid, "the header is too long");
  if (header_length > size - 8) fail(Errc::invalid, "the header is longer than the file");
  Buffer header(static_cast<std::size_t>(header_length));
  file.read(8, header);
  std::vector<Found> found = read_header(as_text(header));
  std::sort(found.begin(), found.end(), [](const Found& left, const Found& right) {
    return std::tie(left.begin, left.end, left.tensor.name) <
           std::tie(right.begin, right.end, right.tensor.name);
  });

  const std::uint64_t data = 8 + header_length;
  std::uint64_t covered = 0;
  Layout layout;
  layout.format = Format::safetensors;
  layout.segments.push_back({{0, data}, {}});
  for (Found& next : found) {
    const std::string& name = next.tensor.name;
    if (next.begin != covered || next.end < next.begin) {
      fail(Errc::invalid, cat("tensor ", name, " does not start where the one before it ends"));
    }
    if (next.end - next.begin != bytes_of(next.tensor)) {
      fail(Errc::invalid, cat("the offsets of tensor ", name, " do not fit its shape"));
    }
    covered = next.end;
    if (next.end > size - data) fail(Errc::invalid, cat("the file ends inside tensor ", name));
    if (next.begin == next.end) {
      layout.empty_tensors.push_back(std::move(next.tensor));
    } else {
      layout.segments.push_back(
          {{data + next.begin, next.end - next.begin}, std::move(next.tensor)});
    }
  }
  if (covered != size - data) fail(Errc::invalid, "the tensors end before the file does");
  return layout;
}

}  // namespace wfs
