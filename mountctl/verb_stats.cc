#include <array>
#include <cstdio>

#include "index/report.h"
#include "mountctl/arguments.h"
#include "mountctl/output.h"

namespace wfs {
namespace {

std::string ratio_text(const Stats& stats) {
  if (stats.stored_bytes == 0 || stats.logical_bytes == 0) return "";
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), ", %.2f times less than the commits hold",
                static_cast<double>(stats.logical_bytes) / static_cast<double>(stats.stored_bytes));
  return text.data();
}

Exit run_stats(const Common& common) {
  Repository repository(find_repository(common), Repository::Access::read);
  const Stats stats = stats_of(repository);
  if (common.json) {
    print(stats_json(stats));
    return Exit::ok;
  }
  print(
      cat("commits   ", stats.commits, " on ", stats.branches, " branches, ", stats.tags, " tags"));
  print(cat("files     ", size_text(stats.logical_bytes), " in all commits together"));
  print(cat("contents  ", stats.contents, ", ", size_text(stats.content_bytes)));
  print(cat("blocks    ", stats.blocks, ", ", stats.deltas, " of them deltas, in ", stats.packs,
            " packs"));
  print(cat("stored    ", size_text(stats.stored_bytes), ratio_text(stats)));
  print(cat("staged    ", size_text(stats.staged_bytes), ", ", stats.staged_contents,
            " contents to encode"));
  print(cat("index     ", size_text(stats.index_bytes)));
  return Exit::ok;
}

}  // namespace

Run add_stats(CLI::App&, const Common& common) {
  return [&common] { return run_stats(common); };
}

}  // namespace wfs
