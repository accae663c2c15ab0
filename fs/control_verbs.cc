#include "fs/control_verbs.h"

#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/log.h"
#include "fs/passthrough.h"
#include "fs/warm.h"
#include "index/commit_rows.h"
#include "index/refs.h"

namespace wfs {
namespace {

using Json = nlohmann::ordered_json;

constexpr double wait_piece_seconds = 0.5;

std::string text_of(const Json& request, const char* name) {
  const auto found = request.find(name);
  if (found == request.end()) return "";
  if (!found->is_string()) fail(Errc::invalid, cat("control request: ", name, " is no text"));
  return found->get<std::string>();
}

CommitId id_in(const Json& request, const char* name) {
  const auto id = id_of_hex<CommitId>(text_of(request, name));
  if (!id) fail(Errc::invalid, cat("control request: ", name, " is no full id"));
  return *id;
}

Json status(const ControlContext& context) {
  const auto state = context.capture.status();
  Json reply{{"ok", true}};
  reply["pid"] = ::getpid();
  reply["mount"] = context.mount;
  reply["libfuse"] = libfuse_version();
  const std::string obstacle = context.files.passthrough().obstacle();
  reply["passthrough"] = obstacle.empty() ? std::string("on") : cat("off: ", obstacle);
  const auto decoded = context.files.decoded().totals();
  reply["decoded"] = {
      {"files", decoded.files}, {"bytes", decoded.bytes}, {"bytes_max", decoded.bytes_max}};
  reply["pending_commits"] = state.pending_commits;
  reply["staged_contents"] = state.staged_contents;
  reply["staged_bytes"] = state.staged_bytes;
  reply["cache_bytes"] = context.repository.blocks().cache_bytes();
  reply["last_error"] = state.last_error;
  reply["damage"] = context.repository.blocks().damage();
  reply["branches"] = Json::array();
  for (const auto& working : context.capture.branches()) {
    const auto branch = working->state();
    const auto ref = context.repository.catalog().read(
        [&](Database& database) { return find_ref(database, working->branch()); });
    reply["branches"].push_back({{"name", working->branch()},
                                 {"tip", ref && ref->tip ? hex(*ref->tip) : std::string()},
                                 {"pending", branch.pending},
                                 {"open_writers", branch.open_writers}});
  }
  return reply;
}

Json wait(const ControlContext& context) {
  while (!context.capture.wait_idle(wait_piece_seconds)) {
    if (context.stopping()) fail(Errc::busy, "the mount is ending");
  }
  return status(context);
}

Json commit(const ControlContext& context, const Json& request) {
  const auto committed = context.capture.commit_now(
      text_of(request, "branch"), text_of(request, "message"), text_of(request, "author"));
  return {{"ok", true},
          {"id", committed ? hex(committed->id) : std::string()},
          {"new", committed && committed->is_new}};
}

Json create_branch(const ControlContext& context, const Json& request) {
  std::optional<CommitId> tip;
  if (!text_of(request, "from").empty()) tip = id_in(request, "from");
  context.capture.create_branch(text_of(request, "name"), tip);
  return {{"ok", true}};
}

Json warm(const ControlContext& context, const Json& request) {
  const std::string obstacle = context.files.passthrough().obstacle();
  if (!obstacle.empty()) {
    fail(Errc::unsupported, cat("decoded files serve nothing here: ", obstacle));
  }
  if (!context.files.decoded().is_on()) {
    fail(Errc::unsupported, "decoded files are off: `cache.max_bytes` in config.json is 0");
  }
  const Warmed warmed =
      wfs::warm(context.repository, context.files.decoded(), id_in(request, "commit"),
                text_of(request, "glob"), context.stopping);
  return {{"ok", true},
          {"files", warmed.files},
          {"bytes", warmed.bytes},
          {"made", warmed.made},
          {"no_room", warmed.no_room}};
}

Json answer(const ControlContext& context, const Json& request) {
  const std::string verb = text_of(request, "verb");
  if (verb == "status") return status(context);
  if (verb == "wait") return wait(context);
  if (verb == "commit") return commit(context, request);
  if (verb == "warm") return warm(context, request);
  if (verb == "branch") return create_branch(context, request);
  if (verb == "delete_branch") {
    context.capture.delete_branch(text_of(request, "name"));
  } else if (verb == "tag") {
    create_tag(context.repository, text_of(request, "name"), id_in(request, "id"));
  } else if (verb == "delete_tag") {
    delete_tag(context.repository, text_of(request, "name"));
  } else {
    fail(Errc::unsupported, cat("the mount does not know the request ", verb));
  }
  return {{"ok", true}};
}

std::string failure(std::string_view error, const std::string& message) {
  const Json reply{{"ok", false}, {"error", error}, {"message", message}};
  return reply.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::string answer_control(const ControlContext& context, const std::string& request) noexcept {
  try {
    const Json parsed = Json::parse(request, nullptr, false);
    if (!parsed.is_object())
      return failure(name_of(Errc::invalid), "the request is no JSON object");
    return answer(context, parsed).dump(-1, ' ', false, Json::error_handler_t::replace);
  } catch (const Error& error) {
    return failure(name_of(error.code()), error.what());
  } catch (const std::exception& error) {
    return failure(name_of(Errc::io), error.what());
  }
}

}  // namespace wfs
