"""The everyday tools, on a real mount; what was captured is compared byte for byte."""

import os
import sqlite3
import stat

import pytest
import repository as wfs


@pytest.fixture
def source(scratch):
    """A folder with something of everything."""
    import random

    top = scratch / "source"
    (top / "sub/deep").mkdir(parents=True)
    (top / "empty-folder").mkdir()
    for name, size in (
        ("weights.bin", 3_000_001),
        ("small.txt", 20),
        ("empty", 0),
        ("sub/deep/x", 70_000),
    ):
        (top / name).write_bytes(random.Random(name).randbytes(size))
    os.chmod(top / "small.txt", 0o755)
    os.symlink("small.txt", top / "link")
    os.symlink("/absent", top / "dangling")
    os.link(top / "small.txt", top / "hard")
    os.setxattr(top / "weights.bin", "user.note", b"kept")
    for n, path in enumerate(sorted(top.rglob("*"))):
        os.utime(path, ns=(n * 1_000_000_007, 1_600_000_000_123_456_789 + n), follow_symlinks=False)
    return top


def committed(repo, name):
    return repo.at(repo.commit(f"after {name}")) / name


def assert_same_metadata(a, b):
    for name in wfs.listing(a):
        x, y = (a / name).lstat(), (b / name).lstat()
        assert x.st_mtime_ns == y.st_mtime_ns, name
        assert stat.S_IMODE(x.st_mode) == stat.S_IMODE(y.st_mode), name


def test_cp_archive(repo, source):
    target = repo.branch() / "copy"
    wfs.run("cp", "-a", source, target)
    wfs.assert_same_tree(source, target)
    assert_same_metadata(source, target)
    assert os.getxattr(target / "weights.bin", "user.note") == b"kept"
    assert (target / "hard").stat().st_ino == (target / "small.txt").stat().st_ino
    wfs.assert_same_tree(source, committed(repo, "copy"))
    wfs.run("cp", "-a", target, repo.branch() / "within")
    wfs.assert_same_tree(source, committed(repo, "within"))


def test_cp_out_of_a_commit(repo, source, scratch):
    wfs.run("cp", "-r", source, repo.branch() / "copy")
    wfs.run("cp", "-a", committed(repo, "copy"), scratch / "out")
    wfs.assert_same_tree(source, scratch / "out")


def test_mv(repo, source, scratch):
    wfs.copy_plain(source, scratch / "kept")
    wfs.run("mv", source, repo.branch() / "moved")
    assert not source.exists()
    wfs.assert_same_tree(scratch / "kept", repo.branch() / "moved")
    wfs.run("mv", repo.branch() / "moved", repo.branch() / "again")
    wfs.run("mv", "-n", repo.branch() / "again/weights.bin", repo.branch() / "again/renamed.bin")
    wfs.run("mv", scratch / "kept/weights.bin", scratch / "kept/renamed.bin")
    wfs.assert_same_tree(scratch / "kept", committed(repo, "again"))


@pytest.mark.parametrize(
    "options", [[], ["--inplace"], ["--inplace", "--no-whole-file"], ["--sparse"]], ids=" ".join
)
def test_rsync(repo, source, options):
    target = repo.branch() / "copy"
    wfs.run("rsync", "-aHX", *options, f"{source}/", f"{target}/")
    wfs.assert_same_tree(source, target)
    assert_same_metadata(source, target)
    first = committed(repo, "copy")
    with open(
        source / "weights.bin", "r+b"
    ) as file:  # a few bytes change, the rest is sent as a delta
        file.seek(1_500_000)
        file.write(b"changed in the middle")
    os.unlink(source / "sub/deep/x")
    wfs.run("rsync", "-aHX", "--delete", "--checksum", *options, f"{source}/", f"{target}/")
    wfs.assert_same_tree(source, committed(repo, "copy"))
    assert (first / "sub/deep/x").exists()
    assert wfs.run("rsync", "-aHXni", "--delete", f"{source}/", f"{target}/").stdout == ""


def test_tar(repo, source, scratch):
    wfs.run("tar", "-C", source.parent, "-cf", scratch / "a.tar", "source")
    for _ in range(2):  # the second time over what is there
        wfs.run("tar", "-C", repo.branch(), "-xf", scratch / "a.tar")
    wfs.assert_same_tree(source, repo.branch() / "source")
    top = committed(repo, "source")
    wfs.assert_same_tree(source, top)
    wfs.run(
        "tar", "-C", top.parent, "-cSf", scratch / "back.tar", "source"
    )  # -S believes st_blocks
    (scratch / "back").mkdir()
    wfs.run("tar", "-C", scratch / "back", "-xf", scratch / "back.tar")
    wfs.assert_same_tree(source, scratch / "back/source")


def test_git(repo, scratch):
    identity = {
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@example.org",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@example.org",
        "GIT_CONFIG_GLOBAL": "/dev/null",
    }

    def git(*args, cwd):
        return wfs.run("git", *args, cwd=cwd, env=identity).stdout

    origin = scratch / "origin"
    origin.mkdir()
    git("init", "-q", cwd=origin)
    for n in range(8):
        (origin / f"file-{n}").write_text("line\n" * (n * 200))
        (origin / "changing").write_text("text\n" * 500 + str(n))
        git("add", "-A", cwd=origin)
        git("commit", "-qm", f"commit {n}", cwd=origin)
    clone = repo.branch() / "clone"
    git("clone", "-q", "--no-local", origin, clone, cwd=scratch)
    (clone / "new").write_text("on the mount")
    git("add", "-A", cwd=clone)
    git("commit", "-qm", "on the mount", cwd=clone)
    git("gc", "-q", "--aggressive", "--prune=now", cwd=clone)
    git("fsck", "--strict", cwd=clone)
    assert git("status", "--porcelain", cwd=clone) == ""
    assert len(git("log", "--oneline", cwd=clone).splitlines()) == 9
    top = committed(repo, "clone")
    wfs.copy_plain(top, scratch / "out")
    wfs.run("chmod", "-R", "u+w", scratch / "out")
    git("fsck", "--strict", cwd=scratch / "out")
    assert git("rev-parse", "HEAD", cwd=scratch / "out") == git("rev-parse", "HEAD", cwd=clone)
    git("checkout", "-q", "HEAD~3", cwd=clone)
    assert not (clone / "new").exists()


def test_sqlite_in_wal_mode(repo, scratch):
    path = repo.branch() / "db.sqlite"
    writer = sqlite3.connect(path, isolation_level=None)
    assert writer.execute("PRAGMA journal_mode=WAL").fetchone() == ("wal",)
    writer.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, data BLOB)")
    reader = sqlite3.connect(path)
    for batch in range(20):
        writer.execute("BEGIN")
        writer.executemany(
            "INSERT INTO t (data) VALUES (?)", [(bytes([batch]) * 3000,) for _ in range(20)]
        )
        writer.execute("COMMIT")
        assert reader.execute("SELECT count(*) FROM t").fetchone() == ((batch + 1) * 20,)
    writer.execute("DELETE FROM t WHERE id % 3 = 0")
    writer.execute("VACUUM")
    assert writer.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    expected = writer.execute("SELECT id, data FROM t ORDER BY id").fetchall()
    reader.close()
    writer.close()
    top = repo.at(repo.commit("a database"))
    wfs.run("cp", top / "db.sqlite", scratch / "db.sqlite")
    wfs.assert_same_bytes(path, scratch / "db.sqlite")
    copy = sqlite3.connect(scratch / "db.sqlite")
    assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert copy.execute("SELECT id, data FROM t ORDER BY id").fetchall() == expected
    copy.close()


def test_shell_habits(repo, scratch):
    """What people type: redirect, append, edit in place, find, du, diff, sort onto itself."""
    main = repo.branch()
    wfs.run(
        "sh",
        "-ec",
        """
        echo one > log; echo two >> log; sed -i s/one/1/ log
        mkdir -p a/b && touch a/b/c && find . -name c -exec cp {} a/ \\;
        sort -r log -o log; tee copy < log > /dev/null; dd if=log of=dd bs=1 seek=3 status=none
        ln -sf log s; ln -sfn copy s; install -m 600 log installed; truncate -s 10 sized; rm -rf a/b
    """,
        cwd=main,
    )
    assert (main / "log").read_text() == "two\n1\n"
    top = repo.at(repo.commit("habits"))
    assert wfs.run("diff", "-r", main, top).stdout == ""
    assert sorted(os.listdir(top)) == ["a", "copy", "dd", "installed", "log", "s", "sized"]
    wfs.run("du", "-s", top)
    wfs.run("rm", "-rf", *[main / n for n in os.listdir(main)])
    assert os.listdir(main) == []
