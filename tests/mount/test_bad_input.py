"""Bad input: each with its exit status or errno, and a message that names the path and the next step."""

import errno
import json
import os
import random
import re
import shutil
import sqlite3
import subprocess

import pytest
import repository as wfs

FAILED, USAGE, NO_REPOSITORY, LOCKED, NOT_MOUNTED = 1, 2, 10, 11, 13
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def fails(repo, *args, status, names=(), cwd=None):
    done = repo.command(*args, status=status, cwd=cwd)
    assert done.stderr.strip(), "said nothing"
    assert "terminate called" not in done.stderr and "what():" not in done.stderr
    for name in names:
        assert str(name) in done.stderr, done.stderr
    return done.stderr


# The repository.


@pytest.mark.parametrize(
    "verb",
    [
        ["log"],
        ["status"],
        ["commit", "-m", "x"],
        ["check"],
        ["stats"],
        ["branch"],
        ["show", "main"],
        ["rebuild"],
    ],
    ids=lambda v: v[0],
)
def test_no_repository_there(unmounted, scratch, verb):
    told = fails(
        unmounted,
        verb[0],
        "-r",
        scratch / "absent",
        *verb[1:],
        status=NO_REPOSITORY,
        names=[scratch / "absent"],
    )
    assert "init" in told


def test_no_repository_around_the_current_folder(unmounted, scratch):
    assert "-r" in fails(unmounted, "log", status=NO_REPOSITORY, cwd=scratch)


def test_not_a_repository(unmounted, scratch):
    (scratch / "folder").mkdir()
    (scratch / "folder/file").write_text("something else")
    fails(
        unmounted, "log", "-r", scratch / "folder", status=NO_REPOSITORY, names=[scratch / "folder"]
    )
    fails(
        unmounted,
        "mount",
        scratch / "folder",
        unmounted.mnt,
        status=NO_REPOSITORY,
        names=[scratch / "folder"],
    )
    fails(
        unmounted,
        "log",
        "-r",
        scratch / "folder/file",
        status=NO_REPOSITORY,
        names=[scratch / "folder/file"],
    )
    assert sorted(os.listdir(scratch / "folder")) == ["file"], "left as it was"


def test_init_where_something_is(unmounted, scratch):
    fails(unmounted, "init", unmounted.path, status=FAILED, names=[unmounted.path])
    (scratch / "full").mkdir()
    (scratch / "full/x").write_text("x")
    fails(unmounted, "init", scratch / "full", status=FAILED, names=[scratch / "full"])
    (scratch / "file").write_text("x")
    fails(unmounted, "init", scratch / "file", status=FAILED, names=[scratch / "file"])
    (scratch / "empty").mkdir()
    unmounted.command("init", scratch / "empty")


def test_a_repository_of_a_newer_format(unmounted):
    config = unmounted.path / "config.json"
    settings = json.loads(config.read_text())
    key = next(
        k for k, v in settings.items() if re.search("version|format", k) and isinstance(v, int)
    )
    config.write_text(json.dumps({**settings, key: 999}))
    for args in (["log", "-r", unmounted.path], ["mount", unmounted.path, unmounted.mnt]):
        told = fails(unmounted, *args, status=FAILED, names=[unmounted.path])
        assert "newer" in told and "999" in told
    assert wfs.mounted_device(unmounted.mnt) is None
    config.write_text(json.dumps(settings))


def test_an_index_of_a_newer_version(unmounted):
    with sqlite3.connect(unmounted.path / "index.sqlite") as db:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        db.execute("PRAGMA user_version=999")
    db.close()
    assert "newer" in fails(
        unmounted, "log", "-r", unmounted.path, status=FAILED, names=[unmounted.path]
    )
    with sqlite3.connect(unmounted.path / "index.sqlite") as db:
        db.execute(f"PRAGMA user_version={version}")
    db.close()


def test_settings_that_are_no_json(unmounted):
    config = unmounted.path / "config.json"
    good = config.read_text()
    config.write_text("{not json")
    done = unmounted.ctl("log", status=None)
    assert done.returncode in (FAILED, NO_REPOSITORY, 12) and "config.json" in done.stderr
    config.write_text(good)


# The mount point.


def test_a_missing_mount_point(unmounted):
    fails(
        unmounted,
        "mount",
        unmounted.path,
        unmounted.root / "absent",
        status=FAILED,
        names=[unmounted.root / "absent"],
    )


def test_a_mount_point_that_is_a_file(unmounted):
    (unmounted.root / "file").write_text("x")
    fails(
        unmounted,
        "mount",
        unmounted.path,
        unmounted.root / "file",
        status=FAILED,
        names=[unmounted.root / "file"],
    )


def test_a_mount_point_that_is_not_empty(unmounted):
    (unmounted.mnt / "file").write_text("x")
    told = fails(
        unmounted, "mount", unmounted.path, unmounted.mnt, status=FAILED, names=[unmounted.mnt]
    )
    assert "empty" in told
    assert os.listdir(unmounted.mnt) == ["file"]


def test_a_busy_mount_point(repo, make_repo):
    other = make_repo(mounted=False)
    fails(other, "mount", other.path, repo.mnt, status=FAILED, names=[repo.mnt])
    assert os.listdir(repo.mnt), "the first mount goes on"


def test_a_mount_point_inside_the_repository(unmounted):
    (unmounted.path / "inside").mkdir()
    fails(unmounted, "mount", unmounted.path, unmounted.path / "inside", status=FAILED)
    (unmounted.path / "inside").rmdir()


def test_a_second_mount_of_one_repository(repo, scratch):
    (scratch / "second").mkdir()
    told = fails(repo, "mount", repo.path, scratch / "second", status=LOCKED, names=[repo.path])
    assert str(repo.mnt) in told or str(repo.pid) in told, "says who holds it"
    assert wfs.mounted_device(scratch / "second") is None


def test_a_verb_that_needs_the_lock_of_a_mounted_repository(repo):
    fails(repo, "rebuild", "-r", repo.path, status=LOCKED, names=[repo.path])


def test_unmounting_what_is_not_mounted(unmounted, scratch):
    fails(unmounted, "umount", unmounted.mnt, status=NOT_MOUNTED, names=[unmounted.mnt])
    fails(unmounted, "umount", scratch / "absent", status=NOT_MOUNTED, names=[scratch / "absent"])


def test_unmounting_what_is_in_use(repo):
    with open(repo.branch() / "f", "wb"):
        fails(repo, "umount", repo.mnt, status=FAILED, names=[repo.mnt])
    assert (repo.branch() / "f").exists(), "still mounted"


@root_only
@pytest.mark.parametrize("what", ["missing", "forbidden"])
def test_no_access_to_the_fuse_device(unmounted, what):
    """In a mount namespace of its own, where /dev has no usable fuse device."""
    make = {
        "missing": "mount -t tmpfs none /dev",
        "forbidden": "mount -t tmpfs -o nodev none /dev && mknod -m 600 /dev/fuse c 10 229",
    }[what]
    script = f'{make} && mknod -m 666 /dev/null c 1 3; exec "$0" mount "$1" "$2"'
    done = subprocess.run(
        [
            "unshare",
            "-m",
            "sh",
            "-c",
            script,
            str(unmounted.mountctl),
            str(unmounted.path),
            str(unmounted.mnt),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.PIPE,
    )
    assert done.returncode == FAILED, done
    assert "/dev/fuse" in done.stderr


def test_a_stale_mount_point_is_healed(repo):
    (repo.branch() / "f").write_bytes(b"x")
    commit = repo.commit("one")
    repo.kill9()
    with pytest.raises(OSError) as gone:
        os.listdir(repo.mnt)
    # The first request after the end may be told that it was aborted.
    assert gone.value.errno in (errno.ENOTCONN, errno.ECONNABORTED)
    repo.mount()
    assert (repo.at(commit) / "f").read_bytes() == b"x"


# Names and arguments.


def test_unknown_revisions(repo):
    (repo.branch() / "f").write_bytes(b"x")
    repo.commit("one")
    for name in ("nosuch", "main~99", "@@", "ffffffffffff", "main@{not.a.time}", ""):
        for args in (
            ["show", "-r", repo.path, name],
            ["export", "-r", repo.path, name, repo.root / "out"],
            ["branch", "-r", repo.path, "new", "--from", name],
            ["tag", "-r", repo.path, "t", name],
        ):
            done = repo.command(*args, status=None)
            assert done.returncode in (FAILED, USAGE if name == "" else FAILED), (args, done)
            assert name in done.stderr, done.stderr
    fails(repo, "show", "-r", repo.path, "main:absent/path", status=FAILED, names=["absent/path"])
    assert not (repo.root / "out").exists()
    assert [line for line in repo.ctl("branch").stdout.split() if line not in "*"] == ["main"]


def test_an_ambiguous_prefix(make_repo):
    """Enough commits for two ids that share four digits."""
    repo = make_repo("--capture", "close", "--settle", "3600")
    pairs, made = [], 0
    while not pairs:
        for _ in range(100):
            (repo.branch() / "f").write_bytes(b"%d" % made)
            made += 1
        repo.quiet()
        seen = {}
        for commit in repo.commits():
            seen.setdefault(commit["id"][:4], []).append(commit["id"])
        pairs = [(prefix, ids) for prefix, ids in seen.items() if len(ids) > 1]
        assert made < 2000
    prefix, ids = pairs[0]
    told = fails(repo, "show", "-r", repo.path, prefix, status=FAILED, names=[prefix])
    assert "ambiguous" in told
    assert any(i[:8] in told for i in ids), "names the candidates"
    with pytest.raises(FileNotFoundError):
        os.stat(repo.mnt / f"@{prefix}")
    repo.ctl("show", ids[0])
    repo.ctl("show", next(c["id"] for c in repo.commits() if len(seen[c["id"][:4]]) == 1)[:4])


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "a/b",
        "@x",
        "-x",
        ".weightfs",
        "with~tilde",
        "a" * 256,
        "new\nline",
        "x.lock@{1}",
    ],
)
def test_names_that_no_branch_or_tag_can_have(unmounted, scratch, name):
    (scratch / "f").write_bytes(b"x")
    unmounted.ctl("import", scratch, "-m", "something")
    for verb in ("branch", "tag"):
        done = unmounted.ctl(verb, "--", name, status=None)
        assert done.returncode in (FAILED, USAGE), (verb, name, done)
        assert done.stderr.strip()


@pytest.mark.parametrize(
    "args",
    [
        ["nosuchverb"],
        ["log", "--nosuchoption"],
        ["commit"],
        ["mount"],
        ["mount", "one"],
        ["init", "a", "b"],
        ["mount", "a", "b", "--capture", "sometimes"],
        ["mount", "a", "b", "--settle", "-1"],
        ["log", "-n", "many"],
    ],
    ids=" ".join,
)
def test_usage_errors(unmounted, args, scratch):
    fails(unmounted, *args, status=USAGE, cwd=scratch)


VERBS = (
    "init mount umount status commit log show branch tag check rebuild import export stats "
    "explain doctor version"
).split()


def test_every_verb_has_help_with_an_example(unmounted):
    told = unmounted.command("--help").stdout
    for verb in VERBS:
        assert verb in told
        assert f"mountctl {verb}" in unmounted.command(verb, "--help").stdout, verb


def test_import_of_a_missing_folder_and_export_over_something(unmounted, scratch):
    fails(
        unmounted,
        "import",
        "-r",
        unmounted.path,
        scratch / "absent",
        status=FAILED,
        names=[scratch / "absent"],
    )
    (scratch / "f").write_bytes(b"x")
    unmounted.ctl("import", scratch, "-m", "something")
    (scratch / "full").mkdir()
    (scratch / "full/mine").write_text("mine")
    fails(
        unmounted,
        "export",
        "-r",
        unmounted.path,
        "main",
        scratch / "full",
        status=FAILED,
        names=[scratch / "full"],
    )
    assert os.listdir(scratch / "full") == ["mine"]


@pytest.mark.parametrize("damage", ["cut short", "bad header length", "bad json", "not a zip"])
def test_a_broken_model_file_is_stored_as_it_is(repo, damage):
    good = (32).to_bytes(8, "little") + b'{"w":{"dtype":"F32","shape":[1]}'
    name, data = {
        "cut short": ("m.safetensors", good[:20]),
        "bad header length": ("m.safetensors", (1 << 60).to_bytes(8, "little") + b"{}"),
        "bad json": ("m.safetensors", good + bytes(4)),
        "not a zip": ("m.bin", b"PK\x03\x04" + random.Random(1).randbytes(5000)),
    }[damage]
    (repo.branch() / name).write_bytes(data)
    committed = repo.at(repo.commit("a broken file")) / name
    repo.quiet()
    assert committed.read_bytes() == data
    repo.ctl("explain", committed)


# A full disk.


@pytest.fixture
def small_disk(scratch):
    """A disk of 48 MiB."""
    disk = scratch / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m,mode=700", "none", disk], check=True)
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


@root_only
def test_a_full_disk_is_told_to_the_writer_and_loses_nothing(small_disk, make_repo):
    repo = make_repo(root=small_disk)
    data = random.Random(1).randbytes(4 << 20)
    (repo.branch() / "first.bin").write_bytes(data)
    first = repo.commit("fits")
    repo.quiet()

    fd = os.open(repo.branch() / "too-big", os.O_CREAT | os.O_WRONLY)
    with pytest.raises(OSError) as full:  # before the close
        for n in range(80):
            os.write(fd, random.Random(n).randbytes(1 << 20))
        os.fsync(fd)
    assert full.value.errno == errno.ENOSPC
    try:
        os.close(fd)
    except OSError as error:
        assert error.errno == errno.ENOSPC

    assert (repo.at(first) / "first.bin").read_bytes() == data
    assert (repo.branch() / "first.bin").read_bytes() == data
    space = os.statvfs(repo.mnt)
    assert space.f_bavail * space.f_frsize < 48 << 20
    os.truncate(repo.branch() / "too-big", 0)
    os.unlink(repo.branch() / "too-big")
    (repo.branch() / "second.bin").write_bytes(data[::-1])
    second = repo.commit("goes on")
    repo.quiet()
    repo.remount()
    assert (repo.at(first) / "first.bin").read_bytes() == data
    assert (repo.at(second) / "second.bin").read_bytes() == data[::-1]


@root_only
def test_a_disk_full_to_the_last_byte_still_mounts_and_reads(small_disk, make_repo):
    repo = make_repo(root=small_disk)
    data = random.Random(1).randbytes(4 << 20)
    (repo.branch() / "first.bin").write_bytes(data)
    first = repo.commit("fits")
    repo.quiet()
    filler = small_disk / "filler"
    with pytest.raises(OSError), open(filler, "wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 16))
    assert (repo.at(first) / "first.bin").read_bytes() == data
    with pytest.raises(OSError) as full:
        (repo.branch() / "more").write_bytes(data)
    assert full.value.errno == errno.ENOSPC
    filler.unlink()
    (repo.branch() / "more").write_bytes(data)
    commit = repo.commit("space again")
    assert (repo.at(commit) / "more").read_bytes() == data
    shutil.rmtree(repo.path / "cache", ignore_errors=True)
    assert (repo.at(first) / "first.bin").read_bytes() == data
