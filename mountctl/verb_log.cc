#include <map>
#include <set>

#include "index/commit_rows.h"
#include "index/report.h"
#include "index/revision.h"
#include "mountctl/arguments.h"
#include "mountctl/output.h"

namespace wfs {
namespace {

struct Options {
  std::optional<std::string> revision;
  std::uint64_t max = 0;  // 0: all
};

// Calls `give` with commits, newest first, until it says false.
using Give = std::function<bool(const CommitRow&)>;

void each_commit(Database& database, const Give& give) {
  constexpr int page = 200;
  for (std::int64_t before = 0;;) {
    const auto rows = recent_commits(database, before, page);
    for (const CommitRow& row : rows) {
      if (!give(row)) return;
    }
    if (rows.size() < page) return;
    before = rows.back().number;
  }
}

// A commit is made after its parents, so the highest number comes first.
void each_ancestor(Database& database, const CommitId& tip, const Give& give) {
  std::map<std::int64_t, CommitRow> waiting;
  const auto add = [&](const CommitId& id) {
    CommitRow row = load_commit(database, id);
    waiting.emplace(row.number, std::move(row));
  };
  add(tip);
  while (!waiting.empty()) {
    const CommitRow row = std::move(std::prev(waiting.end())->second);
    waiting.erase(std::prev(waiting.end()));
    if (!give(row)) return;
    for (const CommitId& parent : row.commit.parents) add(parent);
  }
}

std::map<CommitId, std::string> names_of(Database& database) {
  std::map<CommitId, std::string> names;
  for (const Ref& ref : all_refs(database)) {
    if (!ref.tip) continue;
    std::string& text = names[*ref.tip];
    text += cat(text.empty() ? "" : ", ", ref.kind == RefKind::tag ? "tag " : "", ref.name);
  }
  return names;
}

Exit run_log(const Options& options, const Common& common) {
  Repository repository(find_repository(common), Repository::Access::read);
  std::optional<CommitId> tip;
  if (options.revision) tip = resolve(repository, *options.revision);
  repository.catalog().read([&](Database& database) {
    const auto names = names_of(database);
    std::uint64_t given = 0;
    const Give give = [&](const CommitRow& row) {
      if (common.json) {
        print(log_json(row));
      } else {
        const auto named = names.find(row.id);
        print(cat(hex(row.id).substr(0, 12), "  ", local_time_text(row.commit.time_ns), "  ",
                  row.commit.branch, "  ", first_line(row.commit.message),
                  named == names.end() ? std::string() : cat("  (", named->second, ')'),
                  row.commit.complete ? "" : "  [incomplete]"));
      }
      return ++given != options.max;
    };
    if (tip) {
      each_ancestor(database, *tip, give);
    } else {
      each_commit(database, give);
    }
    if (given == 0) say(common, "there is no commit yet");
  });
  return Exit::ok;
}

}  // namespace

Run add_log(CLI::App& app, const Common& common) {
  auto options = std::make_shared<Options>();
  app.add_option("REV", options->revision, "Where to begin: a branch, tag or any revision");
  app.add_option("-n,--number", options->max, "How many at most")
      ->check(CLI::PositiveNumber)
      ->type_name("N");
  return [options, &common] { return run_log(*options, common); };
}

}  // namespace wfs
