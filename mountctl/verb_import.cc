#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>

#include "base/pool.h"
#include "index/commit_rows.h"
#include "index/import.h"
#include "index/packing.h"
#include "mountctl/arguments.h"
#include "mountctl/control_client.h"
#include "mountctl/output.h"

namespace wfs {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::string source;
  std::string branch = "main";
  std::string message;
};

Exit tell(const std::string& id, bool is_new, const Options& options, const Common& common) {
  if (!is_new) say(common, "nothing to commit");
  if (common.json) {
    print(Json{{"id", id}, {"new", is_new}, {"branch", options.branch}}.dump());
  } else if (!id.empty()) {
    print(id);
  }
  return Exit::ok;
}

void copy(const std::string& source, const stdfs::path& folder) {
  std::string program = "cp", flags = "-a", end = "--", from = source, to = folder.native() + '/';
  char* const words[] = {program.data(), flags.data(), end.data(), from.data(), to.data(), nullptr};
  pid_t child = 0;
  if (::posix_spawnp(&child, program.c_str(), nullptr, nullptr, words, environ) != 0) {
    fail(Errc::io, "cannot run cp");
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    fail(Errc::io, cat("cannot copy ", source, " to ", folder.native(),
                       "; the lines above say why. What was copied stays there"));
  }
}

Exit import_through_mount(ControlClient& daemon, const Options& options, const Common& common) {
  const auto status = Json::parse(daemon.ask(R"({"verb":"status"})"));
  const stdfs::path folder = stdfs::path(status.value("mount", "")) / options.branch;
  if (!is_ref_name(options.branch) || !stdfs::is_directory(folder)) {
    fail(Errc::not_found, cat("there is no branch ", options.branch, "; see `mountctl branch`"));
  }
  copy(options.source, folder);
  const Json request = {
      {"verb", "commit"}, {"branch", options.branch}, {"message", options.message}, {"author", ""}};
  const auto reply =
      Json::parse(daemon.ask(request.dump(-1, ' ', false, Json::error_handler_t::replace)));
  return tell(reply.value("id", ""), reply.value("new", false), options, common);
}

Exit run_import(const Options& options, const Common& common) {
  const stdfs::path path = find_repository(common);
  std::error_code error;
  if (!stdfs::exists(options.source, error)) {
    fail(Errc::not_found, cat("there is no ", options.source, " to import"));
  }
  if (auto daemon = ControlClient::connect(path)) {
    return import_through_mount(*daemon, options, common);
  }
  Repository repository(path, Repository::Access::write);
  std::optional<Committed> committed;
  {
    Progress progress(common, "reading");
    committed = import_folder(repository, {options.source, options.branch, options.message, ""},
                              [&](std::uint64_t done) { progress.show(done, 0); });
  }
  {
    Progress progress(common, "encoding");
    Pool pool(2);
    const std::atomic<bool> stop = false;
    pack_pending(repository, pool, stop);
  }
  return tell(committed ? hex(committed->id) : std::string(), committed && committed->is_new,
              options, common);
}

}  // namespace

Run add_import(CLI::App& app, const Common& common) {
  auto options = std::make_shared<Options>();
  app.add_option("DIR", options->source, "A folder or a file")->required();
  app.add_option("-b,--branch", options->branch, "The branch (main)");
  app.add_option("-m,--message", options->message, "What to remember it by (what changed)")
      ->type_name("TEXT");
  return [options, &common] { return run_import(*options, common); };
}

}  // namespace wfs
