"""What the mount shows: branches, commits, tags, revisions of files and folders, generated files."""

import errno
import json
import os
import stat
import time

import pytest
import repository as wfs


@pytest.fixture(scope="module")
def history(shared):
    """Four commits on main, a tag on the second: [oldest .. newest] ids."""
    main = shared.branch("main")
    ids = []
    for n in range(4):
        (main / "sub").mkdir(exist_ok=True)
        (main / "f").write_bytes(b"contents %d" % n)
        (main / "sub/g").write_bytes(b"g %d" % n)
        (main / f"only{n}").write_bytes(b"x")
        ids.append(shared.commit(f"commit {n}"))
        time.sleep(0.02)  # so that commit times differ
    shared.ctl("tag", "v1", ids[1])
    return ids


def test_top_folder_lists_branches_commits_and_tags(shared, history):
    names = os.listdir(shared.mnt)
    assert {"main", "@latest", "@v1", ".weightfs"} <= set(names)
    assert {f"@{i[:12]}" for i in history} <= set(names)
    assert len(names) == len(set(names))


def test_commits_are_listed_newest_first_by_time(shared, history):
    names = wfs.run("ls", "-t", shared.mnt).stdout.split()
    shown = [n for n in names if n in {f"@{i[:12]}" for i in history}]
    assert shown == [f"@{i[:12]}" for i in reversed(history)]


def test_only_the_newest_commits_are_listed_and_all_are_found(repo, monkeypatch):
    ids = []
    for n in range(4):
        (repo.branch() / "f").write_bytes(b"contents %d" % n)
        ids.append(repo.commit(f"commit {n}"))
    monkeypatch.setenv("WEIGHTFS_LISTED_COMMITS", "2")
    repo.remount()
    listed = {name for name in os.listdir(repo.mnt) if name.startswith("@")}
    assert listed == {"@latest", f"@{ids[2][:12]}", f"@{ids[3][:12]}"}
    assert os.readlink(repo.mnt / "@latest") == f"@{ids[3][:12]}"
    for n, commit in enumerate(ids):
        assert (repo.at(commit) / "f").read_bytes() == b"contents %d" % n


def test_commit_folder_time_is_the_commit_time(shared, history):
    commit = next(c for c in shared.commits("main") if c["id"] == history[0])
    at = os.stat(shared.at(history[0])).st_mtime
    if isinstance(commit["time"], (int, float)):
        assert abs(at - commit["time"]) < 1.5
    else:
        import datetime

        told = datetime.datetime.fromisoformat(commit["time"].replace("Z", "+00:00"))
        assert abs(at - told.timestamp()) < 1.5


def test_each_commit_shows_its_own_bytes(shared, history):
    for n, commit in enumerate(history):
        assert (shared.at(commit) / "f").read_bytes() == b"contents %d" % n
        assert (shared.at(commit) / "sub/g").read_bytes() == b"g %d" % n
        assert sorted(os.listdir(shared.at(commit))) == sorted(
            ["f", "sub"] + [f"only{i}" for i in range(n + 1)]
        )


def test_commits_are_read_only_for_everyone(shared, history):
    top = shared.at(history[-1])
    assert stat.S_IMODE((top / "f").stat().st_mode) == 0o444
    assert stat.S_IMODE(top.stat().st_mode) & 0o222 == 0
    assert stat.S_IMODE((top / "sub").stat().st_mode) == 0o555


def test_modes_in_commits_are_repaired(shared):
    main = shared.branch("main")
    for name, mode in (("private", 0o600), ("program", 0o700), ("plain", 0o664)):
        (main / name).write_bytes(name.encode())
        os.chmod(main / name, mode)
    top = shared.at(shared.commit("modes"))
    assert stat.S_IMODE((top / "private").stat().st_mode) == 0o444
    assert stat.S_IMODE((top / "program").stat().st_mode) == 0o555
    assert stat.S_IMODE((top / "plain").stat().st_mode) == 0o444
    assert (
        stat.S_IMODE((main / "private").stat().st_mode) == 0o600
    ), "working folders keep modes as set"


def test_latest_is_a_symlink_to_the_newest_commit(shared, history):
    tip = shared.tip()
    assert os.readlink(shared.mnt / "@latest").rstrip("/") == f"@{tip[:12]}"
    (shared.branch("main") / "f").write_bytes(b"moved on")
    new = shared.commit("moves @latest")
    assert os.readlink(shared.mnt / "@latest").rstrip("/") == f"@{new[:12]}"
    assert (shared.mnt / "@latest/f").read_bytes() == b"moved on"


@pytest.mark.parametrize(
    "form", ["{id}", "{id12}", "{id6}", "v1", "main~{back}", "v1~0", "{last}~2", "{last}^^"]
)
def test_every_form_of_a_revision_is_found(shared, history, form):
    wanted = history[1]
    back = [c["id"] for c in shared.commits("main")].index(wanted)
    name = form.format(id=wanted, id12=wanted[:12], id6=wanted[:8], back=back, last=history[3][:12])
    assert (shared.mnt / f"@{name}" / "f").read_bytes() == b"contents 1"


def test_moving_names_are_symlinks_to_the_canonical_folder(shared, history):
    name = shared.mnt / "@main~1"
    assert name.is_symlink()
    expected = [c["id"] for c in shared.commits("main")][1]
    assert os.readlink(name).rstrip("/") == f"@{expected[:12]}"
    assert not shared.at(history[0]).is_symlink()


def test_revisions_by_time(shared, history):
    assert (shared.mnt / "@main@{0.seconds.ago}").exists()
    with pytest.raises(FileNotFoundError):
        os.stat(shared.mnt / "@main@{1990-01-01T00:00}")


@pytest.mark.parametrize(
    "name",
    [
        "@nosuch",
        "@main~9999",
        "@",
        "@@",
        "@~",
        "@main~x",
        "@v1@v1@v1",
        "@ffffffffffffffff",
        "nosuchbranch",
    ],
)
def test_names_that_are_no_revision_do_not_exist(shared, history, name):
    with pytest.raises(FileNotFoundError):
        os.stat(shared.mnt / name)


def test_file_at_a_revision(shared, history):
    main = shared.branch("main")
    assert (main / "f@v1").read_bytes() == b"contents 1"
    assert (main / f"f@{history[0][:12]}").read_bytes() == b"contents 0"
    assert (main / "sub/g@v1").read_bytes() == b"g 1"
    with pytest.raises(FileNotFoundError):
        (main / "only3@v1").read_bytes()
    with pytest.raises(FileNotFoundError):
        (main / "f@nosuch").read_bytes()


def test_folder_at_a_revision(shared, history):
    main = shared.branch("main")
    assert (main / "sub@v1/g").read_bytes() == b"g 1"
    assert (shared.mnt / "main@v1/sub/g").read_bytes() == b"g 1"
    assert sorted(os.listdir(main / "sub@v1")) == ["g"]


def test_history_is_never_listed(shared, history):
    """rm -r, rsync, du and globs walk what readdir shows."""
    main = shared.branch("main")
    for probe in ("f@v1", "sub@v1"):
        os.stat(main / probe)
    os.stat(shared.mnt / "@main~1")
    assert not [n for n in os.listdir(main) + os.listdir(main / "sub") if "@" in n]
    assert "@main~1" not in os.listdir(shared.mnt)


def test_one_inode_whatever_the_name(shared, history):
    canonical = (shared.at(history[1]) / "f").stat()
    for name in (
        shared.mnt / "@v1/f",
        shared.branch("main") / "f@v1",
        shared.mnt / f"@{history[1]}/f",
        shared.mnt / f"@{history[3][:12]}~2/f",
    ):
        assert name.stat().st_ino == canonical.st_ino, name


def test_a_real_file_wins_over_a_revision(shared, history):
    """A name with an @ is an ordinary name when somebody makes it."""
    odd = shared.branch("main") / "user@v1"
    odd.write_bytes(b"a real file")
    assert odd.read_bytes() == b"a real file"
    assert "user@v1" in os.listdir(shared.branch("main"))
    os.unlink(odd)


def test_generated_files(shared, history):
    special = shared.mnt / ".weightfs"
    assert {"status", "stats.json", "log.json", "health"} <= set(os.listdir(special))
    assert (special / "status").read_text()
    assert json.loads((special / "stats.json").read_text())["commits"] >= 4
    lines = [json.loads(line) for line in (special / "log.json").read_text().splitlines()]
    assert {c["id"] for c in lines} >= set(history)
    (special / "health").read_text()
    with pytest.raises(OSError) as refused:
        (special / "new").write_text("x")
    assert refused.value.errno in (errno.EROFS, errno.EPERM, errno.EACCES)


def test_attributes_of_committed_files(shared, history):
    import hashlib

    f = shared.at(history[1]) / "f"
    assert (
        os.getxattr(f, "user.weightfs.sha256").decode() == hashlib.sha256(b"contents 1").hexdigest()
    )
    assert os.getxattr(f, "user.weightfs.commit").decode() == history[1]
    assert os.getxattr(shared.at(history[1]), "user.weightfs.commit").decode() == history[1]
    shared.quiet()
    assert int(os.getxattr(f, "user.weightfs.stored").decode()) >= 0
    assert {"user.weightfs.sha256", "user.weightfs.commit"} <= set(os.listxattr(f))
    with pytest.raises(OSError) as absent:
        os.getxattr(f, "user.weightfs.nosuch")
    assert absent.value.errno == errno.ENODATA


def test_tensors_attribute_names_the_tensors(shared):
    np = pytest.importorskip("numpy")
    numpy_file = pytest.importorskip("safetensors.numpy")
    path = shared.branch("main") / "tiny.safetensors"
    numpy_file.save_file({"layer.weight": np.arange(12, dtype=np.float32).reshape(3, 4)}, path)
    committed = shared.at(shared.commit("tensors")) / "tiny.safetensors"
    shared.quiet()
    text = os.getxattr(committed, "user.weightfs.tensors").decode()
    assert "layer.weight" in text or text.split()[0] == "1"


def test_blocks_in_commits_are_of_the_logical_size(shared):
    """tar -S believes st_blocks: zero blocks would make a hole of a file full of data."""
    (shared.branch("main") / "zeros").write_bytes(bytes(1 << 20))
    f = shared.at(shared.commit("zeros")) / "zeros"
    shared.quiet()
    assert f.stat().st_blocks * 512 >= 1 << 20


def test_mkdir_makes_an_empty_branch(shared, history):
    (shared.mnt / "exp1").mkdir()
    assert os.listdir(shared.mnt / "exp1") == []
    (shared.mnt / "exp1/f").write_bytes(b"on exp1")
    commit = shared.commit("first on exp1", branch="exp1")
    assert (shared.at(commit) / "f").read_bytes() == b"on exp1"
    assert shared.commits("exp1")[0]["parents"] == []
    assert "exp1" in shared.ctl("branch").stdout


def test_branch_from_another_is_a_copy(shared, history):
    shared.ctl("branch", "copy", "--from", history[2])
    wfs.assert_same_tree(shared.mnt / "copy", shared.at(history[2]))
    (shared.mnt / "copy/f").write_bytes(b"only on copy")
    commit = shared.commit("changes copy", branch="copy")
    assert shared.commits("copy")[0]["parents"] == [history[2]]
    assert (shared.branch("main") / "f").read_bytes() != b"only on copy"
    assert (shared.at(commit) / "sub/g").read_bytes() == b"g 2"
    shared.ctl("branch", "--delete", "copy")
    assert "copy" not in os.listdir(shared.mnt)
    assert (shared.at(commit) / "f").read_bytes() == b"only on copy"


def test_only_folders_can_be_made_at_the_top(shared):
    with pytest.raises(OSError) as refused:
        (shared.mnt / "file").write_bytes(b"x")
    assert refused.value.errno in (errno.EPERM, errno.EROFS, errno.EACCES)
    with pytest.raises(OSError):
        (shared.mnt / "@name").mkdir()


def test_views_are_the_same_after_remounting(repo):
    main = repo.branch("main")
    (main / "d").mkdir()
    (main / "d/f").write_bytes(b"one")
    os.symlink("d/f", main / "l")
    first = repo.commit("one")
    (main / "d/f").write_bytes(b"two")
    os.utime(main / "d", ns=(5, 7_000_000_009))
    repo.commit("two")
    before = sorted(os.listdir(repo.mnt))
    repo.remount()
    assert sorted(os.listdir(repo.mnt)) == before
    assert (repo.at(first) / "d/f").read_bytes() == b"one"
    assert (main / "d/f").read_bytes() == b"two" and os.readlink(main / "l") == "d/f"
    assert (main / "d").stat().st_mtime_ns == 7_000_000_009


def test_show_and_verbs_find_the_repository_from_inside_the_mount(shared, history):
    done = shared.command("show", f"{history[1]}:f", cwd=shared.branch("main"))
    assert done.stdout == "contents 1"
    done = shared.command("log", "-n", "1", "--json", cwd=shared.path)
    assert len(done.stdout.splitlines()) == 1
    listing = shared.command("show", history[1], "--json", cwd=shared.mnt / "main/sub").stdout
    assert history[1] in listing
