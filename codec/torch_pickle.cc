#include "codec/torch_pickle.h"

#include <algorithm>
#include <array>
#include <optional>
#include <unordered_set>
#include <vector>

#include "base/error.h"
#include "base/wire.h"

namespace wfs {
namespace {

constexpr std::size_t values_max = 1'000'000;
constexpr unsigned depth_max = 16;
constexpr std::size_t rank_max = 64;
constexpr std::size_t name_max = 4096;

enum class Kind : std::uint8_t { other, mark, text, number, tuple, list, map, global, storage, tensor };

// Items are places in the table of values, which only grows.
struct Value {
  Kind kind = Kind::other;
  Dtype dtype = Dtype::opaque;       // storage, tensor; of an untyped storage opaque
  std::int64_t number = 0;           // number; storage: how many elements, or bytes when it is untyped
  std::string text;                  // text; global: its last name; storage: its key
  std::vector<std::uint32_t> items;  // tuple, list; map: keys and values; tensor: storage, shape
};

std::optional<Dtype> dtype_of_storage(std::string_view name) {
  struct Named {
    std::string_view name;
    Dtype dtype;
  };
  static constexpr std::array<Named, 18> known = {{
      {"FloatStorage", Dtype::f32},     {"HalfStorage", Dtype::f16},
      {"BFloat16Storage", Dtype::bf16}, {"DoubleStorage", Dtype::f64},
      {"LongStorage", Dtype::i64},      {"IntStorage", Dtype::i32},
      {"ShortStorage", Dtype::i16},     {"CharStorage", Dtype::i8},
      {"ByteStorage", Dtype::u8},       {"BoolStorage", Dtype::boolean},
      {"ComplexFloatStorage", Dtype::c64}, {"Float8_e4m3fnStorage", Dtype::f8_e4m3},
      {"Float8_e5m2Storage", Dtype::f8_e5m2}, {"float8_e4m3fn", Dtype::f8_e4m3},
      {"float8_e5m2", Dtype::f8_e5m2},  {"uint16", Dtype::u16},
      {"uint32", Dtype::u32},           {"uint64", Dtype::u64},
  }};
  for (const Named& entry : known) {
    if (entry.name == name) return entry.dtype;
  }
  return std::nullopt;
}

class Reader {
 public:
  explicit Reader(Bytes pickle) : cursor_(pickle) { values_.emplace_back(); }

  // False at the end, and at what no pickle of tensors holds.
  bool step();

  std::uint32_t root() const { return stack_.empty() ? 0 : stack_.back(); }
  const Value& at(std::uint32_t place) const { return values_[place]; }

 private:
  template <class Number>
  std::size_t length() {
    const auto length = static_cast<std::uint64_t>(cursor_.number<Number>());
    if (length > cursor_.left()) fail(Errc::corrupt, "a pickle is cut short");
    return static_cast<std::size_t>(length);
  }

  std::uint32_t add(Value value) {
    if (values_.size() >= values_max) fail(Errc::corrupt, "a pickle of too many values");
    values_.push_back(std::move(value));
    return static_cast<std::uint32_t>(values_.size() - 1);
  }
  void push(Value value) { stack_.push_back(add(std::move(value))); }
  void push(Kind kind) {
    Value value;
    value.kind = kind;
    push(std::move(value));
  }
  void push_text(Kind kind, std::size_t size) {
    Value value;
    value.kind = kind;
    value.text = as_text(cursor_.take(size));
    push(std::move(value));
  }
  void push_number(std::int64_t number) {
    Value value;
    value.kind = Kind::number;
    value.number = number;
    push(std::move(value));
  }
  void push_long(std::size_t size) {
    const Bytes bytes = cursor_.take(size);
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < std::min<std::size_t>(size, 8); ++i) {
      number |= std::to_integer<std::uint64_t>(bytes[i]) << 8 * i;
    }
    push_number(static_cast<std::int64_t>(number));
  }

  std::uint32_t pop() {
    if (stack_.empty()) fail(Errc::corrupt, "a pickle takes more than it gave");
    const std::uint32_t top = stack_.back();
    stack_.pop_back();
    return top;
  }
  std::vector<std::uint32_t> pop_to_mark() {
    auto mark = stack_.end();
    while (mark != stack_.begin() && values_[*(mark - 1)].kind != Kind::mark) --mark;
    if (mark == stack_.begin()) fail(Errc::corrupt, "a pickle without a mark");
    std::vector<std::uint32_t> items(mark, stack_.end());
    stack_.erase(mark - 1, stack_.end());
    return items;
  }
  void push_tuple(std::vector<std::uint32_t> items) {
    Value value;
    value.kind = Kind::tuple;
    value.items = std::move(items);
    push(std::move(value));
  }
  void push_last(std::size_t count) {
    if (stack_.size() < count) fail(Errc::corrupt, "a pickle takes more than it gave");
    std::vector<std::uint32_t> items(stack_.end() - static_cast<std::ptrdiff_t>(count), stack_.end());
    stack_.resize(stack_.size() - count);
    push_tuple(std::move(items));
  }
  void extend(const std::vector<std::uint32_t>& items) {
    if (stack_.empty()) fail(Errc::corrupt, "a pickle takes more than it gave");
    auto& into = values_[stack_.back()].items;
    into.insert(into.end(), items.begin(), items.end());
  }

  std::string line();
  void remember(std::uint32_t place) {
    if (!stack_.empty()) memo_[place] = stack_.back();
  }
  void recall(std::uint32_t place) {
    const auto known = memo_.find(place);
    stack_.push_back(known == memo_.end() ? 0 : known->second);
  }
  void take_persistent_id();
  void call();
  bool step_text(std::uint8_t opcode);
  bool step_number(std::uint8_t opcode);
  bool step_container(std::uint8_t opcode);

  Cursor cursor_;
  std::vector<Value> values_;  // the first is what is not known
  std::vector<std::uint32_t> stack_;
  std::unordered_map<std::uint32_t, std::uint32_t> memo_;
};

std::string Reader::line() {
  std::string text;
  for (;;) {
    const auto letter = static_cast<char>(cursor_.number<std::uint8_t>());
    if (letter == '\n') return text;
    if (text.size() == name_max) fail(Errc::corrupt, "a pickle with an endless line");
    text += letter;
  }
}

// ('storage', type, key, location, count)
void Reader::take_persistent_id() {
  const Value& id = values_[pop()];
  Value storage;
  if (id.kind == Kind::tuple && id.items.size() >= 5) {
    const Value& type = values_[id.items[1]];
    const Value& key = values_[id.items[2]];
    const Value& count = values_[id.items[4]];
    const auto dtype = dtype_of_storage(type.text);
    const bool known = dtype || type.text == "UntypedStorage";
    if (type.kind == Kind::global && key.kind == Kind::text && count.kind == Kind::number && known) {
      storage.kind = Kind::storage;
      storage.dtype = dtype.value_or(Dtype::opaque);
      storage.number = count.number;
      storage.text = key.text;
    }
  }
  push(std::move(storage));
}

// _rebuild_tensor_v2(storage, offset, shape, strides, …) is a tensor; _rebuild_parameter(tensor, …) is what it
// was given; OrderedDict() is a map. Anything else is not known.
void Reader::call() {
  const Value& arguments = values_[pop()];
  const Value& callee = values_[pop()];
  if (callee.kind != Kind::global || arguments.kind != Kind::tuple) return push(Kind::other);
  const auto& items = arguments.items;
  if (callee.text == "OrderedDict" || callee.text == "defaultdict") return push(Kind::map);
  if (callee.text.starts_with("_rebuild_parameter") && !items.empty()) {
    stack_.push_back(items[0]);
    return;
  }
  if (callee.text.starts_with("_rebuild_tensor") && items.size() >= 3 &&
      values_[items[0]].kind == Kind::storage && values_[items[2]].kind == Kind::tuple) {
    Value tensor;
    tensor.kind = Kind::tensor;
    tensor.dtype = values_[items[0]].dtype;
    // _rebuild_tensor_v3 names the type of an untyped storage.
    if (tensor.dtype == Dtype::opaque && items.size() > 6) {
      tensor.dtype = dtype_of_storage(values_[items[6]].text).value_or(Dtype::opaque);
    }
    tensor.items = {items[0], items[2]};
    return push(std::move(tensor));
  }
  push(Kind::other);
}

bool Reader::step_text(std::uint8_t opcode) {
  switch (opcode) {
    case 'X': case 'T': push_text(Kind::text, length<std::uint32_t>()); return true;
    case 0x8c: case 'U': push_text(Kind::text, length<std::uint8_t>()); return true;
    case 0x8d: push_text(Kind::text, length<std::uint64_t>()); return true;
    case 'B': cursor_.skip(length<std::uint32_t>()); push(Kind::other); return true;
    case 'C': cursor_.skip(length<std::uint8_t>()); push(Kind::other); return true;
    case 0x8e: cursor_.skip(length<std::uint64_t>()); push(Kind::other); return true;
    case 'c': {
      line();
      Value global;
      global.kind = Kind::global;
      global.text = line();
      push(std::move(global));
      return true;
    }
    case 0x93: {
      Value global;
      global.kind = Kind::global;
      global.text = values_[pop()].text;
      pop();
      push(std::move(global));
      return true;
    }
    default: return false;
  }
}

bool Reader::step_number(std::uint8_t opcode) {
  switch (opcode) {
    case 'J': push_number(static_cast<std::int32_t>(cursor_.number<std::uint32_t>())); return true;
    case 'K': push_number(cursor_.number<std::uint8_t>()); return true;
    case 'M': push_number(cursor_.number<std::uint16_t>()); return true;
    case 0x8a: push_long(length<std::uint8_t>()); return true;
    case 0x8b: push_long(length<std::uint32_t>()); return true;
    case 'G': cursor_.skip(8); push(Kind::other); return true;
    case 'N': case 0x88: case 0x89: push(Kind::other); return true;
    case 'q': remember(cursor_.number<std::uint8_t>()); return true;
    case 'r': remember(cursor_.number<std::uint32_t>()); return true;
    case 0x94: remember(static_cast<std::uint32_t>(memo_.size())); return true;
    case 'h': recall(cursor_.number<std::uint8_t>()); return true;
    case 'j': recall(cursor_.number<std::uint32_t>()); return true;
    default: return false;
  }
}

bool Reader::step_container(std::uint8_t opcode) {
  switch (opcode) {
    case '(': push(Kind::mark); return true;
    case ')': push(Kind::tuple); return true;
    case 0x85: push_last(1); return true;
    case 0x86: push_last(2); return true;
    case 0x87: push_last(3); return true;
    case 't': push_tuple(pop_to_mark()); return true;
    case '}': push(Kind::map); return true;
    case ']': case 0x8f: push(Kind::list); return true;
    case 'a': extend({pop()}); return true;
    case 'e': case 'u': case 0x90: extend(pop_to_mark()); return true;
    case 's': {
      const std::uint32_t value = pop(), key = pop();
      extend({key, value});
      return true;
    }
    case 'R': case 0x81: call(); return true;
    case 'b': case '0': pop(); return true;
    case '1': pop_to_mark(); return true;
    case '2': stack_.push_back(root()); return true;
    case 'Q': take_persistent_id(); return true;
    default: return false;
  }
}

bool Reader::step() {
  const auto opcode = cursor_.number<std::uint8_t>();
  if (opcode == '.') return false;
  if (opcode == 0x80) {
    cursor_.skip(1);
    return true;
  }
  if (opcode == 0x95) {
    cursor_.skip(8);
    return true;
  }
  return step_container(opcode) || step_text(opcode) || step_number(opcode);
}

class Names {
 public:
  explicit Names(const Reader& reader) : reader_(reader) {}

  void walk(std::uint32_t place, const std::string& name, unsigned depth) {
    const Value& value = reader_.at(place);
    if (value.kind == Kind::tensor) return take(value, name);
    // What is in several places, or in itself, counts where it is met first.
    if (depth == depth_max || !seen_.insert(place).second) return;
    if (value.kind == Kind::map) {
      for (std::size_t i = 0; i + 1 < value.items.size(); i += 2) {
        walk(value.items[i + 1], joined(name, key_of(reader_.at(value.items[i]))), depth + 1);
      }
    } else if (value.kind == Kind::list || value.kind == Kind::tuple) {
      for (std::size_t i = 0; i < value.items.size(); ++i) {
        walk(value.items[i], joined(name, std::to_string(i)), depth + 1);
      }
    }
  }

  std::unordered_map<std::string, Tensor> found;

 private:
  static std::string key_of(const Value& key) {
    return key.kind == Kind::number ? std::to_string(key.number) : key.text;
  }
  static std::string joined(const std::string& name, const std::string& key) {
    return name.empty() ? key : name + "." + key;
  }

  void take(const Value& tensor, const std::string& name) {
    const Value& storage = reader_.at(tensor.items[0]);
    const bool untyped = storage.dtype == Dtype::opaque;
    if (storage.number < 0 || name.size() > name_max || found.contains(storage.text)) return;
    if (tensor.dtype == Dtype::opaque) return;
    Tensor& made = found[storage.text];
    made.name = name;
    made.dtype = tensor.dtype;
    const std::uint64_t count = static_cast<std::uint64_t>(storage.number) /
                                (untyped ? bits_of(tensor.dtype) / 8 : 1);
    std::uint64_t covered = 1;
    const auto& shape = reader_.at(tensor.items[1]).items;
    for (const std::uint32_t item : shape) {
      const std::int64_t size = reader_.at(item).number;
      if (size < 0 || shape.size() > rank_max ||
          __builtin_mul_overflow(covered, static_cast<std::uint64_t>(size), &covered)) {
        covered = count + 1;
        break;
      }
      made.shape.push_back(static_cast<std::uint64_t>(size));
    }
    if (covered != count) made.shape = {count};
  }

  const Reader& reader_;
  std::unordered_set<std::uint32_t> seen_;
};

}  // namespace

std::unordered_map<std::string, Tensor> torch_storages(Bytes pickle) {
  Reader reader(pickle);
  try {
    while (reader.step()) {
    }
  } catch (const Error& error) {
    if (error.code() != Errc::corrupt) throw;
    return {};
  }
  Names names(reader);
  names.walk(reader.root(), "", 0);
  return std::move(names.found);
}

}  // namespace wfs
