// The verbs branch and tag: by the daemon when it has the repository mounted, else by this process.
#include <nlohmann/json.hpp>

#include "index/commit_rows.h"
#include "index/refs.h"
#include "index/revision.h"
#include "index/working_rows.h"
#include "mountctl/arguments.h"
#include "mountctl/control_client.h"
#include "mountctl/output.h"

namespace wfs {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::optional<std::string> name;
  std::optional<std::string> revision;
  bool remove = false;
};

std::string line_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void list(const stdfs::path& path, RefKind kind, const Common& common) {
  Repository repository(path, Repository::Access::read);
  const auto refs =
      repository.catalog().read([](Database& database) { return all_refs(database); });
  for (const Ref& ref : refs) {
    if (ref.kind != kind) continue;
    const std::string tip = ref.tip ? hex(*ref.tip) : std::string();
    if (common.json) {
      print(line_of({{"name", ref.name}, {"tip", tip}}));
    } else {
      print(kind == RefKind::tag ? cat(ref.name, "  ", tip.substr(0, 12)) : ref.name);
    }
  }
}

std::optional<CommitId> resolve_at(const stdfs::path& path,
                                   const std::optional<std::string>& revision) {
  Repository repository(path, Repository::Access::read);
  if (!revision) return std::nullopt;
  return resolve(repository, *revision);
}

void make_branch(const stdfs::path& path, const std::string& name, std::optional<CommitId> tip) {
  if (auto daemon = ControlClient::connect(path)) {
    daemon->ask(
        line_of({{"verb", "branch"}, {"name", name}, {"from", tip ? hex(*tip) : std::string()}}));
    return;
  }
  Repository repository(path, Repository::Access::write);
  create_branch(repository, name, tip);
}

void remove_branch(const stdfs::path& path, const std::string& name) {
  if (auto daemon = ControlClient::connect(path)) {
    daemon->ask(line_of({{"verb", "delete_branch"}, {"name", name}}));
    return;
  }
  Repository repository(path, Repository::Access::write);
  const bool uncommitted = repository.catalog().read(
      [&](Database& database) { return has_uncommitted(database, name); });
  if (uncommitted) {
    fail(Errc::busy, cat("branch ", name,
                         " holds changes that are not committed; mount the repository and "
                         "let them be committed first"));
  }
  delete_branch(repository, name);
  repository.catalog().write(Durability::now,
                             [&](Database& database) { forget_working(database, name); });
}

void make_tag(const stdfs::path& path, const std::string& name, const CommitId& id) {
  if (auto daemon = ControlClient::connect(path)) {
    daemon->ask(line_of({{"verb", "tag"}, {"name", name}, {"id", hex(id)}}));
    return;
  }
  Repository repository(path, Repository::Access::write);
  create_tag(repository, name, id);
}

void remove_tag(const stdfs::path& path, const std::string& name) {
  if (auto daemon = ControlClient::connect(path)) {
    daemon->ask(line_of({{"verb", "delete_tag"}, {"name", name}}));
    return;
  }
  Repository repository(path, Repository::Access::write);
  delete_tag(repository, name);
}

Exit tell_done(RefKind kind, std::string_view what, const std::string& name,
               const std::optional<CommitId>& tip, const Common& common) {
  const std::string id = tip ? hex(*tip) : std::string();
  if (common.json) print(line_of({{"name", name}, {what == "made" ? "tip" : "was", id}}));
  say(common, cat(what, kind == RefKind::branch ? " branch " : " tag ", name,
                  id.empty() ? "" : cat(" at ", id.substr(0, 12))));
  return Exit::ok;
}

std::optional<CommitId> tip_of(const stdfs::path& path, const std::string& name) {
  Repository repository(path, Repository::Access::read);
  const auto ref =
      repository.catalog().read([&](Database& database) { return find_ref(database, name); });
  return ref ? ref->tip : std::nullopt;
}

Exit run_refs(RefKind kind, const Options& options, const Common& common) {
  const stdfs::path path = find_repository(common);
  const bool is_branch = kind == RefKind::branch;
  if (!options.name) {
    if (options.remove) {
      warn(cat("mountctl ", is_branch ? "branch" : "tag", ": --delete needs a name"));
      return Exit::usage;
    }
    list(path, kind, common);
    return Exit::ok;
  }
  if (options.remove) {
    const auto was = tip_of(path, *options.name);
    is_branch ? remove_branch(path, *options.name) : remove_tag(path, *options.name);
    return tell_done(kind, "deleted", *options.name, was, common);
  }
  if (is_branch) {
    const auto tip = resolve_at(path, options.revision);
    make_branch(path, *options.name, tip);
    return tell_done(kind, "made", *options.name, tip, common);
  }
  const auto id = resolve_at(path, options.revision.value_or("latest"));
  make_tag(path, *options.name, *id);
  return tell_done(kind, "made", *options.name, id, common);
}

}  // namespace

Run add_branch(CLI::App& app, const Common& common) {
  auto options = std::make_shared<Options>();
  app.add_option("NAME", options->name, "The branch; without it the branches are listed");
  app.add_option("--from", options->revision, "What it starts as")->type_name("REV");
  app.add_flag("-d,--delete", options->remove, "Delete it")->excludes("--from");
  return [options, &common] { return run_refs(RefKind::branch, *options, common); };
}

Run add_tag(CLI::App& app, const Common& common) {
  auto options = std::make_shared<Options>();
  app.add_option("NAME", options->name, "The tag; without it the tags are listed");
  auto* revision = app.add_option("REV", options->revision, "What it names (latest)");
  app.add_flag("-d,--delete", options->remove, "Delete it")->excludes(revision);
  return [options, &common] { return run_refs(RefKind::tag, *options, common); };
}

}  // namespace wfs
