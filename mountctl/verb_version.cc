#include <nlohmann/json.hpp>

#include "fs/passthrough.h"
#include "index/upgrade.h"
#include "mountctl/output.h"

namespace wfs {

Run add_version(CLI::App&, const Common& common) {
  return [&common] {
    const std::string obstacle = passthrough_obstacle();
    if (common.json) {
      print(nlohmann::ordered_json{{"version", WEIGHTFS_VERSION},
                                   {"index_version", index_version},
                                   {"libfuse", libfuse_version()},
                                   {"passthrough", obstacle.empty()}}
                .dump());
    } else {
      print(cat("weightfs ", WEIGHTFS_VERSION, ", index version ", index_version, ", libfuse ",
                libfuse_version(), obstacle.empty() ? ", passthrough possible" : ""));
    }
    return Exit::ok;
  };
}

}  // namespace wfs
