#include <nlohmann/json.hpp>

#include "index/revision.h"
#include "mountctl/arguments.h"
#include "mountctl/control_client.h"
#include "mountctl/output.h"

namespace wfs {
namespace {

struct Options {
  std::string revision;
  std::string glob;
};

Exit run_warm(const Options& options, const Common& common) {
  const stdfs::path path = find_repository(common);
  auto daemon = ControlClient::connect(path);
  if (!daemon) {
    fail(Errc::not_mounted, cat(path.native(), " is not mounted; run `mountctl mount ",
                                path.native(), " MOUNTPOINT` first"));
  }
  Repository repository(path, Repository::Access::read);
  const CommitId commit = resolve(repository, options.revision);
  const nlohmann::json request = {
      {"verb", "warm"}, {"commit", hex(commit)}, {"glob", options.glob}};
  auto reply = nlohmann::ordered_json::parse(
      daemon->ask(request.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)));
  reply.erase("ok");
  const auto no_room = reply.value("no_room", std::uint64_t{0});
  if (common.json) {
    print(reply.dump());
  } else {
    print(cat(reply.value("files", std::uint64_t{0}), " files of ",
              size_text(reply.value("bytes", std::uint64_t{0})), " are decoded, ",
              reply.value("made", std::uint64_t{0}), " of them now"));
  }
  if (no_room == 0) return Exit::ok;
  warn(cat(no_room, " files did not fit; see `cache.max_bytes` in config.json and the free space"));
  return Exit::partly;
}

}  // namespace

Run add_warm(CLI::App& app, const Common& common) {
  auto options = std::make_shared<Options>();
  app.add_option("REV", options->revision, "The commit")->required();
  app.add_option("GLOB", options->glob, "Only files of this name or path, like '*.safetensors'");
  return [options, &common] { return run_warm(*options, common); };
}

}  // namespace wfs
