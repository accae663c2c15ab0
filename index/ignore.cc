#include "index/ignore.h"

#include <algorithm>
#include <cctype>

namespace wfs {
namespace {

bool is_alnum(char c) noexcept {
  return std::isalnum(static_cast<unsigned char>(c)) != 0;
}
bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}
bool is_capital(char c) noexcept {
  return c >= 'A' && c <= 'Z';
}

bool is_rsync_temporary(std::string_view name) noexcept {
  constexpr std::size_t random_letters = 6;
  if (name.size() < random_letters + 3 || name.front() != '.') return false;
  const std::string_view random = name.substr(name.size() - random_letters);
  if (name[name.size() - random_letters - 1] != '.') return false;
  return std::all_of(random.begin(), random.end(), is_alnum) &&
         std::any_of(random.begin(), random.end(),
                     [](char c) { return is_digit(c) || is_capital(c); }) &&
         !std::all_of(random.begin(), random.end(), is_digit);
}

using ByteSet = std::bitset<256>;

std::size_t index_of(char c) noexcept {
  return static_cast<unsigned char>(c);
}

ByteSet only(char c) {
  ByteSet set;
  set.set(index_of(c));
  return set;
}

bool add_named_class(std::string_view name, ByteSet& set) {
  struct Named {
    std::string_view name;
    int (*holds)(int);
  };
  static constexpr Named classes[] = {
      {"alnum", std::isalnum}, {"alpha", std::isalpha},   {"digit", std::isdigit},
      {"lower", std::islower}, {"upper", std::isupper},   {"space", std::isspace},
      {"punct", std::ispunct}, {"xdigit", std::isxdigit}, {"print", std::isprint},
      {"graph", std::isgraph}, {"cntrl", std::iscntrl},   {"blank", std::isblank}};
  for (const Named& one : classes) {
    if (one.name != name) continue;
    for (int c = 0; c < 256; ++c) {
      if (one.holds(c) != 0) set.set(static_cast<std::size_t>(c));
    }
    return true;
  }
  return false;
}

// Takes "a-z0-9]" of a class whose '[' is gone; nullopt when it has no end.
std::optional<ByteSet> take_class(std::string_view& text) {
  ByteSet set;
  const bool negated = !text.empty() && (text.front() == '!' || text.front() == '^');
  if (negated) text.remove_prefix(1);
  const auto take_one = [&text]() -> std::optional<char> {
    if (!text.empty() && text.front() == '\\') text.remove_prefix(1);
    if (text.empty()) return std::nullopt;
    const char c = text.front();
    text.remove_prefix(1);
    return c;
  };
  for (bool first = true;; first = false) {
    if (text.empty()) return std::nullopt;
    if (text.front() == ']' && !first) break;
    if (text.starts_with("[:")) {
      const auto end = text.find(":]");
      if (end == text.npos || !add_named_class(text.substr(2, end - 2), set)) return std::nullopt;
      text.remove_prefix(end + 2);
      continue;
    }
    const auto low = take_one();
    if (!low) return std::nullopt;
    auto high = low;
    if (text.size() >= 2 && text.front() == '-' && text[1] != ']') {
      text.remove_prefix(1);
      high = take_one();
      if (!high) return std::nullopt;
    }
    for (std::size_t c = index_of(*low); c <= index_of(*high); ++c) set.set(c);
  }
  text.remove_prefix(1);
  if (negated) set.flip();
  set.reset(index_of('/'));
  return set;
}

}  // namespace

bool is_temporary_name(std::string_view name) noexcept {
  return name.starts_with(".tmp") || name.ends_with(".incomplete") || name.starts_with(".~lock") ||
         is_rsync_temporary(name);
}

IgnoreRules::IgnoreRules(std::string_view text) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (auto rule = parse(line)) rules_.push_back(*std::move(rule));
  }
}

std::optional<IgnoreRules::Rule> IgnoreRules::parse(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  while (line.ends_with(' ') && !line.ends_with("\\ ")) line.remove_suffix(1);
  if (line.empty() || line.front() == '#') return std::nullopt;
  Rule rule;
  if (line.front() == '!') {
    rule.negated = true;
    line.remove_prefix(1);
  }
  if (line.ends_with('/')) {
    rule.only_folders = true;
    line.remove_suffix(1);
  }
  if (line.empty()) return std::nullopt;
  rule.anchored = line.find('/') != line.npos;
  if (line.front() == '/') line.remove_prefix(1);
  auto pattern = parse_pattern(line);
  if (!pattern || pattern->empty()) return std::nullopt;
  rule.pattern = *std::move(pattern);
  return rule;
}

std::optional<std::vector<IgnoreRules::Token>> IgnoreRules::parse_pattern(std::string_view text) {
  std::vector<Token> tokens;
  bool after_slash = true;  // at the start of the text or of a name
  while (!text.empty()) {
    if (after_slash && text.starts_with("**/")) {
      tokens.push_back({Token::Kind::folders, {}});
      text.remove_prefix(3);
      continue;
    }
    if (after_slash && text == "**" && !tokens.empty()) {
      tokens.push_back({Token::Kind::rest, {}});
      break;
    }
    const char c = text.front();
    text.remove_prefix(1);
    after_slash = c == '/';
    if (c == '*') {
      tokens.push_back({Token::Kind::star, {}});
    } else if (c == '?') {
      tokens.push_back({Token::Kind::one, ~only('/')});
    } else if (c == '[') {
      const auto set = take_class(text);
      if (!set) return std::nullopt;
      tokens.push_back({Token::Kind::one, *set});
    } else if (c == '\\') {
      if (text.empty()) return std::nullopt;
      tokens.push_back({Token::Kind::one, only(text.front())});
      text.remove_prefix(1);
    } else {
      tokens.push_back({Token::Kind::one, only(c)});
    }
  }
  return tokens;
}

// All places of the pattern that the text so far may have come to, side by side: the time is that
// of the pattern's length times the text's, whatever the pattern.
bool IgnoreRules::matches(const std::vector<Token>& pattern, std::string_view text) {
  std::vector<bool> at(pattern.size() + 1), next;
  const auto enter = [&pattern](std::vector<bool>& places, std::size_t place) {
    places[place] = true;
    while (place < pattern.size() && (pattern[place].kind == Token::Kind::star ||
                                      pattern[place].kind == Token::Kind::folders)) {
      places[++place] = true;
    }
  };
  enter(at, 0);
  for (const char c : text) {
    next.assign(at.size(), false);
    for (std::size_t place = 0; place < pattern.size(); ++place) {
      if (!at[place]) continue;
      switch (pattern[place].kind) {
        case Token::Kind::one:
          if (pattern[place].set.test(index_of(c))) enter(next, place + 1);
          break;
        case Token::Kind::star:
          if (c != '/') enter(next, place);
          break;
        case Token::Kind::folders:
          next[place] = true;
          if (c == '/') enter(next, place + 1);
          break;
        case Token::Kind::rest:
          next[place] = true;
          next[place + 1] = true;
          break;
      }
    }
    at.swap(next);
  }
  return at.back();
}

bool IgnoreRules::named(std::string_view path, bool is_folder) const {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  bool ignored = false;
  for (const Rule& rule : rules_) {
    if (rule.only_folders && !is_folder) continue;
    if (rule.negated != ignored) continue;
    if (matches(rule.pattern, rule.anchored ? path : name)) ignored = !rule.negated;
  }
  return ignored;
}

bool IgnoreRules::ignored(std::string_view path, bool is_folder) const {
  for (auto slash = path.find('/'); slash != path.npos; slash = path.find('/', slash + 1)) {
    if (named(path.substr(0, slash), true)) return true;
  }
  return named(path, is_folder);
}

}  // namespace wfs
