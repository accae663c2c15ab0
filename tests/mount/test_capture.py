"""When a commit appears, and what it holds."""

import mmap
import os
import pathlib
import shutil
import subprocess
import sys
import time

import pytest
import repository as wfs

MODEL = 2 << 20  # bytes: from 1 MiB on a file counts as a model file


def model(seed):
    import random

    return random.Random(seed).randbytes(MODEL)


def versions(repo, path, branch="main"):
    """The distinct bytes a path had in history, newest first."""
    found = []
    for commit in repo.history(branch):
        file = repo.at(commit["id"]) / path
        if file.is_file():
            data = file.read_bytes()
            if not found or found[-1] != data:
                found.append(data)
    return found


def test_a_commit_appears_after_the_settle_time(repo):
    (repo.branch() / "f").write_bytes(b"hello")
    commit = repo.wait_for_change(None)
    assert (repo.at(commit["id"]) / "f").read_bytes() == b"hello"
    assert commit["branch"] == "main"
    assert commit["message"]
    assert abs(time.time() - os.stat(repo.at(commit["id"])).st_mtime) < 60


def test_several_files_in_quick_succession_are_one_commit(repo):
    for i in range(20):
        (repo.branch() / f"f{i}").write_bytes(b"x" * i)
    repo.wait_for_change(None)
    repo.quiet()
    assert len(repo.commits()) == 1
    assert len(os.listdir(repo.at(repo.tip()))) == 20


def test_nothing_changes_no_commit(repo):
    (repo.branch() / "f").write_bytes(b"x")
    first = repo.commit("first")
    (repo.branch() / "f").read_bytes()
    os.listdir(repo.branch())
    done = repo.ctl("commit", "-m", "nothing")
    assert done.stdout.strip() == first
    assert "nothing to commit" in done.stderr
    time.sleep(3 * wfs.SETTLE)
    assert [c["id"] for c in repo.commits()] == [first]


def test_commit_at_once_with_its_message(make_repo):
    repo = make_repo("--settle", "3600")
    (repo.branch() / "f").write_bytes(b"now")
    start = time.monotonic()
    commit = repo.commit("a message\nof two lines")
    assert time.monotonic() - start < 10 * wfs.SLOW
    assert len(commit) == 40
    told = repo.commits()[0]
    assert told["id"] == commit and told["message"] == "a message\nof two lines"
    assert told["parents"] == [] and told["author"]
    assert (repo.at(commit) / "f").read_bytes() == b"now"


def test_parents_form_a_chain(repo):
    ids = []
    for n in range(3):
        (repo.branch() / "f").write_bytes(b"%d" % n)
        ids.append(repo.commit(str(n)))
    assert [(c["id"], c["parents"]) for c in repo.commits()] == [
        (ids[2], [ids[1]]),
        (ids[1], [ids[0]]),
        (ids[0], []),
    ]


def test_manual_capture_waits_for_the_command(make_repo):
    repo = make_repo("--capture", "manual")
    (repo.branch() / "f").write_bytes(b"x")
    time.sleep(4 * wfs.SETTLE)
    assert repo.history() == []
    commit = repo.commit("by hand")
    assert (repo.at(commit) / "f").read_bytes() == b"x"


def test_close_capture_commits_each_close(make_repo):
    repo = make_repo("--capture", "close", "--settle", "3600")
    for n in range(3):
        (repo.branch() / "f").write_bytes(b"%d" % n)
        wfs.wait_until(lambda: len(repo.history()) >= n + 1, "the close has made a commit")
    assert versions(repo, "f") == [b"2", b"1", b"0"]


@pytest.mark.parametrize("name", [".tmpAb12", "model.incomplete", ".~lock.f#", ".model.bin.Xy12Qz"])
def test_temporary_names_are_never_versions(repo, name):
    (repo.branch() / name).write_bytes(model(1))
    (repo.branch() / "real").write_bytes(b"x")
    commit = repo.commit("without the temporary file")
    assert os.listdir(repo.at(commit)) == ["real"]
    assert (repo.branch() / name).read_bytes() == model(1), "it is an ordinary file all the same"
    os.rename(repo.branch() / name, repo.branch() / "final")
    assert (repo.at(repo.commit("renamed")) / "final").read_bytes() == model(1)
    os.unlink(repo.branch() / "final")


def test_a_temporary_file_makes_no_commit_of_its_own(repo):
    (repo.branch() / ".tmpabc").write_bytes(b"x" * 100)
    time.sleep(4 * wfs.SETTLE)
    os.unlink(repo.branch() / ".tmpabc")
    time.sleep(4 * wfs.SETTLE)
    assert repo.history() == []


def test_ignore_file(repo):
    main = repo.branch()
    (main / ".weightfsignore").write_text("*.log\n/cache/\n!keep.log\n# a comment\n")
    (main / "cache").mkdir()
    (main / "sub").mkdir()
    for name in ("a.log", "keep.log", "cache/x", "sub/b.log", "sub/c"):
        (main / name).write_bytes(name.encode())
    top = repo.at(repo.commit("ignores"))
    assert sorted(n for n, (kind, _) in wfs.listing(top).items() if kind == "file") == [
        ".weightfsignore",
        "keep.log",
        "sub/c",
    ]
    assert (main / "a.log").read_bytes() == b"a.log"
    repo.remount()
    assert (main / "cache/x").read_bytes() == b"cache/x", "ignored files outlive the daemon"


DESTROY = {
    "overwritten": lambda f: f.write_bytes(model(2)),
    "truncated": lambda f: os.truncate(f, 0),
    "patched": lambda f: wfs.run(
        sys.executable, "-c", "import sys; f = open(sys.argv[1], 'r+b'); f.write(b'patch')", f
    ),
    "unlinked": lambda f: os.unlink(f),
    "renamed over": lambda f: (
        (f.parent / "other").write_bytes(model(3)),
        os.rename(f.parent / "other", f),
    ),
    "removed with its folder": lambda f: wfs.run("rm", "-r", f.parent),
}


@pytest.mark.parametrize("how", DESTROY)
def test_a_model_is_kept_before_it_is_destroyed(make_repo, how):
    """Even when no settle time ever ends: this is what makes save_total_limit=1 keep everything."""
    repo = make_repo("--settle", "3600")
    folder = repo.branch() / "checkpoint-1"
    folder.mkdir()
    (folder / "model.bin").write_bytes(model(1))
    DESTROY[how](folder / "model.bin")
    assert model(1) in versions(repo, "checkpoint-1/model.bin")
    repo.commit("the rest")
    assert model(1) in versions(repo, "checkpoint-1/model.bin")


def test_a_small_tensor_file_counts_as_a_model(make_repo):
    np = pytest.importorskip("numpy")
    numpy_file = pytest.importorskip("safetensors.numpy")
    repo = make_repo("--settle", "3600")
    path = repo.branch() / "tiny.safetensors"
    first = numpy_file.save({"w": np.arange(4, dtype=np.float32)})
    path.write_bytes(first)
    path.write_bytes(numpy_file.save({"w": np.arange(5, dtype=np.float32)}))
    assert first in versions(repo, "tiny.safetensors")


COMES = {
    "is written": lambda folder: (folder / "model.bin").write_bytes(model(1)),
    "is renamed": lambda folder: os.rename(folder.parent / "elsewhere", folder / "model"),
    "is linked": lambda folder: os.link(folder.parent / "elsewhere", folder / "model"),
    "gets its name": lambda folder: os.rename(folder / "notes", folder / "notes.safetensors"),
    "gets its tensors": lambda folder: (folder / "notes").write_bytes(b"GGUF and more"),
}


@pytest.mark.parametrize("how", COMES)
def test_a_file_beside_a_model_is_kept_however_the_model_came(make_repo, how):
    """Also when the folder has been looked through before and held no model."""
    repo = make_repo("--settle", "3600")
    (repo.branch() / "elsewhere").write_bytes(model(1))
    folder = repo.branch() / "checkpoint-1"
    folder.mkdir()
    for name in ("config.json", "notes", "gone"):
        (folder / name).write_bytes(b"{}")
    os.unlink(folder / "gone")
    assert repo.history() == []
    COMES[how](folder)
    os.unlink(folder / "config.json")
    assert versions(repo, "checkpoint-1/config.json") == [b"{}"]


def test_large_files_are_committed_as_they_are_however_they_changed_while_the_branch_settled(repo):
    """They are hashed meanwhile, from a moment after their close on."""
    folder = repo.branch()
    size = 48 << 20
    expected = {}
    for name in ("kept", "patched", "cut", "again", "moved", "copied"):
        expected[name] = bytearray(os.urandom(1 << 20) * (size >> 20))
        target = ".tmp-moved" if name == "moved" else name
        (folder / target).write_bytes(expected[name])
    time.sleep(0.15)  # some are being hashed now
    with open(folder / "patched", "r+b") as file:
        file.seek(size // 2)
        file.write(b"patched")
    expected["patched"][size // 2 : size // 2 + 7] = b"patched"
    os.truncate(folder / "cut", size // 3)
    del expected["cut"][size // 3 :]
    expected["again"] = os.urandom(size)
    (folder / "again").write_bytes(expected["again"])
    os.rename(folder / ".tmp-moved", folder / "moved")
    shutil.copy(folder / "kept", folder / "copied")
    expected["copied"] = expected["kept"]
    (folder / "gone").write_bytes(expected["kept"])
    os.unlink(folder / "gone")
    repo.wait_for_change(None)
    repo.quiet()
    shown = repo.at(repo.tip())
    assert sorted(os.listdir(shown)) == sorted(expected)
    for name, data in expected.items():
        assert (shown / name).read_bytes() == data, name


def test_each_of_many_overwrites_of_a_model_is_kept(repo):
    """A loop saves one name again and again, faster than the settle time."""
    for n in range(6):
        with open(repo.branch() / ".tmpmodel", "wb") as file:
            file.write(model(n))
        os.rename(repo.branch() / ".tmpmodel", repo.branch() / "model.bin")
    repo.commit("the last")
    assert versions(repo, "model.bin") == [model(n) for n in reversed(range(6))]


def test_an_open_file_holds_nobody_back_and_enters_as_last_complete(repo):
    main = repo.branch()
    (main / "events").write_bytes(b"complete")
    with open(main / "events", "ab", buffering=0) as log, open(
        main / "never-closed", "wb", buffering=0
    ) as new:
        log.write(b", not yet")
        new.write(b"not yet")
        (main / "model.bin").write_bytes(model(1))
        commit = repo.wait_commit(lambda c: (repo.at(c["id"]) / "model.bin").exists())
        top = repo.at(commit["id"])
        assert (top / "model.bin").read_bytes() == model(1)
        assert not (top / "never-closed").exists()
        if (top / "events").exists():
            assert (top / "events").read_bytes() == b"complete"
        assert (main / "events").read_bytes() == b"complete, not yet"
    tip = repo.commit("after the close")
    assert (repo.at(tip) / "events").read_bytes() == b"complete, not yet"
    assert (repo.at(tip) / "never-closed").read_bytes() == b"not yet"
    assert (top / "model.bin").read_bytes() == model(1) and not (top / "never-closed").exists()


def test_an_open_committed_file_stays_in_the_next_commit(repo):
    main = repo.branch()
    (main / "log").write_bytes(b"line 1\n")
    repo.commit("first")
    with open(main / "log", "ab", buffering=0) as log:
        log.write(b"line 2\n")
        (main / "other").write_bytes(b"x")
        top = repo.at(repo.commit("while open"))
        assert (top / "log").read_bytes() == b"line 1\n"
    assert (repo.at(repo.commit("closed")) / "log").read_bytes() == b"line 1\nline 2\n"


def test_a_sharded_save_is_not_cut_in_two(repo):
    """While a model file is being written the commit waits for it, though others have settled."""
    main = repo.branch()
    (main / "shard-1.bin").write_bytes(model(1))
    with open(main / "shard-2.bin", "wb", buffering=0) as file:
        for piece in range(8):
            file.write(model(2)[piece * MODEL // 8 : (piece + 1) * MODEL // 8])
            time.sleep(wfs.SETTLE / 2)
        assert repo.history() == []
    commit = repo.wait_for_change(None)
    assert sorted(os.listdir(repo.at(commit["id"]))) == ["shard-1.bin", "shard-2.bin"]


def test_a_mapped_file_is_complete_when_the_mapping_is_gone(repo):
    f = repo.branch() / "mapped"
    f.write_bytes(bytes(MODEL))
    first = repo.commit("zeros")
    with open(f, "r+b") as file:
        mapped = mmap.mmap(file.fileno(), 0)
    mapped[0:5] = b"first"
    mapped[MODEL - 4 :] = b"last"
    mapped.flush()
    mapped.close()
    commit = repo.wait_for_change(first)
    data = (repo.at(commit["id"]) / "mapped").read_bytes()
    assert data == b"first" + bytes(MODEL - 9) + b"last"
    assert (repo.at(first) / "mapped").read_bytes() == bytes(MODEL)


def test_messages_say_what_changed(repo):
    main = repo.branch()
    (main / "weights.bin").write_bytes(model(1))
    first = repo.wait_for_change(None)
    assert "weights.bin" in first["message"]
    os.unlink(main / "weights.bin")
    second = repo.wait_for_change(first["id"])
    assert "weights.bin" in second["message"] and second["message"] != first["message"]


def test_chmod_and_times_after_the_close_are_the_same_commit(repo):
    f = repo.branch() / "f"
    f.write_bytes(b"x")
    os.chmod(f, 0o600)
    os.utime(f, (1, 1))
    os.chmod(f, 0o755)
    commit = repo.wait_for_change(None)
    repo.quiet()
    assert len(repo.commits()) == 1
    assert os.access(repo.at(commit["id"]) / "f", os.X_OK)
    assert (repo.at(commit["id"]) / "f").stat().st_mtime == 1


def test_complete_flag_of_a_single_file_model(repo):
    numpy_file = pytest.importorskip("safetensors.numpy")
    np = pytest.importorskip("numpy")
    main = repo.branch()
    weights = numpy_file.save({"w": np.arange(4, dtype=np.float32)})
    (main / "m").mkdir()
    (main / "m/model.safetensors").write_bytes(weights)
    repo.commit("half")
    assert repo.commits()[0]["complete"] is False
    (main / "m/config.json").write_text("{}")
    whole = repo.commit("whole")
    assert repo.commits()[0]["complete"] is True
    (main / "m2").mkdir()
    (main / "m2/model.safetensors").write_bytes(weights)
    assert os.readlink(repo.mnt / "@latest-complete").rstrip("/") == f"@{whole[:12]}"


def test_complete_flag_of_a_sharded_model(repo):
    numpy_file = pytest.importorskip("safetensors.numpy")
    np = pytest.importorskip("numpy")
    main = repo.branch()
    weights = numpy_file.save({"w": np.arange(4, dtype=np.float32)})
    (main / "config.json").write_text("{}")
    (main / "model-00001-of-00002.safetensors").write_bytes(weights)
    (main / "model.safetensors.index.json").write_text(
        '{"metadata":{},"weight_map":{"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors"}}'
    )
    repo.commit("a shard is missing")
    assert repo.commits()[0]["complete"] is False
    (main / "model-00002-of-00002.safetensors").write_bytes(weights)
    repo.commit("all there")
    assert repo.commits()[0]["complete"] is True


def test_metrics_are_read_from_the_trainer_state(repo):
    folder = repo.branch() / "checkpoint-10"
    folder.mkdir()
    (folder / "trainer_state.json").write_text(
        '{"global_step": 10, "epoch": 0.5, "log_history": [{"loss": 2.5, "step": 5}, {"loss": 1.25, "step": 10}]}'
    )
    repo.commit("a checkpoint")
    metrics = repo.commits()[0]["metrics"]
    assert metrics["loss"] == 1.25 and metrics["step"] == 10


def test_the_writer_is_named(repo):
    f = repo.branch() / "f"
    wfs.run("dd", "if=/dev/zero", f"of={f}", "bs=1k", "count=1")
    assert "dd" in repo.wait_for_change(None)["writer"]


def test_branches_settle_on_their_own(repo):
    (repo.mnt / "other").mkdir()
    (repo.branch() / "f").write_bytes(b"main")
    (repo.mnt / "other/f").write_bytes(b"other")
    repo.wait_for_change(None, "main")
    repo.wait_for_change(None, "other")
    assert (repo.mnt / "@main/f").read_bytes() == b"main"
    assert (repo.mnt / "@other/f").read_bytes() == b"other"


def test_reads_come_from_staging_while_encoding(repo):
    """The new bytes are there at once, in the commit too, however far the encoder is."""
    data = b"".join(model(n) for n in range(8))
    (repo.branch() / "big.bin").write_bytes(data)
    commit = repo.commit("big")
    assert (repo.at(commit) / "big.bin").read_bytes() == data
    (repo.branch() / "big.bin").write_bytes(b"short now")
    assert (repo.at(commit) / "big.bin").read_bytes() == data
    repo.quiet()
    assert (repo.at(commit) / "big.bin").read_bytes() == data


def test_encoding_gives_way_to_other_programs(repo):
    """The thread that packs and those it encodes with are nicer than the ones that answer requests."""
    tasks = pathlib.Path(f"/proc/{repo.pid}/task")
    nice = [int((t / "stat").read_text().rsplit(")", 1)[1].split()[16]) for t in tasks.iterdir()]
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert sum(n > own for n in nice) >= 3, nice
    assert sum(n == own for n in nice) >= 3, nice


def test_appending_to_a_committed_file_stages_what_is_written(repo):
    """No copy of the whole file: staging holds ranges over the committed content."""
    data = b"".join(model(n) for n in range(16))
    f = repo.branch() / "big.bin"
    f.write_bytes(data)
    repo.commit("big")
    repo.quiet()
    with open(f, "ab") as file:
        file.write(b"tail")
        file.flush()
        assert repo.stats()["staged_bytes"] < 1 << 20
    commit = repo.commit("appended")
    assert (repo.at(commit) / "big.bin").read_bytes() == data + b"tail"


def test_staged_files_outlive_the_daemon(make_repo):
    repo = make_repo("--capture", "manual")
    (repo.branch() / "d").mkdir()
    (repo.branch() / "d/f").write_bytes(b"not committed")
    (repo.branch() / "gone").write_bytes(b"x")
    repo.commit("one")
    os.unlink(repo.branch() / "gone")
    with open(repo.branch() / "d/f", "ab") as file:
        file.write(b", appended")
    repo.remount()
    assert (repo.branch() / "d/f").read_bytes() == b"not committed, appended"
    assert not (repo.branch() / "gone").exists()
    assert len(repo.commits()) == 1
    commit = repo.commit("two")
    assert (repo.at(commit) / "d/f").read_bytes() == b"not committed, appended"


def test_fsynced_files_outlive_kill9_before_any_commit(make_repo):
    repo = make_repo("--capture", "manual")
    (repo.branch() / "d").mkdir()
    with open(repo.branch() / "d/f", "wb") as file:
        file.write(model(1))
        file.flush()
        os.fsync(file.fileno())
    repo.kill9()
    repo.mount()
    assert (repo.branch() / "d/f").read_bytes() == model(1)
    assert (repo.at(repo.commit("recovered")) / "d/f").read_bytes() == model(1)


def test_umount_keeps_what_was_written(repo):
    (repo.branch() / "f").write_bytes(b"just before the end")
    repo.remount()
    commit = repo.wait_for_change(None)
    assert (repo.at(commit["id"]) / "f").read_bytes() == b"just before the end"


def test_sigterm_drains(repo):
    (repo.branch() / "f").write_bytes(b"x")
    subprocess.run(["kill", "-TERM", str(repo.pid)], check=True)
    wfs.wait_until(lambda: not wfs.alive(repo.pid), "the daemon has ended after SIGTERM")
    assert wfs.mounted_device(repo.mnt) is None
    repo._forget_daemon()
    repo.mount()
    assert (repo.branch() / "f").read_bytes() == b"x"
