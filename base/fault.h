// Named points where a test stops the process or makes a call fail. They cost one relaxed load when no
// test has armed any. Armed by the environment of a process: WEIGHTFS_FAULT=NAME[:N][=kill|error],
// the N-th passing (1 by default) of point NAME; `kill` (the default) is SIGKILL to itself.
#pragma once

namespace wfs {

void fault_point(const char* name);

// Writes the name of every point passed to the file that WEIGHTFS_FAULT_LOG names, so that a test can
// find them all. Part of fault_point().

}  // namespace wfs
