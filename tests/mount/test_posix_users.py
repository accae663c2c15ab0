"""Rights: the same calls by root and by two other users, on the mount and on a plain folder beside
it. What is seen has to be the same, whatever the local disk's rules are.
"""

import fcntl
import mmap
import os
import pathlib
import shutil
import socket
import stat
import struct
import subprocess
import tempfile

import pytest
import repository as wfs
from conftest import need_mount
from users import ANN, BEN, ROOT, USERS, UTIME_NOW, UTIME_OMIT, User
from users import attempt, changed_times, check, fallocate, later, libc, link_open_file, look, make
from users import renameat2, utimensat

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as other users")

TEAM = 4500  # a group of both users


@pytest.fixture(scope="module")
def public():
    """A mount that every user sees, and a plain folder."""
    need_mount()
    top = pathlib.Path(tempfile.mkdtemp(prefix="weightfs-test-")).resolve()
    top.chmod(0o755)
    (top / "plain").mkdir()
    one = wfs.Repository(top, ["--allow-other"])
    old = os.umask(0o022)
    try:
        one.init().mount()
        yield one
    finally:
        os.umask(old)
        wrong = one.dispose()
        shutil.rmtree(top, ignore_errors=True)
    assert not wrong, "\n".join(wrong)


@pytest.fixture
def same(public, request):
    """same(scenario): it sees the same on both sides. Gives what it saw."""
    public.watch()

    def compare(scenario):
        seen = []
        for side in (public.branch("main"), public.root / "plain"):
            folder = side / request.node.name.replace("/", "_")[:200]
            folder.mkdir()
            folder.chmod(0o777)
            seen.append(scenario(str(folder)))
        mount, plain = seen
        wrong = {key: (mount.get(key), plain[key]) for key in plain if mount.get(key) != plain[key]}
        assert not wrong, f"on the mount, on the disk: {wrong}"
        return mount

    return compare


def make_folder(path, mode, uid=0, gid=0):
    os.mkdir(path)
    os.chown(path, uid, gid)
    os.chmod(path, mode)
    return path


def make_owned(path, mode, uid=ANN.uid, gid=ANN.gid, data=b"x" * 10):
    make(path, data=data)
    os.chown(path, uid, gid)
    os.chmod(path, mode)
    return path


def reopen(path, flags, act=lambda fd: None, mode=0o666):
    fd = os.open(path, flags, mode)
    try:
        return act(fd)
    finally:
        os.close(fd)


def bind(name):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(name)  # a short name: the caller is in the folder


CREATORS = {
    "open": lambda name: make(name, 0o666),
    "open 7777": lambda name: make(name, 0o7777),
    "mknod": lambda name: os.mknod(name, 0o666 | stat.S_IFREG),
    "mkdir": lambda name: os.mkdir(name, 0o777),
    "mkdir 7777": lambda name: os.mkdir(name, 0o7777),
    "symlink": lambda name: os.symlink("x", name),
    "mkfifo": lambda name: os.mkfifo(name, 0o666),
    "socket": bind,
}


@pytest.mark.parametrize("umask", [0o022, 0o077, 0])
@pytest.mark.parametrize("mode", [0o777, 0o2777, 0o1777, 0o3777, 0o755])
def test_creators_give_the_owner_and_mode_of_a_disk(same, umask, mode):
    """The caller's user, its umask, and its group or that of a folder with setgid."""

    def scenario(folder):
        seen = {}
        for who, user in USERS.items():
            inside = make_folder(f"{folder}/{who}", mode, 0, TEAM)
            for how, create in CREATORS.items():

                def act():
                    os.chdir(inside)
                    create(how)

                seen[who, how] = user(act, umask=umask), attempt(look, f"{inside}/{how}")
        return seen

    seen = same(scenario)
    assert seen["root", "mkfifo"][0] is None


def test_device_files_are_refused_to_everyone(public):
    folder = make_folder(public.branch("main") / "devices", 0o777)
    for user in USERS.values():
        for kind in (stat.S_IFCHR, stat.S_IFBLK):
            assert user(os.mknod, f"{folder}/device", 0o666 | kind, os.makedev(1, 3)) == "EPERM"
    assert os.listdir(folder) == []


def test_a_sticky_folder_keeps_each_users_names(same):
    def scenario(folder):
        inside = make_folder(f"{folder}/sticky", 0o1777)
        make(f"{inside}/root's")
        for user, name in ((ANN, "ann's"), (BEN, "ben's")):
            user(make, f"{inside}/{name}")
            user(os.mkdir, f"{inside}/{name} folder")
        path = lambda name: f"{inside}/{name}"
        return {
            "unlink": BEN(os.unlink, path("ann's")),
            "unlink root's": BEN(os.unlink, path("root's")),
            "rename away": BEN(os.rename, path("ann's"), path("taken")),
            "rename over": BEN(os.rename, path("ben's"), path("ann's")),
            "exchange": BEN(renameat2, path("ben's"), path("ann's"), 2),
            "rmdir": BEN(os.rmdir, path("ann's folder")),
            "own": ANN(os.unlink, path("ann's")),
            "by root": ROOT(os.unlink, path("ben's")),
            "left": sorted(os.listdir(inside)),
        }

    seen = same(scenario)
    assert seen["unlink"] == "EPERM" and seen["own"] is None


@pytest.mark.parametrize("mode", [0o700, 0o070, 0o007, 0o640, 0o4755, 0])
def test_permissions_are_those_of_a_disk(same, mode):
    """Owner, group (a supplementary one too) and others; files and folders."""

    def scenario(folder):
        file = make_owned(f"{folder}/file", mode, ANN.uid, TEAM)
        inside = make_folder(f"{folder}/folder", mode, ANN.uid, TEAM)
        seen = {}
        stranger = User(4003, 4103)
        for who, user in {**USERS, "stranger": stranger}.items():
            for flags in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_RDONLY | os.O_TRUNC):
                seen[who, flags] = user(reopen, file, flags)
            seen[who, "access"] = user(lambda: [os.access(file, bit) for bit in (1, 2, 4)])
            seen[who, "truncate"] = user(os.truncate, file, 1)
            seen[who, "setxattr"] = user(os.setxattr, file, "user.a", b"1")
            seen[who, "getxattr"] = user(os.getxattr, file, "user.a")
            seen[who, "noatime"] = user(reopen, file, os.O_RDONLY | os.O_NOATIME)
            seen[who, "list"] = user(lambda: sorted(os.listdir(inside)))
            seen[who, "create"] = user(make, f"{inside}/{who}")
            seen[who, "unnamed"] = user(reopen, inside, os.O_TMPFILE | os.O_RDWR)
            seen[who, "stat"] = user(lambda: os.stat(f"{inside}/{who}").st_size)
            seen[who, "chdir"] = user(os.chdir, inside)
        return seen

    same(scenario)


def test_chmod_is_for_the_owner_and_setgid_for_members(same):
    def scenario(folder):
        seen = {}
        for who, user in USERS.items():
            for mode in (0o4755, 0o2755, 0o2644, 0o6777, 0o1777, 0o644):
                for gid in (ANN.gid, TEAM, BEN.gid):
                    file = make_owned(f"{folder}/{who} {mode:o} {gid}", 0o666, gid=gid)
                    seen[who, mode, gid] = user(os.chmod, file, mode), look(file)
                    inside = make_folder(f"{file} folder", 0o755, ANN.uid, gid)
                    seen[who, mode, gid, "folder"] = user(os.chmod, inside, mode), look(inside)
        return seen

    same(scenario)


def test_chown_is_for_root_and_clears_set_id_bits(same):
    """The owner may give a file to a group it is in; a new owner inherits no rights."""

    def scenario(folder):
        seen = {}
        targets = [(ANN.uid, -1), (-1, TEAM), (-1, ANN.gid), (-1, BEN.gid), (BEN.uid, -1), (0, 0)]
        for who, user in USERS.items():
            for mode in (0o6755, 0o2745, 0o2765, 0o4644, 0o1777):
                for uid, gid in targets:
                    file = make_owned(f"{folder}/{who} {mode:o} {uid} {gid}", mode)
                    seen[who, mode, uid, gid] = user(os.chown, file, uid, gid), look(file)
                    inside = make_folder(f"{file} folder", mode, ANN.uid, ANN.gid)
                    seen[who, mode, uid, gid, "f"] = user(os.chown, inside, uid, gid), look(inside)
        os.symlink("nowhere", f"{folder}/link")
        os.lchown(f"{folder}/link", 5, 6)
        seen["link"] = look(f"{folder}/link"), ANN(os.lchown, f"{folder}/link", ANN.uid, -1)
        return seen

    same(scenario)


def write_mapped(path):
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 10) as mapped:
        mapped[0:1] = b"z"
        mapped.flush()


def copy_range(path):
    with open(path + " source", "rb") as source, open(path, "r+b", buffering=0) as file:
        os.copy_file_range(source.fileno(), file.fileno(), 5)


CHANGES_OF_BYTES = {
    "write": lambda path: reopen(path, os.O_WRONLY, lambda fd: os.write(fd, b"y")),
    "write of a reader": lambda path: reopen(path, os.O_RDWR, lambda fd: os.write(fd, b"y")),
    "append": lambda path: reopen(path, os.O_WRONLY | os.O_APPEND, lambda fd: os.write(fd, b"y")),
    "truncate": lambda path: os.truncate(path, 2),
    "truncate to its size": lambda path: os.truncate(path, 10),
    "ftruncate": lambda path: reopen(path, os.O_WRONLY, lambda fd: os.ftruncate(fd, 0)),
    "open and truncate": lambda path: reopen(path, os.O_WRONLY | os.O_TRUNC),
    "fallocate": lambda path: reopen(path, os.O_WRONLY, lambda fd: fallocate(fd, 0, 0, 100)),
    "punch": lambda path: reopen(path, os.O_WRONLY, lambda fd: fallocate(fd, 3, 0, 100)),
    "mmap": write_mapped,
    "copy_file_range": copy_range,
    "utime": lambda path: os.utime(path, None),
    "link": lambda path: os.link(path, path + " 2"),
}


@pytest.mark.parametrize("how", CHANGES_OF_BYTES)
def test_set_id_bits_go_when_somebody_else_writes(same, how):
    def scenario(folder):
        seen = {}
        for who, user in USERS.items():
            for mode in (0o6777, 0o2767, 0o4666):
                path = make_owned(f"{folder}/{who} {mode:o}", mode, ANN.uid, TEAM)
                make(path + " source", data=b"12345")
                seen[who, mode] = user(CHANGES_OF_BYTES[how], path), look(path)
        return seen

    seen = same(scenario)
    if how == "write":
        assert seen["ben", 0o6777][1][0] == "-rwxrwxrwx"


NOW, OMIT, SET = (0, UTIME_NOW), (0, UTIME_OMIT), (1000, 5)
TIMES = {
    "null": (None, None),
    "now, now": (NOW, NOW),
    "omit, omit": (OMIT, OMIT),
    "set, set": (SET, SET),
    "now, set": (NOW, SET),
    "set, now": (SET, NOW),
    "omit, set": (OMIT, SET),
    "set, omit": (SET, OMIT),
    "now, omit": (NOW, OMIT),
    "omit, now": (OMIT, NOW),
    "not a time": ((0, 2_000_000_000), SET),
    "before 1970": ((-5, 7), (-6, 8)),
    "after 2038": ((1 << 32, 1), (1 << 32, 1)),
}


@pytest.mark.parametrize("mode", [0o644, 0o666, 0o444])
def test_utimensat(same, mode):
    """Who may write may say "now"; only the owner may say when."""

    def shown(ns):
        return "now" if 1.5e18 < ns < 2.5e18 else ns

    def scenario(folder):
        seen = {}
        for who, user in USERS.items():
            for what, (atime, mtime) in TIMES.items():
                path = make_owned(f"{folder}/{who} {what}", mode)
                os.utime(path, ns=(111, 222))
                before = os.stat(path).st_ctime_ns
                later()
                outcome = user(utimensat, path, atime, mtime)
                after = os.stat(path)
                times = shown(after.st_atime_ns), shown(after.st_mtime_ns)
                seen[who, what] = outcome, times, after.st_ctime_ns != before
        return seen

    same(scenario)


def grow(fd):
    os.pwrite(fd, b"1", 20_000)


ACTS = {
    "write": lambda x: reopen(x + "/f", os.O_WRONLY, lambda fd: os.write(fd, b"1")),
    "write nothing": lambda x: reopen(x + "/f", os.O_WRONLY, lambda fd: os.write(fd, b"")),
    "write behind the end": lambda x: reopen(x + "/f", os.O_WRONLY, grow),
    "write of a reader": lambda x: reopen(x + "/f", os.O_RDWR, lambda fd: os.write(fd, b"1")),
    "open to write": lambda x: reopen(x + "/f", os.O_WRONLY),
    "open and create": lambda x: reopen(x + "/f", os.O_WRONLY | os.O_CREAT),
    "open and truncate": lambda x: reopen(x + "/f", os.O_WRONLY | os.O_TRUNC),
    "open exclusively": lambda x: reopen(x + "/f", os.O_WRONLY | os.O_CREAT | os.O_EXCL),
    "ftruncate to its size": lambda x: reopen(x + "/f", 1, lambda fd: os.ftruncate(fd, 10_000)),
    "ftruncate": lambda x: reopen(x + "/f", os.O_WRONLY, lambda fd: os.ftruncate(fd, 5)),
    "truncate to its size": lambda x: os.truncate(x + "/f", 10_000),
    "truncate": lambda x: os.truncate(x + "/f", 5),
    "fallocate": lambda x: reopen(x + "/f", os.O_WRONLY, lambda fd: fallocate(fd, 0, 0, 20_000)),
    "fallocate inside": lambda x: reopen(x + "/f", os.O_WRONLY, lambda fd: fallocate(fd, 0, 0, 9)),
    "fallocate behind": lambda x: reopen(x + "/f", 1, lambda fd: fallocate(fd, 1, 10_000, 20)),
    "punch": lambda x: reopen(x + "/f", os.O_WRONLY, lambda fd: fallocate(fd, 3, 0, 4096)),
    "zero": lambda x: reopen(x + "/f", os.O_WRONLY, lambda fd: fallocate(fd, 16, 0, 4096)),
    "fsync": lambda x: reopen(x + "/f", os.O_WRONLY, os.fsync),
    "chmod": lambda x: os.chmod(x + "/f", 0o600),
    "chmod of a folder": lambda x: os.chmod(x + "/d", 0o700),
    "chown": lambda x: os.chown(x + "/f", 1, 1),
    "chown to nobody new": lambda x: os.chown(x + "/f", -1, -1),
    "utime": lambda x: os.utime(x + "/f"),
    "setxattr": lambda x: os.setxattr(x + "/f", "user.a", b"1"),
    "setxattr of a folder": lambda x: os.setxattr(x + "/d", "user.a", b"1"),
    "removexattr of none": lambda x: os.removexattr(x + "/f", "user.none"),
    "create": lambda x: make(x + "/new"),
    "mkdir": lambda x: os.mkdir(x + "/new"),
    "mkdir below": lambda x: os.mkdir(x + "/d/new"),
    "mkdir of a name there is": lambda x: os.mkdir(x + "/f"),
    "rmdir": lambda x: os.rmdir(x + "/e"),
    "symlink": lambda x: os.symlink("a", x + "/new"),
    "mkfifo": lambda x: os.mkfifo(x + "/new"),
    "link": lambda x: os.link(x + "/f", x + "/new"),
    "unlink": lambda x: os.unlink(x + "/g"),
    "unlink of one of two names": lambda x: os.unlink(x + "/hard"),
    "rename": lambda x: os.rename(x + "/f", x + "/d/f"),
    "rename over": lambda x: os.rename(x + "/g", x + "/f"),
    "rename of one file's names": lambda x: os.rename(x + "/f", x + "/hard"),
    "rename of a folder": lambda x: os.rename(x + "/e", x + "/d/e"),
    "exchange": lambda x: renameat2(x + "/f", x + "/g", 2),
    "exchange with a folder": lambda x: renameat2(x + "/f", x + "/d", 2),
    "exchange between folders": lambda x: renameat2(x + "/e", x + "/d/in", 2),
    "read": lambda x: reopen(x + "/f", os.O_RDONLY, lambda fd: os.read(fd, 5)) and None,
    "readlink": lambda x: os.readlink(x + "/l") and None,
}


@pytest.mark.parametrize("what", ACTS)
def test_every_call_stamps_what_a_disk_stamps(same, what):
    """mtime, ctime and link count of everything near, after each call."""

    def scenario(folder):
        for name, data in (("f", b"x" * 10_000), ("g", b"g")):
            make(f"{folder}/{name}", data=data)
        for name in ("d", "e"):
            os.mkdir(f"{folder}/{name}")
        make(f"{folder}/d/in")
        os.symlink("f", f"{folder}/l")
        os.link(f"{folder}/f", f"{folder}/hard")
        names = ("", "f", "g", "d", "e", "l", "hard", "d/in", "d/e", "d/f", "new")
        paths = [f"{folder}/{name}" for name in names]
        stamped = changed_times(paths, lambda: ACTS[what](folder))
        links = [attempt(lambda: os.lstat(path).st_nlink) for path in paths]
        return {"stamped": stamped, "links": links}

    same(scenario)


def test_times_far_away_are_brought_near(public):
    """What nanoseconds in 64 bits cannot say becomes the last year they can, on the right side."""
    path = public.branch("main") / "far"
    make(path)
    for seconds, year in ((1 << 40, 2262), (-(1 << 40), 1677)):
        utimensat(path, (seconds, 0), (seconds, 0))
        assert 1970 + path.stat().st_mtime_ns / 31_556_952e9 == pytest.approx(year, abs=1)


def test_times_of_files_that_lost_their_name(same):
    def scenario(folder):
        make(f"{folder}/f")
        make(f"{folder}/over")
        seen = {}
        with open(f"{folder}/f", "r+b") as file, open(f"{folder}/over", "rb") as over:
            before = os.fstat(file.fileno())
            later()
            os.unlink(f"{folder}/f")
            after = os.fstat(file.fileno())
            seen["links"] = after.st_nlink
            seen["ctime"] = after.st_ctime_ns != before.st_ctime_ns
            seen["mtime"] = after.st_mtime_ns != before.st_mtime_ns
            seen["fchmod"] = attempt(os.fchmod, file.fileno(), 0o600)
            seen["link"] = attempt(link_open_file, file.fileno(), f"{folder}/back")
            make(f"{folder}/new")
            os.rename(f"{folder}/new", f"{folder}/over")
            seen["replaced"] = os.fstat(over.fileno()).st_nlink
        os.mkdir(f"{folder}/d")
        gone = os.open(f"{folder}/d", os.O_RDONLY)
        os.rmdir(f"{folder}/d")
        seen["folder links"] = os.fstat(gone).st_nlink
        seen["list"] = attempt(os.listdir, gone)
        create = lambda: os.open("x", os.O_CREAT | os.O_WRONLY, dir_fd=gone)
        seen["create in it"] = attempt(create)
        os.close(gone)
        return seen

    same(scenario)


def test_files_without_a_name(same):
    """O_TMPFILE: nobody sees the file until linkat gives it a name, or several."""

    def linked(folder):
        with open(os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o640), "r+b", buffering=0) as file:
            fd = file.fileno()
            file.write(b"first ")
            seen = [os.fstat(fd).st_nlink, os.listdir(folder)]
            seen += [attempt(link_open_file, fd, f"{folder}/{name}") for name in ("a", "b", "a")]
            file.write(b"second")
            seen += [os.fstat(fd).st_nlink, sorted(os.listdir(folder)), look(f"{folder}/a")]
            os.unlink(f"{folder}/a")
            os.unlink(f"{folder}/b")
            seen += [attempt(link_open_file, fd, f"{folder}/c"), os.fstat(fd).st_nlink]
        return seen

    def exclusive(folder):
        flags = os.O_TMPFILE | os.O_RDWR | os.O_EXCL
        return reopen(folder, flags, lambda fd: attempt(link_open_file, fd, f"{folder}/n"))

    def scenario(folder):
        seen = {}
        for who, user in USERS.items():
            mine = make_folder(f"{folder}/{who}", 0o2777, 0, TEAM)
            seen[who] = user(linked, mine)
            seen[who, "exclusive"] = user(exclusive, mine)
            seen[who, "read-only"] = user(reopen, mine, os.O_TMPFILE | os.O_RDONLY)
            seen[who, "left"] = os.listdir(mine)
        closed = make_folder(f"{folder}/closed", 0o755)
        seen["closed"] = ANN(reopen, closed, os.O_TMPFILE | os.O_RDWR)
        make(f"{folder}/file")
        seen["in a file"] = attempt(reopen, f"{folder}/file", os.O_TMPFILE | os.O_RDWR)
        return seen

    seen = same(scenario)
    assert seen["ann"][0] == 0 and seen["ann"][2] is None


NAMES = ["f", "g", "d", "e", "l", "h", "p", "none", "d/in", "d/none", ".", "d/..", "f/x", "e/"]


@pytest.mark.parametrize("flags", [0, 1, 2, 3, 8], ids=lambda flags: f"flags-{flags}")
def test_rename_of_anything_to_anything(same, flags):
    """Files, folders, links, pipes and absent names: plain, NOREPLACE, EXCHANGE, and nonsense."""

    def scenario(folder):
        seen = {}
        for i, old in enumerate(NAMES):
            for j, new in enumerate(NAMES):
                inside = f"{folder}/{i}-{j}"
                os.mkdir(inside)
                make(f"{inside}/f", data=b"f")
                make(f"{inside}/g", data=b"g")
                os.mkdir(f"{inside}/d")
                os.mkdir(f"{inside}/e")
                make(f"{inside}/d/in")
                os.symlink("f", f"{inside}/l")
                os.link(f"{inside}/f", f"{inside}/h")
                os.mkfifo(f"{inside}/p")
                outcome = attempt(renameat2, f"{inside}/{old}", f"{inside}/{new}", flags)
                left = sorted((e.name, look(e.path)[0]) for e in os.scandir(inside))
                seen[old, new] = outcome, left, attempt(lambda: sorted(os.listdir(inside + "/d")))
                shutil.rmtree(inside)
        return seen

    same(scenario)


def test_links_to_anything(same):
    def scenario(folder):
        make(f"{folder}/f")
        os.mkdir(f"{folder}/d")
        os.symlink("f", f"{folder}/l")
        os.mkfifo(f"{folder}/p")
        seen = {}
        for name in ("f", "d", "l", "p", "none", "f/x"):
            new = f"{folder}/{name.replace('/', '')} 2"
            seen[name] = attempt(lambda: os.link(f"{folder}/{name}", new, follow_symlinks=False))
        seen["over a link"] = attempt(os.link, f"{folder}/f", f"{folder}/l")
        seen["another's"] = BEN(os.link, f"{folder}/f", f"{folder}/ben's")
        seen["counts"] = {n: os.lstat(f"{folder}/{n}").st_nlink for n in os.listdir(folder)}
        seen["of the folder"] = os.stat(folder).st_nlink
        return seen

    same(scenario)


def test_names_and_paths_are_as_long_as_on_a_disk(same):
    acts = {
        "open": lambda path: reopen(path, os.O_CREAT | os.O_WRONLY),
        "stat": os.stat,
        "mkdir": os.mkdir,
        "symlink": lambda path: os.symlink("x", path),
        "mkfifo": os.mkfifo,
        "link": lambda path: os.link(os.path.dirname(path) + "/there", path),
        "unlink": os.unlink,
        "rmdir": os.rmdir,
    }

    def scenario(folder):
        seen = {}
        make(f"{folder}/there")
        for length in (255, 256, 1025, 4095):
            path = f"{folder}/" + "n" * length
            for what, act in acts.items():
                outcome = attempt(act, path)
                seen[length, what] = outcome if isinstance(outcome, str) else "done"
                attempt(os.unlink, path)
                attempt(os.rmdir, path)
        seen["long path"] = attempt(os.stat, f"{folder}/" + "./" * 2048)
        seen["target"] = attempt(os.symlink, "x" * 4095, f"{folder}/link")
        seen["read"] = attempt(lambda: len(os.readlink(f"{folder}/link")))
        seen["longer target"] = attempt(os.symlink, "x" * 4096, f"{folder}/longer")
        seen["no target"] = attempt(os.symlink, "", f"{folder}/none")
        here = os.getcwd()
        try:  # deeper than PATH_MAX, a step at a time
            os.chdir(folder)
            for _ in range(30):
                os.mkdir("d" * 200)
                os.chdir("d" * 200)
            make("deepest", data=b"deep")
            seen["deepest"] = open("deepest", "rb").read()
        finally:
            os.chdir(here)
        return seen

    same(scenario)


def test_a_program_that_runs_is_not_written(same):
    def scenario(folder):
        program = f"{folder}/program"
        shutil.copy(shutil.which("sleep"), program)
        os.chmod(program, 0o755)
        seen = {}
        running = subprocess.Popen([program, "60"])  # returns once the program is executed
        try:
            seen["write"] = attempt(reopen, program, os.O_WRONLY)
            seen["truncate"] = attempt(os.truncate, program, 5)
            seen["rename"] = attempt(os.rename, program, program + " 2")
            seen["unlink"] = attempt(os.unlink, program + " 2")
        finally:
            running.kill()
            running.wait()
        shutil.copy(shutil.which("true"), program)
        os.chmod(program, 0o755)
        run = lambda: subprocess.run([program]).returncode
        seen["run while written"] = reopen(program, os.O_RDWR, lambda fd: attempt(run))
        seen["run"] = attempt(run)
        os.chmod(program, 0o644)
        seen["run without the right"] = attempt(run)
        return seen

    assert same(scenario)["write"] == "ETXTBSY"


def test_fallocate_of_every_kind(same):
    """Plain, KEEP_SIZE, PUNCH and ZERO; punching without KEEP_SIZE, and nonsense, are refused."""

    def scenario(folder):
        seen = {}
        for mode in (0, 1, 2, 3, 4, 9, 16, 17, 33, 64):
            for offset, length in ((0, 4096), (100, 5000), (16384, 8192), (0, 0), (-1, 5), (5, -1)):
                path = f"{folder}/{mode} {offset} {length}"
                make(path, data=b"x" * 16384)
                act = lambda fd: attempt(fallocate, fd, mode, offset, length)
                outcome = reopen(path, os.O_RDWR, act)
                seen[mode, offset, length] = outcome, open(path, "rb").read()
            read_only = lambda fd: attempt(fallocate, fd, mode, 0, 10)
            seen[mode, "read-only"] = reopen(path, os.O_RDONLY, read_only)
        return seen

    same(scenario)


def test_fallocate_that_is_refused_changes_nothing(public):
    path = str(public.branch("main") / "refused")
    make(path, data=b"x" * 16384)
    for mode in (8, 32):  # COLLAPSE_RANGE, INSERT_RANGE
        assert reopen(path, os.O_RDWR, lambda fd: attempt(fallocate, fd, mode, 0, 4096)) == "ENOTSUP"
    zero_far = lambda fd: attempt(fallocate, fd, 16, 0, 1 << 62)
    assert reopen(path, os.O_RDWR, zero_far) in ("EFBIG", "ENOSPC")
    assert open(path, "rb").read() == b"x" * 16384


def test_direct_io_and_holes(same):
    def scenario(folder):
        block = mmap.mmap(-1, 8192)
        block[:] = b"D" * 8192
        seen = {}
        fd = os.open(f"{folder}/direct", os.O_CREAT | os.O_RDWR | os.O_DIRECT)
        seen["write"] = os.pwritev(fd, [block], 0)
        seen["read"] = os.preadv(fd, [block], 4096)
        seen["at the end"] = os.preadv(fd, [block], 8192)
        os.close(fd)
        seen["bytes"] = open(f"{folder}/direct", "rb").read() == b"D" * 8192
        on = lambda fd: fcntl.fcntl(fd, fcntl.F_SETFL, os.O_DIRECT)
        seen["set later"] = reopen(f"{folder}/direct", os.O_RDWR, on)
        fd = os.open(f"{folder}/holes", os.O_CREAT | os.O_RDWR)
        os.pwrite(fd, b"A" * 4096, 0)
        os.pwrite(fd, b"B" * 4096, 1 << 20)
        os.ftruncate(fd, 1 << 21)
        os.fsync(fd)
        for whence in (os.SEEK_DATA, os.SEEK_HOLE):
            for offset in (-1, 0, 100, 4096, 1 << 20, (1 << 20) + 4096, (1 << 21) - 1, 1 << 21):
                seen[whence, offset] = attempt(os.lseek, fd, offset, whence)
        os.close(fd)
        return seen

    same(scenario)


def test_syncs_of_files_and_folders_are_taken(same):
    def scenario(folder):
        make(f"{folder}/f", data=b"x")
        seen = {}
        for path in (folder, f"{folder}/f"):
            for call in (os.fsync, os.fdatasync, lambda fd: check(libc.syncfs(fd))):
                seen[path == folder, len(seen)] = reopen(path, os.O_RDONLY, call)
        return seen

    same(scenario)


def test_acls_and_foreign_attributes_are_refused(public):
    path = str(public.branch("main") / "acl")
    make(path)
    entries = ((1, 6, -1), (2, 7, ANN.uid), (4, 4, -1), (16, 7, -1), (32, 4, -1))
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)
    for name in ("system.posix_acl_access", "trusted.x", "security.x"):
        assert attempt(os.setxattr, path, name, acl) == "ENOTSUP"
        assert attempt(os.getxattr, path, name) == "ENODATA"
    inside = str(public.branch("main") / "acl folder")
    os.mkdir(inside)
    assert attempt(os.setxattr, inside, "system.posix_acl_default", acl) == "ENOTSUP"
    assert os.listxattr(path) == [] and look(path)[0] == "-rw-r--r--"


def test_extended_attributes_follow_the_rules_of_a_disk(same):
    def scenario(folder):
        make(f"{folder}/f")
        os.mkfifo(f"{folder}/p")
        os.symlink("f", f"{folder}/l")
        put = lambda name, key, value=b"1": attempt(
            lambda: os.setxattr(f"{folder}/{name}", key, value, follow_symlinks=False)
        )
        seen = {name: put(name, "user.a") for name in ("f", "p", "l")}
        seen["long"] = put("f", "user." + "n" * 250), put("f", "user." + "n" * 251)
        seen["no name"] = put("f", "user.")
        seen["large"] = put("f", "user.x", b"1" * 65_537)
        sticky = make_folder(f"{folder}/sticky", 0o1777, ANN.uid, ANN.gid)
        seen["sticky"] = [user(os.setxattr, sticky, "user.q", b"1") for user in (BEN, ANN)]
        return seen

    same(scenario)


def test_a_commit_is_read_only_for_users_too(public):
    """Root meets EROFS at every call; others are stopped by the modes of a commit first."""
    base = public.branch("main") / "kept"
    base.mkdir(mode=0o777)
    base.chmod(0o777)
    (base / "f").write_bytes(b"kept")
    (base / "f").chmod(0o666)
    (base / "d").mkdir()
    kept = str(public.at(public.commit("kept")) / "kept")
    acts = {
        "write": lambda: reopen(kept + "/f", os.O_WRONLY),
        "create": lambda: make(kept + "/new"),
        "unnamed": lambda: reopen(kept, os.O_TMPFILE | os.O_RDWR),
        "mkfifo": lambda: os.mkfifo(kept + "/new"),
        "mknod": lambda: os.mknod(kept + "/new", 0o600 | stat.S_IFCHR, os.makedev(1, 3)),
        "mkdir": lambda: os.mkdir(kept + "/new"),
        "symlink": lambda: os.symlink("x", kept + "/new"),
        "link": lambda: os.link(kept + "/f", kept + "/new"),
        "unlink": lambda: os.unlink(kept + "/f"),
        "rmdir": lambda: os.rmdir(kept + "/d"),
        "rename": lambda: os.rename(kept + "/f", kept + "/new"),
        "exchange": lambda: renameat2(kept + "/f", kept + "/d", 2),
        "truncate": lambda: os.truncate(kept + "/f", 0),
        "chmod": lambda: os.chmod(kept + "/f", 0o666),
        "chown": lambda: os.chown(kept + "/f", ANN.uid, ANN.gid),
        "utime": lambda: os.utime(kept + "/f", (0, 0)),
        "setxattr": lambda: os.setxattr(kept + "/f", "user.x", b"1"),
    }
    for what, act in acts.items():
        assert ROOT(act) == "EROFS", what
        for user in (ANN, BEN):
            assert user(act) in ("EROFS", "EACCES", "EPERM"), what
    assert wfs.listing(kept).keys() == {"f", "d"}
    assert ANN(lambda: open(kept + "/f", "rb").read()) == b"kept"
