"""A mounted repository as a test sees it, driven only through mountctl and the mount.

The daemon of a Repository is known by its process id; nothing here ever signals another process.
A small watchdog process aborts the FUSE connection of a hung mount, so that a test that is stuck in
the kernel fails instead of standing still.
"""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import stat
import subprocess
import sys
import time

SLOW = float(
    os.environ.get("WEIGHTFS_SLOW", "1")
)  # how much slower the program is, under a sanitizer
SETTLE = 0.5 if SLOW == 1 else 1.5  # seconds
REPORT = re.compile(
    r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:|SUMMARY: \w+Sanitizer"
    r"|terminate called"
)


def mountctl_path():
    default = pathlib.Path(__file__).parents[2] / "build/dev/bin/mountctl"
    return pathlib.Path(os.environ.get("WEIGHTFS_MOUNTCTL", default)).resolve()


def wait_until(condition, what, timeout=20):
    """Poll until condition() is true and return what it gave."""
    end = time.monotonic() + timeout * SLOW
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"timed out waiting until {what}")
        time.sleep(0.05)


def unmount_below(top):
    """Lazily end every mount below a folder, whatever a failed test has left there."""
    with open("/proc/self/mountinfo") as f:
        points = [line.split()[4].replace("\\040", " ") for line in f]
    for point in reversed(points):
        if point.startswith(f"{top}/"):
            if subprocess.run(["fusermount3", "-uz", point], capture_output=True).returncode:
                subprocess.run(["umount", "-l", point], capture_output=True)


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def mounted_device(path):
    """The device number of the mount at path as the kernel lists it, or None. Never touches the mount."""
    found = None
    with open("/proc/self/mountinfo") as f:
        for line in f:
            fields = line.split()
            if fields[4].replace("\\040", " ") == str(path):
                found = fields[2]
    return found


class Repository:
    def __init__(self, root, mount_options=()):
        self.root = pathlib.Path(root)
        self.path = self.root / "repository"
        self.mnt = self.root / "mnt"
        self.log_file = self.path / "daemon.log"
        self.mountctl = mountctl_path()
        self.options = ["--settle", str(SETTLE), *mount_options]
        self.pid = None
        self.device = self.abort_file = self.watchdog = None
        self.watch_seconds = 105  # a mount that lives longer is taken for hung; 0: never

    # The command line.

    def ctl(self, verb, *args, status=0, timeout=60, cwd=None):
        """Run `mountctl VERB -r REPOSITORY ARGS` and return the finished process; `status` None: any."""
        return self.command(verb, "-r", self.path, *args, status=status, timeout=timeout, cwd=cwd)

    def command(self, *args, status=0, timeout=60, cwd=None, env=None):
        done = subprocess.run(
            [str(self.mountctl), *map(str, args)],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout * SLOW,
            cwd=cwd,
            env={**os.environ, **env} if env else None,
            stdin=subprocess.DEVNULL,
        )
        if REPORT.search(done.stderr):
            raise AssertionError(done.stderr)
        if status is not None and done.returncode != status:
            raise AssertionError(
                f"mountctl {' '.join(map(str, args))}: exit {done.returncode}, not {status}\n"
                f"stdout: {done.stdout}\nstderr: {done.stderr}"
            )
        return done

    def init(self):
        self.command("init", self.path)
        self.mnt.mkdir(exist_ok=True)
        return self

    # The mount.

    def mount(self, *options):
        self.command("mount", self.path, self.mnt, *self.options, *options)
        self.pid = self.status()["pid"]
        self.device = mounted_device(self.mnt)
        assert self.device, "mountctl mount returned 0 but nothing is mounted"
        self.abort_file = f"/sys/fs/fuse/connections/{self.device.split(':')[1]}/abort"
        self.watch()
        return self

    def watch(self):
        """Give the mount watch_seconds from now on."""
        self._end_watchdog()
        if self.watch_seconds:
            still_ours = f"grep -qF '{self.device} / {self.mnt} ' /proc/self/mountinfo"
            seconds = int(self.watch_seconds * SLOW)
            line = f"sleep {seconds}; {still_ours} && echo 1 > {self.abort_file}"
            nowhere = subprocess.DEVNULL
            self.watchdog = subprocess.Popen(
                ["sh", "-c", line],
                start_new_session=True,
                stdin=nowhere,
                stdout=nowhere,
                stderr=nowhere,
            )

    def status(self):
        return json.loads(self.ctl("status", "--json").stdout.splitlines()[-1])

    def quiet(self):
        """Wait until nothing is left to commit or to encode."""
        state = json.loads(
            self.ctl("status", "--wait", "--json", timeout=90).stdout.splitlines()[-1]
        )
        assert state["pending_commits"] == 0 and state["staged_contents"] == 0, state
        return state

    def umount(self):
        self.command("umount", self.mnt, timeout=90)
        wait_until(lambda: not alive(self.pid), "the daemon has ended after umount", timeout=60)
        assert mounted_device(self.mnt) is None, "still mounted after umount"
        self._forget_daemon()

    def kill9(self):
        """What a crash leaves: a dead daemon, and a mount point that answers ENOTCONN."""
        os.kill(self.pid, signal.SIGKILL)
        wait_until(lambda: not alive(self.pid), "the killed daemon is gone")
        self._forget_daemon()

    def remount(self):
        self.umount()
        self.mount()

    def _forget_daemon(self):
        self.pid = None
        self._end_watchdog()

    def _end_watchdog(self):
        if self.watchdog:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.watchdog.pid, signal.SIGKILL)
            self.watchdog.wait()
            self.watchdog = None

    def dispose(self, check=True):
        """Unmount whatever the state is, check the repository; the list of what was wrong."""
        wrong = []
        if mounted_device(self.mnt) is not None:
            try:
                if self.pid is not None and alive(self.pid):
                    self.umount()
                elif self.pid is not None:
                    wrong.append(f"the daemon {self.pid} has died")
            except (AssertionError, subprocess.TimeoutExpired) as error:
                wrong.append(f"umount: {error}")
        if mounted_device(self.mnt) is not None:
            if self.pid is not None and alive(self.pid):
                with contextlib.suppress(OSError):
                    pathlib.Path(self.abort_file).write_text("1")
        unmount_below(self.root)
        if self.pid is not None and alive(self.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            wait_until(lambda: not alive(self.pid), "the daemon is gone")
        self._forget_daemon()
        if check and (self.path / "config.json").exists():
            try:
                done = self.ctl("check", "--data", status=None, timeout=90)
                if done.returncode:
                    wrong.append(
                        f"check --data: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
                    )
            except (AssertionError, subprocess.TimeoutExpired) as error:
                wrong.append(f"check --data: {error}")
        log = self.log()
        if REPORT.search(log):
            wrong.append(f"the daemon's log tells of an error in the program:\n{log[-8000:]}")
        return wrong

    def log(self):
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    # What the repository holds.

    def branch(self, name="main"):
        return self.mnt / name

    def at(self, revision):
        return self.mnt / f"@{revision[:12]}"

    def commit(self, message, branch="main"):
        return self.ctl("commit", "-b", branch, "-m", message).stdout.strip()

    def commits(self, revision=None):
        """Newest first."""
        args = [revision] if revision else []
        return [json.loads(line) for line in self.ctl("log", *args, "--json").stdout.splitlines()]

    def tip(self, branch="main"):
        return self.commits(branch)[0]["id"]

    def wait_commit(self, predicate=lambda commit: True, branch="main", timeout=20):
        """The newest commit of the branch that satisfies the predicate."""
        return wait_until(
            lambda: next(filter(predicate, self.history(branch)), None), "a commit appears", timeout
        )

    def history(self, branch="main"):
        done = self.ctl("log", branch, "--json", status=None)
        return (
            [json.loads(line) for line in done.stdout.splitlines()] if done.returncode == 0 else []
        )

    def wait_for_change(self, tip, branch="main", timeout=20):
        """Wait for a commit newer than tip (an id, or None for the first)."""

        def moved():
            newest = next(iter(self.history(branch)), None)
            return newest if newest and newest["id"] != tip else None

        return wait_until(moved, f"branch {branch} has moved from {tip}", timeout)

    def stats(self):
        return json.loads(self.ctl("stats", "--json").stdout.splitlines()[-1])

    def stored_bytes(self):
        self.quiet()
        return self.stats()["stored_bytes"]

    def check(self, data=True, status=0):
        return self.ctl("check", *(["--data"] if data else []), "--json", status=status, timeout=90)

    def packs(self):
        return sorted(p for p in (self.path / "packs").rglob("*") if p.is_file())


# Comparing.


def listing(folder):
    """path -> (kind, content) of all below a folder: what two equal trees have in common."""
    found = {}
    for entry in sorted(pathlib.Path(folder).rglob("*")):
        name = str(entry.relative_to(folder))
        mode = entry.lstat().st_mode
        if stat.S_ISLNK(mode):
            found[name] = ("link", os.readlink(entry))
        elif stat.S_ISDIR(mode):
            found[name] = ("folder", None)
        else:
            found[name] = ("file", entry)
    return found


def assert_same_bytes(a, b):
    a, b = pathlib.Path(a), pathlib.Path(b)
    assert a.stat().st_size == b.stat().st_size, f"{a} and {b} differ in size"
    with open(a, "rb") as left, open(b, "rb") as right:
        offset = 0
        while True:
            x, y = left.read(1 << 20), right.read(1 << 20)
            if x != y:
                first = next(i for i, (p, q) in enumerate(zip(x, y)) if p != q)
                raise AssertionError(f"{a} and {b} differ first at byte {offset + first}")
            if not x:
                return
            offset += len(x)


def assert_same_tree(a, b, ignore=()):
    """Same names, kinds, links and bytes. `ignore`: relative names left out on both sides."""
    keep = lambda found: {k: v for k, v in found.items() if k not in ignore}
    left, right = keep(listing(a)), keep(listing(b))
    assert sorted(left) == sorted(right), f"{a} and {b} list different names"
    for name, (kind, content) in left.items():
        assert kind == right[name][0], name
        if kind == "file":
            assert_same_bytes(content, right[name][1])
        else:
            assert content == right[name][1], name


def copy_plain(source, target):
    """A copy on the plain disk, to compare with later."""
    shutil.copytree(source, target, symlinks=True)
    return target


def run(*args, cwd=None, env=None, timeout=90, status=0):
    """Run a program the way a user would; its output on failure."""
    done = subprocess.run(
        [str(a) for a in args],
        cwd=cwd,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout * SLOW,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **env} if env else None,
    )
    if status is not None and done.returncode != status:
        raise AssertionError(
            f"{args}: exit {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        )
    return done


def python(script, *args, timeout=100, env=None):
    """Run a Python script in a process of its own, so that it keeps nothing of a mount open."""
    return run(sys.executable, "-c", script, *args, timeout=timeout, env=env)
