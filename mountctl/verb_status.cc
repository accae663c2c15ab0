#include <nlohmann/json.hpp>

#include "index/commit_rows.h"
#include "index/content_rows.h"
#include "index/working_rows.h"
#include "mountctl/arguments.h"
#include "mountctl/control_client.h"
#include "mountctl/output.h"

namespace wfs {
namespace {

using Json = nlohmann::ordered_json;

// The state as the index tells it, in the words of the daemon.
Json state_without_mount(const stdfs::path& path) {
  Repository repository(path, Repository::Access::read);
  Json state = {{"pid", nullptr}, {"mount", nullptr}};
  repository.catalog().read([&](Database& database) {
    Json branches = Json::array();
    std::uint64_t pending = 0;
    for (const Ref& ref : all_refs(database)) {
      if (ref.kind != RefKind::branch) continue;
      const bool differs = has_uncommitted(database, ref.name);
      pending += differs ? 1 : 0;
      branches.push_back({{"name", ref.name},
                          {"tip", ref.tip ? hex(*ref.tip) : std::string()},
                          {"pending", differs},
                          {"open_writers", 0}});
    }
    state["pending_commits"] = pending;
    state["staged_contents"] = count_staged_contents(database);
    state["branches"] = std::move(branches);
  });
  state["staged_bytes"] = repository.staging().local_bytes();
  return state;
}

void print_state(const Json& state) {
  const auto text = [&](const char* name) {
    const auto found = state.find(name);
    return found != state.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  print(cat("repository  ", text("repository")));
  if (state.value("mounted", false)) {
    print(cat("mounted at  ", text("mount"), ", by process ", state.value("pid", 0)));
  } else {
    print("mounted at  nowhere");
  }
  if (!text("libfuse").empty()) {
    print(cat("libfuse     ", text("libfuse"), ", passthrough ", printable(text("passthrough"))));
  }
  if (const auto decoded = state.find("decoded"); decoded != state.end()) {
    const auto count = [&](const char* name) { return decoded->value(name, std::uint64_t{0}); };
    print(cat("decoded     ", count("files"), " files, ", size_text(count("bytes")), " of at most ",
              size_text(count("bytes_max"))));
  }
  for (const Json& branch : state.at("branches")) {
    const std::string tip = branch.value("tip", "");
    const auto writers = branch.value("open_writers", 0);
    print(cat("branch      ", branch.value("name", ""), "  ",
              tip.empty() ? "no commit yet" : tip.substr(0, 12),
              branch.value("pending", false) ? ", changed since" : "",
              writers > 0 ? cat(", ", writers, " open for writing") : std::string()));
  }
  print(cat("to commit   ", state.value("pending_commits", std::uint64_t{0})));
  print(
      cat("to encode   ", state.value("staged_contents", std::uint64_t{0}),
          " contents; staged on disk: ", size_text(state.value("staged_bytes", std::uint64_t{0}))));
  if (!text("last_error").empty()) print(cat("last error  ", printable(text("last_error"))));
  if (const auto damage = state.find("damage"); damage != state.end() && !damage->empty()) {
    print(cat("damaged     ", damage->size(), " blocks; run `mountctl check --data`"));
  }
}

Exit run_status(bool wait, const Common& common) {
  const stdfs::path repository = find_repository(common);
  auto daemon = ControlClient::connect(repository);
  Json state = daemon
                   ? Json::parse(daemon->ask(wait ? R"({"verb":"wait"})" : R"({"verb":"status"})"))
                   : state_without_mount(repository);
  state.erase("ok");
  Json whole = {{"repository", stdfs::canonical(repository).native()},
                {"mounted", daemon.has_value()}};
  whole.update(state);
  if (common.json) {
    print(whole.dump(-1, ' ', false, Json::error_handler_t::replace));
  } else {
    print_state(whole);
  }
  return Exit::ok;
}

}  // namespace

Run add_status(CLI::App& app, const Common& common) {
  auto wait = std::make_shared<bool>(false);
  app.add_flag("--wait", *wait, "Return when nothing is left to commit or to encode");
  return [wait, &common] { return run_status(*wait, common); };
}

}  // namespace wfs
