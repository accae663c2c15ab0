#include "index/base_names.h"

#include <algorithm>

namespace wfs {
namespace {

constexpr std::size_t digits_max = 18;  // longer ones are hashes rather than counts

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::size_t count_digits(std::string_view name) {  // that it starts with
  std::size_t count = 0;
  while (count < name.size() && is_digit(name[count])) ++count;
  return count;
}

// The length of the number that `name` starts with; 0: none.
std::size_t number_length(std::string_view name) {
  const std::size_t digits = count_digits(name);
  return digits <= digits_max ? digits : 0;
}

std::uint64_t value_of(std::string_view digits) {
  std::uint64_t value = 0;
  for (const char c : digits) value = 10 * value + static_cast<std::uint64_t>(c - '0');
  return value;
}

std::size_t skip_of(std::string_view name) {  // the end of what number_length() found none in
  return std::max<std::size_t>(1, count_digits(name));
}

}  // namespace

NumberedName numbered(std::string_view name) {
  NumberedName parts;
  while (!name.empty()) {
    if (const std::size_t length = number_length(name); length > 0) {
      parts.numbers.push_back(value_of(name.substr(0, length)));
      parts.text += '#';
      name.remove_prefix(length);
    } else {
      const std::size_t skip = skip_of(name);
      parts.text += name.substr(0, skip);
      name.remove_prefix(skip);
    }
  }
  return parts;
}

bool natural_less(std::string_view a, std::string_view b) {
  const std::string_view whole_a = a, whole_b = b;
  while (!a.empty() && !b.empty()) {
    const std::size_t in_a = number_length(a), in_b = number_length(b);
    if (in_a > 0 && in_b > 0) {
      const std::uint64_t x = value_of(a.substr(0, in_a)), y = value_of(b.substr(0, in_b));
      if (x != y) return x < y;
      a.remove_prefix(in_a);
      b.remove_prefix(in_b);
      continue;
    }
    if (a[0] != b[0]) return a[0] < b[0];
    a.remove_prefix(1);
    b.remove_prefix(1);
  }
  if (a.empty() != b.empty()) return a.empty();
  return whole_a < whole_b;
}

std::vector<std::string> names_before(std::string_view name, const std::vector<std::string>& all) {
  const NumberedName own = numbered(name);
  if (own.numbers.empty()) return {};
  std::vector<std::pair<std::vector<std::uint64_t>, std::string>> found;
  for (const std::string& other : all) {
    NumberedName parts = numbered(other);
    if (parts.text != own.text || parts.numbers >= own.numbers) continue;
    found.emplace_back(std::move(parts.numbers), other);
  }
  std::sort(found.rbegin(), found.rend());
  std::vector<std::string> names;
  for (auto& [numbers, text] : found) {
    if (names.empty() || names.back() != text) names.push_back(std::move(text));
  }
  return names;
}

std::string renumbered(std::string_view rest, std::string_view name, std::string_view before) {
  const NumberedName own = numbered(name), other = numbered(before);
  std::string result;
  while (!rest.empty()) {
    const std::size_t length = number_length(rest);
    if (length == 0) {
      const std::size_t skip = skip_of(rest);
      result += rest.substr(0, skip);
      rest.remove_prefix(skip);
      continue;
    }
    std::string digits(rest.substr(0, length));
    for (std::size_t i = 0; i < own.numbers.size() && i < other.numbers.size(); ++i) {
      if (own.numbers[i] == other.numbers[i] || value_of(digits) != own.numbers[i]) continue;
      const std::string value = std::to_string(other.numbers[i]);
      const bool padded = digits[0] == '0' && digits.size() > value.size();
      digits = padded ? std::string(digits.size() - value.size(), '0') + value : value;
      break;
    }
    result += digits;
    rest.remove_prefix(length);
  }
  return result;
}

}  // namespace wfs
