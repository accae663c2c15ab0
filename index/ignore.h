// Which names are not history: temporary names of well-known programs, and what a .weightfsignore
// file names in the syntax of gitignore. Values, any thread.
#pragma once

#include <bitset>
#include <optional>
#include <string_view>
#include <vector>

namespace wfs {

// `.tmp*`, `*.incomplete`, `.~lock*`, and rsync's `.name.XXXXXX`: six letters or digits, with a
// capital or a digit among them and a letter, since `.settings.backup` is a name somebody chose.
bool is_temporary_name(std::string_view name) noexcept;

class IgnoreRules {
 public:
  IgnoreRules() = default;
  explicit IgnoreRules(std::string_view text);  // any text: a line that is no pattern names nothing

  bool empty() const noexcept { return rules_.empty(); }

  // Whether the path ("a/b", from the folder of the file with the rules) or a folder above it is
  // named.
  bool ignored(std::string_view path, bool is_folder) const;

 private:
  // One step of a pattern: a byte out of a set, or any number of bytes.
  struct Token {
    enum class Kind { one, star, folders, rest };
    Kind kind = Kind::one;
    std::bitset<256> set;  // one; star is any run without '/'
  };
  struct Rule {
    std::vector<Token> pattern;
    bool negated = false;  // ! brings back what an earlier rule named
    bool only_folders = false;
    bool anchored = false;  // matched against the whole path; else against the last name
  };

  static std::optional<Rule> parse(std::string_view line);
  static std::optional<std::vector<Token>> parse_pattern(std::string_view text);
  static bool matches(const std::vector<Token>& pattern, std::string_view text);
  bool named(std::string_view path, bool is_folder) const;

  std::vector<Rule> rules_;
};

}  // namespace wfs
