#include <nlohmann/json.hpp>

#include "index/export.h"
#include "index/revision.h"
#include "mountctl/arguments.h"
#include "mountctl/output.h"

namespace wfs {
namespace {

using Json = nlohmann::ordered_json;

Exit run_export(const std::string& revision, const std::string& folder, const Common& common) {
  Repository repository(find_repository(common), Repository::Access::read);
  const CommitId id = resolve(repository, revision);
  Exported exported;
  {
    Progress progress(common, "writing");
    exported = export_tree(repository, id, stdfs::absolute(folder),
                           [&](std::uint64_t done) { progress.show(done, 0); });
  }
  if (common.json) {
    print(Json{{"commit", hex(id)},
               {"files", exported.files},
               {"bytes", exported.bytes},
               {"unreadable", exported.unreadable}}
              .dump(-1, ' ', false, Json::error_handler_t::replace));
  }
  say(common, cat("wrote ", exported.files, " files, ", size_text(exported.bytes), ", of ",
                  hex(id).substr(0, 12), " to ", folder));
  if (exported.unreadable.empty()) return Exit::ok;
  for (const std::string& file : exported.unreadable) {
    warn(cat("mountctl: damaged and left out: ", printable(file)));
  }
  warn("mountctl: run `mountctl check --data` to see what is damaged");
  return Exit::partly;
}

}  // namespace

Run add_export(CLI::App& app, const Common& common) {
  auto revision = std::make_shared<std::string>();
  auto folder = std::make_shared<std::string>();
  app.add_option("REV", *revision, "The commit")->required();
  app.add_option("DIR", *folder, "A missing or empty folder")->required();
  return [revision, folder, &common] { return run_export(*revision, *folder, common); };
}

}  // namespace wfs
