#include "index/revision.h"

#include <algorithm>
#include <charconv>
#include <ctime>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "index/commit_rows.h"

namespace wfs {
namespace {

constexpr std::size_t prefix_digits_min = 4;
constexpr std::size_t id_digits = 40;
constexpr std::int64_t second_ns = 1'000'000'000;

struct Suffix {
  enum class Kind { ancestor, parent, tip_at, tip_before };
  Kind kind;
  std::int64_t value;  // a count, or nanoseconds since the epoch
};

struct Revision {
  std::string_view base;
  std::vector<Suffix> suffixes;
};

bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

// Takes the digits at the front of `text`; nullopt when there are none or more than nine.
std::optional<std::int64_t> take_number(std::string_view& text) {
  std::size_t digits = 0;
  while (digits < text.size() && is_digit(text[digits])) ++digits;
  if (digits == 0 || digits > 9) return std::nullopt;
  std::int64_t number = 0;
  std::from_chars(text.data(), text.data() + digits, number);
  text.remove_prefix(digits);
  return number;
}

bool take(std::string_view& text, char wanted) {
  if (text.empty() || text.front() != wanted) return false;
  text.remove_prefix(1);
  return true;
}

// "5.minutes.ago": nanoseconds. The separators may be blanks or underscores, too.
std::optional<std::int64_t> parse_ago(std::string_view text) {
  struct Unit {
    std::string_view name;
    std::int64_t seconds;
  };
  static constexpr Unit units[] = {
      {"second", 1}, {"minute", 60}, {"hour", 3600}, {"day", 86'400}, {"week", 604'800}};
  if (text == "now") return 0;
  if (text == "yesterday") return 86'400 * second_ns;
  const auto is_separator = [](char c) { return c == '.' || c == ' ' || c == '_'; };
  const auto count = take_number(text);
  if (!count || text.empty() || !is_separator(text.front())) return std::nullopt;
  text.remove_prefix(1);
  for (const Unit& unit : units) {
    if (!text.starts_with(unit.name)) continue;
    text.remove_prefix(unit.name.size());
    take(text, 's');
    if (text.empty() || !is_separator(text.front()) || text.substr(1) != "ago") return std::nullopt;
    // Sixty years ago is before every commit.
    return std::min(*count, 60 * 365 * 86'400 / unit.seconds) * unit.seconds * second_ns;
  }
  return std::nullopt;
}

// Takes a number of exactly `digits` digits that lies in [low, high].
std::optional<int> take_field(std::string_view& text, std::size_t digits, int low, int high) {
  if (text.size() < digits) return std::nullopt;
  std::string_view field = text.substr(0, digits);
  const auto number = take_number(field);
  if (!number || !field.empty() || *number < low || *number > high) return std::nullopt;
  text.remove_prefix(digits);
  return static_cast<int>(*number);
}

// Takes "Z", "+02:00" or "+0200"; seconds east of UTC.
std::optional<int> take_zone(std::string_view& text) {
  if (take(text, 'Z')) return 0;
  const int sign = text.front() == '-' ? -1 : 1;
  if (!take(text, '+') && !take(text, '-')) return std::nullopt;
  const auto hours = take_field(text, 2, 0, 14);
  take(text, ':');
  const auto minutes = take_field(text, 2, 0, 59);
  if (!hours || !minutes) return std::nullopt;
  return sign * (*hours * 3600 + *minutes * 60);
}

// 2026-11-20, 2026-11-20T12:00, 2026-11-20T12:00:30, each with a zone or in local time. A day is
// its start, a minute or second its end: a tip of 12:00:20 is found under 12:00.
std::optional<std::int64_t> parse_date(std::string_view text) {
  std::tm time{};
  const auto year = take_field(text, 4, 1970, 2200);
  if (!year || !take(text, '-')) return std::nullopt;
  const auto month = take_field(text, 2, 1, 12);
  if (!month || !take(text, '-')) return std::nullopt;
  const auto day = take_field(text, 2, 1, 31);
  if (!day) return std::nullopt;
  time.tm_year = *year - 1900;
  time.tm_mon = *month - 1;
  time.tm_mday = *day;
  std::int64_t span_ns = 0;
  if (take(text, 'T') || take(text, ' ')) {
    const auto hour = take_field(text, 2, 0, 23);
    if (!hour || !take(text, ':')) return std::nullopt;
    const auto minute = take_field(text, 2, 0, 59);
    if (!minute) return std::nullopt;
    time.tm_hour = *hour;
    time.tm_min = *minute;
    span_ns = 60 * second_ns - 1;
    if (take(text, ':')) {
      const auto second = take_field(text, 2, 0, 60);
      if (!second) return std::nullopt;
      time.tm_sec = *second;
      span_ns = second_ns - 1;
    }
  }
  if (text.empty()) {
    time.tm_isdst = -1;
    return static_cast<std::int64_t>(::mktime(&time)) * second_ns + span_ns;
  }
  const auto east = take_zone(text);
  if (!east || !text.empty()) return std::nullopt;
  return (static_cast<std::int64_t>(::timegm(&time)) - *east) * second_ns + span_ns;
}

std::optional<Suffix> parse_moment(std::string_view text) {
  std::string_view rest = text;
  const auto number = take_number(rest);
  if (number && rest.empty()) return Suffix{Suffix::Kind::tip_before, *number};
  if (const auto ago = parse_ago(text)) return Suffix{Suffix::Kind::tip_at, now_ns() - *ago};
  if (const auto date = parse_date(text)) return Suffix{Suffix::Kind::tip_at, *date};
  return std::nullopt;
}

std::optional<Suffix> take_suffix(std::string_view& text) {
  if (text.starts_with("@{")) {
    const auto end = text.find('}');
    if (end == text.npos) return std::nullopt;
    const auto moment = parse_moment(text.substr(2, end - 2));
    text.remove_prefix(end + 1);
    return moment;
  }
  const char sign = text.front();
  if (sign != '~' && sign != '^') return std::nullopt;
  text.remove_prefix(1);
  std::int64_t count = 1;
  if (!text.empty() && is_digit(text.front())) {
    const auto number = take_number(text);
    if (!number) return std::nullopt;
    count = *number;
  }
  return Suffix{sign == '~' ? Suffix::Kind::ancestor : Suffix::Kind::parent, count};
}

std::optional<Revision> parse(std::string_view text) {
  Revision revision;
  const auto end = text.find_first_of("~^@");
  revision.base = text.substr(0, end);
  if (!is_ref_name(revision.base) && revision.base != "latest" &&
      revision.base != "latest-complete") {
    return std::nullopt;
  }
  text.remove_prefix(revision.base.size());
  while (!text.empty()) {
    const bool of_log = text.front() == '@';
    const auto suffix = take_suffix(text);
    if (!suffix || (of_log && !revision.suffixes.empty())) return std::nullopt;
    revision.suffixes.push_back(*suffix);
  }
  return revision;
}

bool is_prefix(std::string_view text) {
  return text.size() >= prefix_digits_min && text.size() <= id_digits &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
         });
}

[[noreturn]] void fail_unknown(std::string_view text, std::string_view why) {
  fail(Errc::not_found, cat("'", text, "' names no commit: ", why, "; see `mountctl log`"));
}

[[noreturn]] void fail_ambiguous(Database& database, std::string_view text,
                                 const std::vector<CommitId>& candidates) {
  constexpr std::size_t shown_max = 8;
  std::string message = cat("'", text, "' is ambiguous, it may be");
  for (std::size_t i = 0; i < std::min(candidates.size(), shown_max); ++i) {
    const Commit commit = load_commit(database, candidates[i]).commit;
    message += cat(i == 0 ? " " : ", ", hex(candidates[i]).substr(0, 16), " (",
                   commit.message.substr(0, commit.message.find('\n')).substr(0, 40), ')');
  }
  if (candidates.size() > shown_max) message += " or another";
  fail(Errc::ambiguous, message + "; give more digits");
}

CommitId resolve_base(Database& database, std::string_view text, std::string_view base) {
  if (base == "latest" || base == "latest-complete") {
    const auto row = base == "latest" ? newest_commit(database) : newest_complete_commit(database);
    if (!row) {
      fail_unknown(text, base == "latest" ? "there is no commit yet" : "no commit is complete yet");
    }
    return row->id;
  }
  if (const auto ref = find_ref(database, base)) {
    if (!ref->tip) fail_unknown(text, cat("branch ", base, " has no commit yet"));
    return *ref->tip;
  }
  if (!is_prefix(base)) fail_unknown(text, cat("there is no branch or tag '", base, "'"));
  const auto candidates = commits_with_prefix(database, base, 9);
  if (candidates.empty()) fail_unknown(text, "there is no such branch, tag or id");
  if (candidates.size() > 1) fail_ambiguous(database, text, candidates);
  return candidates.front();
}

CommitId resolve_log(Database& database, std::string_view text, std::string_view base,
                     const Suffix& suffix) {
  const auto tip = suffix.kind == Suffix::Kind::tip_at ? ref_at(database, base, suffix.value)
                                                       : ref_before(database, base, suffix.value);
  if (!tip) fail_unknown(text, cat("'", base, "' named no commit then"));
  return *tip;
}

CommitId ancestor_of(Database& database, std::string_view text, CommitId id, std::int64_t count) {
  for (; count > 0; --count) {
    const Commit commit = load_commit(database, id).commit;
    if (commit.parents.empty()) fail_unknown(text, cat("the history of ", hex(id), " ends before"));
    id = commit.parents.front();
  }
  return id;
}

CommitId parent_of(Database& database, std::string_view text, const CommitId& id,
                   std::int64_t number) {
  if (number == 0) return id;
  const Commit commit = load_commit(database, id).commit;
  if (static_cast<std::size_t>(number) > commit.parents.size()) {
    fail_unknown(text, cat(hex(id), " has ", commit.parents.size(), " parents"));
  }
  return commit.parents[static_cast<std::size_t>(number - 1)];
}

CommitId resolve_in(Database& database, std::string_view text) {
  const auto revision = parse(text);
  if (!revision) {
    fail_unknown(text,
                 "it is spelled as none: a branch, a tag, latest or an id, then ~N, ^N or "
                 "@{2026-11-20T12:00}");
  }
  auto suffix = revision->suffixes.begin();
  const bool of_log =
      suffix != revision->suffixes.end() &&
      (suffix->kind == Suffix::Kind::tip_at || suffix->kind == Suffix::Kind::tip_before);
  CommitId id = of_log ? resolve_log(database, text, revision->base, *suffix++)
                       : resolve_base(database, text, revision->base);
  for (; suffix != revision->suffixes.end(); ++suffix) {
    id = suffix->kind == Suffix::Kind::ancestor ? ancestor_of(database, text, id, suffix->value)
                                                : parent_of(database, text, id, suffix->value);
  }
  return id;
}

}  // namespace

CommitId resolve(Repository& repository, std::string_view revision) {
  return repository.catalog().read(
      [&](Database& database) { return resolve_in(database, revision); });
}

std::optional<CommitId> find_revision(Database& database, std::string_view revision) {
  try {
    return resolve_in(database, revision);
  } catch (const Error& error) {
    if (error.code() == Errc::not_found || error.code() == Errc::ambiguous) return std::nullopt;
    throw;
  }
}

std::optional<CommitId> try_resolve(Repository& repository, std::string_view revision) {
  if (!is_revision_text(revision)) return std::nullopt;
  return repository.catalog().read(
      [&](Database& database) { return find_revision(database, revision); });
}

bool is_revision_text(std::string_view text) {
  return parse(text).has_value();
}

std::optional<TreeEntry> find_path(Repository& repository, const CommitId& commit,
                                   std::string_view path) {
  return repository.catalog().read([&](Database& database) -> std::optional<TreeEntry> {
    const CommitRow row = load_commit(database, commit);
    TreeEntry entry;
    entry.kind = Kind::folder;
    entry.mtime_ns = row.commit.time_ns;
    entry.tree = row.commit.tree;
    while (!path.empty()) {
      if (entry.kind != Kind::folder) return std::nullopt;
      const std::string_view name = path.substr(0, path.find('/'));
      path.remove_prefix(std::min(path.size(), name.size() + 1));
      const Tree tree = load_tree(database, entry.tree);
      const TreeEntry* const found = tree.find(name);
      if (found == nullptr) return std::nullopt;
      entry = *found;
    }
    return entry;
  });
}

}  // namespace wfs
