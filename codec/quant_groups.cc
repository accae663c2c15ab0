#include "codec/quant_groups.h"

#include "base/error.h"

namespace wfs {
namespace {

struct Field {
  unsigned bytes;
  bool is_number = false;  // its bytes differ in kind: each has a class of its own
  unsigned repeated = 1;
};

constexpr Field half{2, true};  // a scale or minimum

// The fields of ggml's structures, in order.
std::vector<Field> fields_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::q4_0:
      return {half, {16}};
    case Dtype::q4_1:
      return {half, half, {16}};
    case Dtype::q5_0:
      return {half, {4}, {16}};
    case Dtype::q5_1:
      return {half, half, {4}, {16}};
    case Dtype::q8_0:
      return {half, {32}};
    case Dtype::q8_1:
      return {half, half, {32}};
    case Dtype::q2_k:
      return {{16}, {64}, half, half};
    case Dtype::q3_k:
      return {{32}, {64}, {12}, half};
    case Dtype::q4_k:
      return {half, half, {12}, {128}};
    case Dtype::q5_k:
      return {half, half, {12}, {32}, {128}};
    case Dtype::q6_k:
      return {{128}, {64}, {16}, half};
    case Dtype::q8_k:
      return {{4, true}, {256}, {2, true, 16}};
    case Dtype::mxfp4:
      return {{1}, {16}};
    default:
      return {};
  }
}

}  // namespace

std::vector<std::uint8_t> group_classes_of(Dtype dtype) {
  std::vector<std::uint8_t> classes;
  unsigned next = 0;
  for (const Field& field : fields_of(dtype)) {
    for (unsigned i = 0; i < field.repeated * field.bytes; ++i) {
      classes.push_back(static_cast<std::uint8_t>(field.is_number ? next + i % field.bytes : next));
    }
    next += field.is_number ? field.bytes : 1;
  }
  expects(next <= 8 && (classes.empty() || classes.size() == group_bytes_of(dtype)),
          "the fields fill their group");
  return classes;
}

}  // namespace wfs
