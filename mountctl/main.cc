// mountctl: finds the verb, reads its options, runs it, and turns what it throws into a message and
// an exit status. The only place that does.
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "base/memory.h"
#include "mountctl/output.h"
#include "mountctl/verb.h"

namespace wfs {
namespace {

constexpr const char* exit_statuses =
    "Exit statuses: 0 ok, 1 failed, 2 usage, 3 partly done, 10 no repository, 11 locked,\n"
    "12 integrity error, 13 not mounted, 130 interrupted.";

const Verb* find_verb(std::string_view name) {
  const auto verbs = all_verbs();
  const auto at =
      std::find_if(verbs.begin(), verbs.end(), [&](const Verb& verb) { return verb.name == name; });
  return at == verbs.end() ? nullptr : &*at;
}

std::string help() {
  std::string text =
      "weightfs: version control for neural-network weights, as a filesystem\n\n"
      "Usage: mountctl VERB [OPTIONS] [ARGUMENTS]\n\n";
  for (const Verb& verb : all_verbs()) {
    const std::string name = verb.name;
    text += cat("  ", name, std::string(10 - name.size(), ' '), verb.summary, '\n');
  }
  text +=
      cat("\nEvery verb takes -r REPOSITORY, --json, --quiet and --help. Without -r the repository "
          "is that of\n"
          "WEIGHTFS_REPOSITORY, else the one around the current folder, or mounted around it.\n\n",
          exit_statuses,
          "\n\nTo begin:\n  mountctl init ~/models && mkdir ~/mnt && mountctl mount ~/models "
          "~/mnt\n  cp -r MODEL ~/mnt/main/ && mountctl log");
  return text;
}

Exit usage_error(std::string_view verb, std::string_view what) {
  warn(cat("mountctl", verb.empty() ? "" : " ", verb, ": ", what, "; see `mountctl",
           verb.empty() ? "" : " ", verb, " --help`"));
  return Exit::usage;
}

// The message, and what it is about: a reader of a log sees the verb that said it.
Exit tell(const std::exception& error, Exit status) {
  warn(cat("mountctl: ", printable(error.what())));
  return status;
}

Exit guarded(const Run& run) {
  try {
    const Exit status = run();
    if (std::fflush(stdout) != 0) fail_errno(errno, "cannot write to standard output");
    return status;
  } catch (const Error& error) {
    return tell(error, exit_of(error.code()));
  } catch (const std::exception& error) {
    return tell(error, Exit::failed);
  }
}

Exit run_verb(const Verb& verb, std::vector<std::string> words) {
  CLI::App app(verb.summary, cat("mountctl ", verb.name));
  // As everywhere: of an option that is given twice the last one counts.
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  Common common;
  app.add_option("-r,--repository", common.repository, "The repository, or where it is mounted")
      ->type_name("PATH");
  app.add_flag("--json", common.json, "Data as JSON, one object a line");
  app.add_flag("-q,--quiet", common.quiet, "Only data and errors");
  app.footer(cat(verb.details, *verb.details == '\0' ? "" : "\n\n", "Example:\n  ", verb.example,
                 "\n\n", exit_statuses));
  const Run run = verb.add(app, common);
  try {
    std::reverse(words.begin(), words.end());
    app.parse(std::move(words));
  } catch (const CLI::CallForHelp&) {
    print(app.help());
    return Exit::ok;
  } catch (const CLI::ParseError& error) {
    return usage_error(verb.name, error.what());
  }
  return guarded(run);
}

Exit run_words(std::vector<std::string> words) {
  if (words.empty()) {
    warn(help());
    return Exit::usage;
  }
  std::string name = words.front();
  words.erase(words.begin());
  if (name == "--version" || name == "-V") name = "version";
  if (name == "help" && !words.empty()) {
    name = words.front();
    words = {"--help"};
  }
  if (name == "--help" || name == "-h" || name == "help") {
    print(help());
    return Exit::ok;
  }
  const Verb* const verb = find_verb(name);
  if (verb == nullptr) return usage_error("", cat("there is no verb '", printable(name), "'"));
  return run_verb(*verb, std::move(words));
}

// Whatever is under way is safe to stop anywhere: a repository is never half changed.
void interrupted(int) {
  ::_exit(static_cast<int>(Exit::interrupted));
}

// Each staged file that is open takes a descriptor.
void raise_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace
}  // namespace wfs

int main(int count, char** words) {
  ::signal(SIGINT, wfs::interrupted);
  wfs::raise_file_limit();
  wfs::keep_freed_memory();
  return static_cast<int>(wfs::guarded([&] {
    return wfs::run_words({words + std::min(count, 1), words + count});
  }));
}
