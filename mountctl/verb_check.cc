// The verbs check and rebuild.
#include <nlohmann/json.hpp>

#include "index/check.h"
#include "index/rebuild.h"
#include "mountctl/arguments.h"
#include "mountctl/output.h"

namespace wfs {
namespace {

using Json = nlohmann::ordered_json;

std::string line_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void print_findings(const CheckReport& report, const Common& common) {
  for (const Finding& finding : report.findings) {
    if (common.json) {
      print(line_of({{"object", finding.object},
                     {"name", finding.name},
                     {"what", finding.what},
                     {"paths", finding.paths}}));
      continue;
    }
    print(cat(finding.object, ' ', printable(finding.name), ": ", printable(finding.what)));
    for (const std::string& path : finding.paths)
      print(cat("    cannot be read: ", printable(path)));
  }
}

Exit run_check(CheckDepth depth, const Common& common) {
  Repository repository(find_repository(common), Repository::Access::read);
  CheckReport report;
  {
    Progress progress(common, "checking");
    report = check(repository, depth,
                   [&](std::uint64_t done, std::uint64_t total) { progress.show(done, total); });
  }
  print_findings(report, common);
  if (common.json) {
    print(line_of({{"ok", report.findings.empty()},
                   {"findings", report.findings.size()},
                   {"commits", report.commits},
                   {"trees", report.trees},
                   {"contents", report.contents},
                   {"blocks", report.blocks},
                   {"packs", report.packs},
                   {"bytes_read", report.bytes_read}}));
  }
  say(common, cat(report.commits, " commits, ", report.trees, " trees, ", report.contents,
                  " contents, ", report.blocks, " blocks in ", report.packs, " packs",
                  depth == CheckDepth::data ? cat(", ", size_text(report.bytes_read), " read")
                                            : std::string(),
                  report.findings.empty() ? ": all is well"
                                          : cat(": ", report.findings.size(), " findings")));
  if (report.findings.empty()) return Exit::ok;
  warn(
      "mountctl: the repository is damaged; what is not named above can be read. Copy the packs "
      "that are named "
      "from a backup, or, if only the index is, run `mountctl rebuild`");
  return Exit::integrity;
}

Exit run_rebuild(const Common& common) {
  const stdfs::path repository = find_repository(common);
  Rebuilt rebuilt;
  {
    Progress progress(common, "reading packs");
    rebuilt = rebuild(repository,
                      [&](std::uint64_t done, std::uint64_t total) { progress.show(done, total); });
  }
  if (common.json) {
    print(line_of({{"packs", rebuilt.packs},
                   {"blocks", rebuilt.blocks},
                   {"contents", rebuilt.contents},
                   {"trees", rebuilt.trees},
                   {"commits", rebuilt.commits},
                   {"refs", rebuilt.refs},
                   {"lost", rebuilt.lost}}));
  }
  say(common,
      cat("made the index anew: ", rebuilt.commits, " commits, ", rebuilt.contents, " contents, ",
          rebuilt.refs, " branches and tags, from ", rebuilt.packs, " packs"));
  for (const std::string& line : rebuilt.lost) warn(cat("mountctl: not brought back: ", line));
  return rebuilt.lost.empty() ? Exit::ok : Exit::partly;
}

}  // namespace

Run add_check(CLI::App& app, const Common& common) {
  auto data = std::make_shared<bool>(false);
  app.add_flag("--data", *data, "Read and decode every stored byte, too");
  return [data, &common] {
    return run_check(*data ? CheckDepth::data : CheckDepth::structure, common);
  };
}

Run add_rebuild(CLI::App&, const Common& common) {
  return [&common] { return run_rebuild(common); };
}

}  // namespace wfs
