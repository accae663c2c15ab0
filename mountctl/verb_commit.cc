#include <nlohmann/json.hpp>

#include "mountctl/arguments.h"
#include "mountctl/control_client.h"
#include "mountctl/output.h"

namespace wfs {
namespace {

struct Options {
  std::string message;
  std::string branch = "main";
  std::string author;
};

Exit run_commit(const Options& options, const Common& common) {
  const stdfs::path repository = find_repository(common);
  auto daemon = ControlClient::connect(repository);
  if (!daemon) {
    fail(Errc::not_mounted, cat(repository.native(),
                                " is not mounted, so there is nothing new to commit; "
                                "run `mountctl mount ",
                                repository.native(), " MOUNTPOINT`"));
  }
  const nlohmann::json request = {{"verb", "commit"},
                                  {"branch", options.branch},
                                  {"message", options.message},
                                  {"author", options.author}};
  const auto reply = nlohmann::ordered_json::parse(
      daemon->ask(request.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)));
  const std::string id = reply.value("id", "");
  const bool is_new = reply.value("new", false);
  if (!is_new) say(common, "nothing to commit");
  if (common.json) {
    print(nlohmann::ordered_json{{"id", id}, {"new", is_new}, {"branch", options.branch}}.dump());
  } else if (!id.empty()) {
    print(id);
  }
  return Exit::ok;
}

}  // namespace

Run add_commit(CLI::App& app, const Common& common) {
  auto options = std::make_shared<Options>();
  app.add_option("-m,--message", options->message, "What to remember it by")
      ->required()
      ->type_name("TEXT");
  app.add_option("-b,--branch", options->branch, "The branch (main)");
  app.add_option("--author", options->author, "Who made it (you, on this machine)");
  return [options, &common] { return run_commit(*options, common); };
}

}  // namespace wfs
