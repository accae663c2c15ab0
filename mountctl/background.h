// Puts the daemon into the background: the caller's process returns to the shell when the daemon is
// ready, or tells why it is not. Requires: one thread.
#pragma once

#include <functional>

#include "base/file.h"
#include "mountctl/verb.h"

namespace wfs {

// Calls `serve(ready)` in a process of its own, without a terminal, its output appended to `log`;
// there it returns what serve() gives. In the calling process it returns when `ready` was called,
// or throws what serve() threw before that.
Exit run_in_background(const stdfs::path& log,
                       const std::function<Exit(const std::function<void()>& ready)>& serve);

}  // namespace wfs
