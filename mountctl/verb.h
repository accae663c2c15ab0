// What a verb of mountctl is: its name, its help, its options and its work; and what every verb
// shares: the exit statuses and the common options. One thread.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <span>
#include <string>

#include "base/error.h"

namespace wfs {

// Printed in every help; scripts rely on the numbers.
enum class Exit : int {
  ok = 0,
  failed = 1,
  usage = 2,
  partly = 3,  // some of it was done
  no_repository = 10,
  locked = 11,
  integrity = 12,  // what is stored is damaged
  not_mounted = 13,
  interrupted = 130,
};

Exit exit_of(Errc code) noexcept;

struct Common {
  std::string repository;  // -r; empty: not given
  bool json = false;
  bool quiet = false;
};

using Run = std::function<Exit()>;

struct Verb {
  const char* name;
  const char* summary;
  const char* details;  // more lines for the help; may be empty
  const char* example;
  // Adds the options and arguments of the verb to `app` and gives its work. `common` outlives the
  // run.
  Run (*add)(CLI::App& app, const Common& common);
};

std::span<const Verb> all_verbs();

Run add_branch(CLI::App& app, const Common& common);
Run add_check(CLI::App& app, const Common& common);
Run add_commit(CLI::App& app, const Common& common);
Run add_doctor(CLI::App& app, const Common& common);
Run add_explain(CLI::App& app, const Common& common);
Run add_export(CLI::App& app, const Common& common);
Run add_import(CLI::App& app, const Common& common);
Run add_init(CLI::App& app, const Common& common);
Run add_log(CLI::App& app, const Common& common);
Run add_mount(CLI::App& app, const Common& common);
Run add_rebuild(CLI::App& app, const Common& common);
Run add_show(CLI::App& app, const Common& common);
Run add_stats(CLI::App& app, const Common& common);
Run add_status(CLI::App& app, const Common& common);
Run add_tag(CLI::App& app, const Common& common);
Run add_umount(CLI::App& app, const Common& common);
Run add_version(CLI::App& app, const Common& common);
Run add_warm(CLI::App& app, const Common& common);

}  // namespace wfs
