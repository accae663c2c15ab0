"""The same calls on the mount and on a plain disk, by root and by two other users.

A scenario is a function of a folder that acts and gives back what it saw. Users are processes of
their own: a child takes the identity, acts, and sends back what it saw.
"""

import ctypes
import errno
import os
import pickle
import stat
import time

libc = ctypes.CDLL(None, use_errno=True)
CLOCK_REALTIME_COARSE = 5  # the clock that stamps files
AT_FDCWD, AT_SYMLINK_FOLLOW = -100, 0x400
UTIME_NOW, UTIME_OMIT = (1 << 30) - 1, (1 << 30) - 2


class User:
    """Who acts: an identity a child process takes."""

    def __init__(self, uid, gid, groups=()):
        self.uid, self.gid, self.groups = uid, gid, list(groups)

    def __call__(self, act, *arguments, umask=0o022):
        """What `act` gives when this user does it; an OSError becomes the name of its errno."""
        read_end, write_end = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.close(read_end)
                os.setgroups(self.groups)
                os.setresgid(self.gid, self.gid, self.gid)
                os.setresuid(self.uid, self.uid, self.uid)
                os.umask(umask)
                answer = ("saw", attempt(act, *arguments))
            except BaseException as error:  # the parent tells what it was
                answer = ("failed", repr(error))
            with os.fdopen(write_end, "wb") as pipe:
                pickle.dump(answer, pipe)
            os._exit(0)
        os.close(write_end)
        with os.fdopen(read_end, "rb") as pipe:
            kind, value = pickle.loads(pipe.read())
        os.waitpid(child, 0)
        assert kind == "saw", value
        return value


ROOT = User(0, 0)
ANN = User(4001, 4101, groups=[4101, 4500])
BEN = User(4002, 4102, groups=[4102, 4500])
USERS = {"root": ROOT, "ann": ANN, "ben": BEN}


def attempt(act, *arguments):
    try:
        return act(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]


def check(result):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def make(path, mode=0o666, data=b""):
    fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
    try:
        os.write(fd, data)
    finally:
        os.close(fd)


def look(path):
    """Type, permission bits, owner and group: what a creator decides."""
    seen = os.lstat(path)
    return stat.filemode(seen.st_mode), seen.st_uid, seen.st_gid


class Timespec(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long)]


def utimensat(path, atime, mtime, flags=0):
    """Each time is (seconds, nanoseconds); None for both: now."""
    times = None if atime is None else (Timespec * 2)(Timespec(*atime), Timespec(*mtime))
    check(libc.utimensat(AT_FDCWD, os.fsencode(path), times, flags))


def fallocate(fd, mode, offset, length):
    check(libc.fallocate(fd, mode, ctypes.c_long(offset), ctypes.c_long(length)))


def renameat2(old, new, flags):
    check(libc.renameat2(AT_FDCWD, os.fsencode(old), AT_FDCWD, os.fsencode(new), flags))


def link_open_file(fd, path):
    """A name for what is open: of a file without one, its first."""
    source = f"/proc/self/fd/{fd}".encode()
    check(libc.linkat(AT_FDCWD, source, AT_FDCWD, os.fsencode(path), AT_SYMLINK_FOLLOW))


def later():
    """Wait until the clock that stamps files has moved on."""
    before = time.clock_gettime_ns(CLOCK_REALTIME_COARSE)
    while time.clock_gettime_ns(CLOCK_REALTIME_COARSE) <= before:
        pass


def changed_times(paths, act):
    """Which of mtime and ctime of each path `act` changes: letters m and c."""
    for path in paths:  # one old mtime for all: it tells nothing of which file it is
        attempt(lambda: os.utime(path, ns=(0, 10**18), follow_symlinks=False))
    before = [attempt(os.lstat, path) for path in paths]
    later()
    outcome = attempt(act)
    found = []
    for path, old in zip(paths, before):
        new = attempt(os.lstat, path)
        if isinstance(old, str) or isinstance(new, str):
            found.append("gone" if isinstance(new, str) else "new")
            continue
        m = "m" if new.st_mtime_ns != old.st_mtime_ns else "-"
        c = "c" if new.st_ctime_ns != old.st_ctime_ns else "-"
        found.append(m + c)
    return outcome if isinstance(outcome, str) else None, found
