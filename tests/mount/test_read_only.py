"""A mount of commits only, beside the one that writes."""

import contextlib
import errno
import json
import mmap
import os
import re
import signal
import subprocess
import sys

import pytest
import repository as wfs

# Reads all files of the current folder, and again after a line of standard input.
READ_TWICE = """
import os, sys
def read_all():
    for name in sorted(os.listdir(".")):
        fd = os.open(name, os.O_RDONLY)
        assert os.read(fd, 100) == name.encode()
        os.close(fd)
read_all()
print("once", flush=True)
sys.stdin.readline()
read_all()
print("twice", flush=True)
"""


@contextlib.contextmanager
def read_only(repo, name="history"):
    """The repository's commits, mounted; gives the folder and the process that serves it."""
    top = repo.root / name
    top.mkdir()
    repo.command("mount", "--read-only", repo.path, top)
    pid = int(re.search(r"^process\s+(\d+)", (top / ".weightfs/status").read_text(), re.M)[1])
    try:
        yield top, pid
    finally:
        repo.command("umount", top)
        wfs.wait_until(lambda: not wfs.alive(pid), "the process that showed commits has ended")


def committed(repo, texts, message="files"):
    """The id of a commit of these files."""
    for name, text in texts.items():
        path = repo.branch() / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
    return repo.commit(message)


def refused(call):
    with pytest.raises(OSError) as refusal:
        call()
    return refusal.value.errno


def test_it_shows_commits_tags_and_nothing_else(repo):
    first = committed(repo, {"a/f": b"one"})
    repo.ctl("tag", "v1", first)
    second = committed(repo, {"a/f": b"two"})
    with read_only(repo) as (top, _):
        shown = {f"@{first[:12]}", f"@{second[:12]}", "@latest", "@main", "@v1", ".weightfs"}
        assert set(os.listdir(top)) == shown
        assert os.readlink(top / "@v1") == f"@{first[:12]}"
        assert (top / "@v1/a/f").read_bytes() == b"one"
        assert (top / "@main/a/f").read_bytes() == b"two"
        assert (top / "@main~1/a/f").read_bytes() == b"one"
        assert not (top / "main").exists()
        wfs.assert_same_tree(top / "@main", repo.at(second))


def test_new_commits_appear_in_it(repo):
    committed(repo, {"f": b"one"})
    with read_only(repo) as (top, _):
        assert (top / "@main/f").read_bytes() == b"one"
        before = set(os.listdir(top))
        for k in range(3):
            text = b"more" * (k + 1)
            made = committed(repo, {"f": text})
            assert (top / "@main/f").read_bytes() == text
            assert (top / f"@{made[:12]}/f").read_bytes() == text
            wfs.wait_until(lambda: f"@{made[:12]}" in os.listdir(top), "a listing shows it", 5)
        repo.ctl("tag", "v9", made)
        assert (top / "@v9/f").read_bytes() == text
        wfs.wait_until(lambda: "@v9" in os.listdir(top), "a listing shows the tag", 5)
        assert before < set(os.listdir(top))
        assert "main" not in os.listdir(top)


def test_every_change_is_refused(repo):
    committed(repo, {"a/f": b"one", "g": b"two"})
    with read_only(repo) as (top, _):
        file, folder = top / "@main/a/f", top / "@main/a"
        calls = {
            "open for writing": lambda: os.open(file, os.O_WRONLY),
            "open for both": lambda: os.open(file, os.O_RDWR),
            "truncating open": lambda: os.open(file, os.O_RDONLY | os.O_TRUNC),
            "create": lambda: os.open(folder / "new", os.O_CREAT | os.O_WRONLY),
            "create at the top": lambda: os.open(top / "new", os.O_CREAT | os.O_WRONLY),
            "truncate": lambda: os.truncate(file, 0),
            "mkdir": lambda: os.mkdir(folder / "new"),
            "mkdir at the top": lambda: os.mkdir(top / "branch"),
            "mknod": lambda: os.mknod(folder / "new"),
            "symlink": lambda: os.symlink("x", folder / "new"),
            "link": lambda: os.link(file, folder / "new"),
            "unlink": lambda: os.unlink(file),
            "rmdir": lambda: os.rmdir(folder),
            "rename": lambda: os.rename(file, folder / "new"),
            "chmod": lambda: os.chmod(file, 0o600),
            "chown": lambda: os.chown(file, 0, 0),
            "utime": lambda: os.utime(file),
            "setxattr": lambda: os.setxattr(file, "user.x", b"y"),
            "removexattr": lambda: os.removexattr(file, "user.x"),
            "generated file": lambda: os.open(top / ".weightfs/status", os.O_WRONLY),
        }
        assert {what: refused(call) for what, call in calls.items()} == {
            what: errno.EROFS for what in calls
        }
        assert not os.access(file, os.W_OK)


def test_any_number_of_them_beside_the_writer(repo):
    committed(repo, {"f": b"one"})
    with read_only(repo, "first") as (first, _), read_only(repo, "second") as (second, _):
        committed(repo, {"f": b"two"})
        assert (first / "@main/f").read_bytes() == (second / "@main/f").read_bytes() == b"two"
    assert (repo.branch() / "f").read_bytes() == b"two"
    with read_only(repo, "third") as (third, _):
        repo.remount()  # neither waits for the other
        committed(repo, {"f": b"three"})
        assert (third / "@main/f").read_bytes() == b"three"


def test_it_needs_no_writer(repo):
    committed(repo, {"f": b"one"})
    repo.umount()
    with read_only(repo) as (top, _):
        assert (top / "@main/f").read_bytes() == b"one"
        assert repo.ctl("log", "--json").returncode == 0
        done = repo.command("log", "--json", cwd=top)
        assert json.loads(done.stdout.splitlines()[0])["branch"] == "main"


def test_the_kernel_opens_without_asking(repo):
    """What the kernel knows is opened and read while the daemon stands still."""
    names = [f"f{k}" for k in range(3)]
    committed(repo, {name: name.encode() for name in names})
    with read_only(repo) as (top, pid):
        reader = subprocess.Popen(
            [sys.executable, "-c", READ_TWICE],
            cwd=top / f"@{repo.tip()[:12]}",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert reader.stdout.readline() == "once\n"
        os.kill(pid, signal.SIGSTOP)
        try:
            told, _ = reader.communicate("go\n", timeout=10 * wfs.SLOW)
            assert told == "twice\n"
        finally:
            os.kill(pid, signal.SIGCONT)
            reader.wait()


def test_more_files_at_once_than_are_remembered(repo, rng):
    size = 300_000
    texts = {f"d/f{k:03}": rng.randbytes(size) for k in range(200)}
    made = committed(repo, texts)
    repo.quiet()
    with read_only(repo) as (top, _):
        files = {name: open(top / f"@{made[:12]}" / name, "rb", 0) for name in texts}
        for _ in range(600):
            name = rng.choice(list(texts))
            at = rng.randrange(size)
            assert os.pread(files[name].fileno(), 5000, at) == texts[name][at : at + 5000]
        for name, file in files.items():
            file.close()
            assert (top / f"@{made[:12]}" / name).read_bytes() == texts[name]


def test_a_large_file_is_read_and_mapped(repo, rng):
    text = rng.randbytes(24 << 20)
    made = committed(repo, {"large": text})
    with read_only(repo) as (top, _):  # first from staging, or just packed
        path = top / f"@{made[:12]}/large"
        assert path.read_bytes() == text
    repo.quiet()
    with read_only(repo, "again") as (top, _):
        path = top / f"@{made[:12]}/large"
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
            for _ in range(200):
                at = rng.randrange(len(text))
                assert mapped[at : at + 9000] == text[at : at + 9000]
            assert os.lseek(file.fileno(), 0, os.SEEK_HOLE) == len(text)
        assert path.read_bytes() == text


def test_long_listings_are_whole_for_readers_together(repo):
    names = {f"a-rather-long-name-{k:05}" for k in range(3000)}
    made = committed(repo, {f"d/{name}": b"" for name in names})
    with read_only(repo) as (top, _):
        folder = top / f"@{made[:12]}/d"
        seen = [[], []]
        with os.scandir(folder) as one, os.scandir(folder) as other:
            for a in one:
                seen[0].append(a.name)
                seen[1] += [b.name for _, b in zip(range(2), other)]
        assert sorted(seen[0]) == sorted(seen[1]) == sorted(names)
        for _ in range(2):
            assert {e.name for e in os.scandir(folder) if e.stat().st_size == 0} == names


def test_generated_files_have_their_size_and_follow(repo):
    committed(repo, {"f": b"one"})
    with read_only(repo) as (top, _):
        log = top / ".weightfs/log.json"
        for k in range(3):
            made = committed(repo, {"f": b"x" * k}, f"change {k}")
            wfs.wait_until(lambda: made in log.read_text(), "the log tells of it", 5)
            # Looked at in one go: a second later it may be another text.
            for _ in range(20):
                size, text = log.stat().st_size, log.read_bytes()
                if size == len(text):
                    break
            assert size == len(text) and len(text.splitlines()) == k + 2
        assert (top / ".weightfs/repository").read_text() == f"{repo.path}\n"


def test_what_mount_and_umount_say(repo):
    committed(repo, {"f": b"one"})
    done = repo.command("mount", "--read-only", "--settle", "1", repo.path, repo.mnt, status=2)
    assert "--settle" in done.stderr
    done = repo.command("mount", "--read-only", repo.path, repo.mnt, status=None)
    assert done.returncode == 1 and "with its branches" in done.stderr
    with read_only(repo) as (top, _):
        done = repo.command("mount", "--read-only", repo.path, top)
        assert "already" in done.stdout + done.stderr
        done = repo.command("mount", repo.path, top, status=None)
        assert done.returncode == 1 and "read-only" in done.stderr
        assert "commits only" in (top / ".weightfs/status").read_text()


def test_a_killed_one_is_healed(repo):
    committed(repo, {"f": b"one"})
    with read_only(repo) as (top, pid):
        os.kill(pid, signal.SIGKILL)
        wfs.wait_until(lambda: not wfs.alive(pid), "it is gone")
        # A call that was under way when the daemon went is told ECONNABORTED.
        ends = lambda: refused(lambda: os.listdir(top)) == errno.ENOTCONN
        wfs.wait_until(ends, "calls are told that nobody answers")
        repo.command("mount", "--read-only", repo.path, top)
        assert (top / "@main/f").read_bytes() == b"one"


# What the kernel keeps of working folders.


def test_names_are_seen_at_once_however_they_change(repo):
    """Absent names and listings of a branch are kept by the kernel."""
    folder = repo.branch() / "d"
    folder.mkdir()

    def check(*names):
        assert sorted(os.listdir(folder)) == sorted(names)
        for name in ("a", "b", "c"):
            assert (folder / name).exists() == (name in names)

    check()
    wfs.run("touch", folder / "a")
    check("a")
    wfs.run("ln", folder / "a", folder / "b")
    check("a", "b")
    assert (folder / "a").stat().st_nlink == 2
    wfs.run("mv", folder / "a", folder / "c")
    check("b", "c")
    wfs.run("mkdir", folder / "a")
    assert {e.name: e.is_dir() for e in os.scandir(folder)}["a"]
    wfs.run("rm", "-r", folder)
    assert not folder.exists()
    folder.mkdir()
    check()


def test_a_folder_is_emptied_while_others_list_it(repo):
    """A reader goes on where it was, although others make the kernel read the folder anew."""
    folder = repo.branch() / "d"
    folder.mkdir()
    names = {f"a-rather-long-name-{k:05}" for k in range(2000)}
    for name in names:
        (folder / name).touch()
    os.listdir(folder)  # the kernel has it now
    seen = []
    with os.scandir(folder) as entries:
        for entry in entries:
            seen.append(entry.name)
            os.unlink(entry.path)
            if len(seen) % 50 == 0:
                assert len(os.listdir(folder)) == len(names) - len(seen)
    assert set(seen) == names and len(seen) == len(names)
    assert os.listdir(folder) == []


def test_a_revision_appears_where_it_was_absent(repo):
    made = committed(repo, {"f": b"one"})
    path = repo.branch() / "f@v7"
    assert not path.exists()
    repo.ctl("tag", "v7", made)
    assert path.read_bytes() == b"one"


def test_a_deleted_branch_takes_what_the_kernel_kept_along(repo):
    (repo.mnt / "exp").mkdir()
    for k in range(3):
        (repo.mnt / f"exp/f{k}").write_text(str(k))
    assert len(os.listdir(repo.mnt / "exp")) == 3
    repo.ctl("branch", "-d", "exp")
    wfs.wait_until(lambda: not (repo.mnt / "exp/f0").exists(), "its files are gone", 5)
    (repo.mnt / "exp2").mkdir()
    assert os.listdir(repo.mnt / "exp2") == []
    (repo.mnt / "exp").mkdir()
    assert os.listdir(repo.mnt / "exp") == [] and not (repo.mnt / "exp/f0").exists()
