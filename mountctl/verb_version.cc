#include <nlohmann/json.hpp>

#include "index/upgrade.h"
#include "mountctl/output.h"

namespace wfs {

Run add_version(CLI::App&, const Common& common) {
  return [&common] {
    if (common.json) {
      print(nlohmann::ordered_json{{"version", WEIGHTFS_VERSION}, {"index_version", index_version}}
                .dump());
    } else {
      print(cat("weightfs ", WEIGHTFS_VERSION, ", index version ", index_version));
    }
    return Exit::ok;
  };
}

}  // namespace wfs
