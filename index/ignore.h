// Which names are not history: temporary names of well-known programs, and what a .weightfsignore file
// names in the syntax of gitignore. Values, any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace wfs {

// `.tmp*`, `*.incomplete`, `.~lock*`, and rsync's `.name.XXXXXX`.
bool is_temporary_name(std::string_view name) noexcept;

class IgnoreRules {
 public:
  IgnoreRules() = default;
  explicit IgnoreRules(std::string_view text);  // any text: a line that is no pattern names nothing

  bool empty() const noexcept { return rules_.empty(); }

  // Whether the path ("a/b", from the folder of the file with the rules) or a folder above it is named.
  bool ignored(std::string_view path, bool is_folder) const;

 private:
  struct Rule {
    std::string pattern;
    bool negated = false;      // ! brings back what an earlier rule named
    bool only_folders = false;
    bool anchored = false;     // matched against the whole path; else against the last name
  };

  bool named(std::string_view path, bool is_folder) const;

  std::vector<Rule> rules_;
};

}  // namespace wfs
