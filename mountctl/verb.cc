#include "mountctl/verb.h"

#include <array>

namespace wfs {

Exit exit_of(Errc code) noexcept {
  switch (code) {
    case Errc::corrupt:
      return Exit::integrity;
    case Errc::locked:
      return Exit::locked;
    case Errc::no_repository:
      return Exit::no_repository;
    case Errc::not_mounted:
      return Exit::not_mounted;
    default:
      return Exit::failed;
  }
}

std::span<const Verb> all_verbs() {
  static constexpr std::array verbs = {
      Verb{"init", "Make a repository", "The folder must be missing or empty.",
           "mountctl init ~/models", add_init},
      Verb{"mount", "Show a repository as a folder",
           "Returns when the mount answers; the daemon then runs in the background and writes\n"
           "REPOSITORY/daemon.log. A mount point left over from a daemon that is gone is unmounted "
           "first.\n"
           "With --read-only it shows @id folders, @branch, tags and .weightfs: no branches, nothing "
           "is captured.\n"
           "It opens files faster, may be mounted many times over, and new commits appear in it.",
           "mountctl mount ~/models ~/mnt --settle 5\n  mountctl mount --read-only ~/models "
           "~/history",
           add_mount},
      Verb{"umount", "End a mount",
           "Waits until the daemon has written everything out and is gone.",
           "mountctl umount ~/mnt", add_umount},
      Verb{"status", "What is mounted, and what is still to be committed or encoded", "",
           "mountctl status --wait --json", add_status},
      Verb{"commit", "Commit what a branch holds now, without waiting for it to settle",
           "Prints the id of the commit. Needs the mount.",
           "mountctl commit -m 'lr 3e-5, 3 epochs' -b main", add_commit},
      Verb{"log", "List commits, newest first", "Without a revision: the commits of all branches.",
           "mountctl log main -n 10 --json", add_log},
      Verb{"show", "Show a commit, or a file of one",
           "REV names a commit: a branch, a tag, latest, latest-complete, 4 or more digits of an "
           "id, then\n"
           "any of ~N, ^N, @{2026-11-20T12:00}, @{5.minutes.ago}, @{1}. Of a file with tensors the "
           "tensors\n"
           "are shown; any other file is written to standard output as it is.",
           "mountctl show main~1:minilm/model.safetensors", add_show},
      Verb{"branch", "List, make or delete branches",
           "Without --from the new branch is empty. The commits of a deleted branch stay.",
           "mountctl branch exp1 --from main", add_branch},
      Verb{"tag", "List, make or delete tags", "A tag never moves. Without REV: the newest commit.",
           "mountctl tag v1.0 main", add_tag},
      Verb{"check", "Verify a repository",
           "Exit status 12 and a line for each finding when something is wrong.",
           "mountctl check --data", add_check},
      Verb{"rebuild", "Make index.sqlite anew from the packs",
           "The old index is kept beside it as index.sqlite.old.", "mountctl rebuild -r ~/models",
           add_rebuild},
      Verb{"import", "Commit a folder or a file from outside",
           "Does what `cp -a DIR MOUNT/BRANCH/` and a commit would, with or without a mount. DIR/. "
           "puts\n"
           "what is in DIR into the branch itself.",
           "mountctl import ~/downloads/minilm -b main -m 'as published'", add_import},
      Verb{"export", "Write a commit as plain files",
           "DIR must be missing or empty. Exit status 3 when damaged files were left out.",
           "mountctl export v1.0 /tmp/release", add_export},
      Verb{"stats", "Count what is stored, in things and in bytes", "", "mountctl stats --json",
           add_stats},
      Verb{"explain", "Tell how a file is stored: its segments, blocks and encodings",
           "FILE is a path in the mount, any file that may be stored, or REV:PATH.",
           "mountctl explain main:minilm/model.safetensors", add_explain},
      Verb{"warm", "Decode the files of a commit before they are read",
           "The kernel then reads them like plain files. Needs the mount, run by root on Linux 6.9 or "
           "newer\n"
           "with libfuse 3.17 or newer; exit status 3 when some did not fit.",
           "mountctl warm main '*.safetensors'", add_warm},
      Verb{"doctor", "Look for what keeps mounts from working or makes them slow", "",
           "mountctl doctor", add_doctor},
      Verb{"version", "Print the version", "", "mountctl version --json", add_version},
  };
  return verbs;
}

}  // namespace wfs
