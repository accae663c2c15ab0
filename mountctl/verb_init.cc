#include <nlohmann/json.hpp>

#include "index/repository.h"
#include "mountctl/output.h"
#include "mountctl/verb.h"

namespace wfs {

Run add_init(CLI::App& app, const Common& common) {
  auto path = std::make_shared<std::string>();
  app.add_option("REPOSITORY", *path, "A missing or empty folder; or give it with -r");
  return [path, &common] {
    const std::string& given = path->empty() ? common.repository : *path;
    if (given.empty()) {
      warn("mountctl init: name the folder of the repository; see `mountctl init --help`");
      return Exit::usage;
    }
    const stdfs::path repository = stdfs::absolute(given).lexically_normal();
    Repository::create(repository);
    if (common.json) print(nlohmann::json{{"repository", repository.native()}}.dump());
    say(common, cat("made the repository ", repository.native(), "; show it with `mountctl mount ",
                    repository.native(), " MOUNTPOINT`"));
    return Exit::ok;
  };
}

}  // namespace wfs
