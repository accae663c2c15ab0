"""Decoded files of commits, handed to the kernel where it takes them; elsewhere reading is as before.

Run with either libfuse: what the daemon says of itself decides what is asserted.
"""

import json
import mmap
import os
import signal
import subprocess
import threading

import pytest

from repository import assert_same_bytes, wait_until

MIB = 1 << 20


def is_on(repo):
    return repo.status()["passthrough"] == "on"


def decoded_files(repo):
    return repo.status()["decoded"]["files"]


@pytest.fixture
def committed(repo, rng):
    """The path of a committed file of 6 MiB, and its bytes."""
    return commit_file(repo, rng)


def commit_file(repo, rng, name="weights.bin"):
    content = rng.randbytes(6 * MIB + 123)
    (repo.branch() / name).write_bytes(content)
    commit = repo.commit(name)
    repo.quiet()
    return repo.at(commit) / name, content


def read_without_daemon(repo, fd, size, seconds=10):
    """What fd reads while the daemon stands still; None when that waits for the daemon."""
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)  # what the kernel keeps of the mount
    got = []
    reader = threading.Thread(target=lambda: got.append(os.pread(fd, size, 0)))
    os.kill(repo.pid, signal.SIGSTOP)
    try:
        reader.start()
        reader.join(seconds)
        return got[0] if got else None
    finally:
        os.kill(repo.pid, signal.SIGCONT)
        reader.join()


def assert_reads(repo, path, content):
    """The file reads right, and without the daemon when it is decoded."""
    fd = os.open(path, os.O_RDONLY)
    try:
        if is_on(repo):
            assert read_without_daemon(repo, fd, len(content)) == content
        assert os.pread(fd, len(content) + 1, 0) == content
        with mmap.mmap(fd, 0, prot=mmap.PROT_READ) as mapped:
            assert mapped[:] == content
    finally:
        os.close(fd)


def test_everyone_says_which_libfuse_runs(repo):
    version = json.loads(repo.command("version", "--json").stdout)
    state = repo.status()
    assert state["libfuse"] == version["libfuse"]
    assert f"libfuse {version['libfuse']}" in repo.command("version").stdout
    assert f"libfuse: {version['libfuse']}" in repo.ctl("doctor", status=None).stdout
    assert f"libfuse     {version['libfuse']}, passthrough {state['passthrough']}" in (
        repo.ctl("status").stdout
    )
    if state["passthrough"] == "on":
        assert version["passthrough"]
    else:
        assert state["passthrough"].startswith("off: ")


def test_the_second_reader_reads_a_decoded_file(repo, committed):
    path, content = committed
    assert path.read_bytes() == content
    if is_on(repo):
        wait_until(lambda: decoded_files(repo) == 1, "the file is decoded")
    else:
        assert decoded_files(repo) == 0
    assert_reads(repo, path, content)
    assert path.stat().st_size == len(content)


def test_a_file_is_decoded_while_its_first_reader_reads(repo, committed):
    """Nobody has to close it first; the kernel gets it once no handle reads the other way."""
    path, content = committed
    first = os.open(path, os.O_RDONLY)
    half = len(content) // 2 + 1
    assert b"".join(os.pread(first, MIB, at) for at in range(0, half, MIB)) == (
        content[: -(-half // MIB) * MIB]
    )
    if is_on(repo):
        wait_until(lambda: decoded_files(repo) == 1, "the file is decoded")
    else:
        assert decoded_files(repo) == 0
    second = os.open(path, os.O_RDONLY)
    for fd in (first, second):
        assert os.pread(fd, len(content) + 1, 0) == content
        os.close(fd)
    assert_reads(repo, path, content)


def test_a_glance_at_a_file_decodes_nothing(repo, committed):
    path, content = committed
    with open(path, "rb", buffering=0) as f:
        assert f.read(4096) == content[:4096]
    assert decoded_files(repo) == 0


def test_warm_decodes_before_anybody_reads(repo, committed):
    path, content = committed
    if not is_on(repo):
        refused = repo.ctl("warm", "main", status=1)
        assert "libfuse" in refused.stderr or "kernel" in refused.stderr or "root" in refused.stderr
        assert_reads(repo, path, content)
        return
    assert json.loads(repo.ctl("warm", "main", "*.txt", "--json").stdout)["files"] == 0
    made = json.loads(repo.ctl("warm", "main", "*.bin", "--json").stdout)
    assert made == {"files": 1, "bytes": len(content), "made": 1, "no_room": 0}
    assert json.loads(repo.ctl("warm", "main", "--json").stdout)["made"] == 0
    assert_reads(repo, path, content)


def test_both_ways_of_reading_live_together(repo, committed):
    """A handle opened before the file was decoded, and ones opened later, one after another."""
    path, content = committed
    early = os.open(path, os.O_RDONLY)
    assert os.pread(early, 100, 5) == content[5:105]
    repo.ctl("warm", "main", status=0 if is_on(repo) else 1)
    late = os.open(path, os.O_RDONLY)
    for fd in (early, late):
        assert os.pread(fd, len(content), 0) == content
    os.close(early)
    os.close(late)
    handles = [os.open(path, os.O_RDONLY) for _ in range(4)]
    for fd in handles:
        assert os.pread(fd, MIB, MIB) == content[MIB : 2 * MIB]
        os.close(fd)
    assert_reads(repo, path, content)


def test_many_readers_and_maps_at_once(repo, committed):
    path, content = committed
    wrong = []

    def read_and_map():
        for _ in range(8):
            try:
                with open(path, "rb") as f:
                    with mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ) as mapped:
                        if mapped[:] != content:
                            wrong.append("map")
                    if f.read() != content:
                        wrong.append("read")
            except OSError as error:
                wrong.append(error)

    threads = [threading.Thread(target=read_and_map) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_decoded_file_is_copied_into_a_branch(repo, committed):
    path, content = committed
    repo.ctl("warm", "main", status=0 if is_on(repo) else 1)
    subprocess.run(["cp", path, repo.branch() / "copy.bin"], check=True, timeout=60)
    assert_same_bytes(path, repo.branch() / "copy.bin")
    assert (repo.branch() / "copy.bin").read_bytes() == content


def test_a_decoded_file_is_read_only(repo, committed):
    path, content = committed
    repo.ctl("warm", "main", status=0 if is_on(repo) else 1)
    with pytest.raises(OSError):
        os.open(path, os.O_RDWR)
    with pytest.raises(OSError):
        os.truncate(path, 0)
    assert_reads(repo, path, content)


def test_damage_in_a_decoded_file_never_reaches_a_reader(repo, committed):
    path, content = committed
    repo.ctl("warm", "main", status=0 if is_on(repo) else 1)
    repo.umount()
    for file in (repo.path / "cache").iterdir():
        if file.suffix != ".sum":
            with open(file, "r+b") as f:
                f.seek(3 * MIB)
                f.write(b"damage")
    repo.mount()
    for _ in range(3):
        assert path.read_bytes() == content
    if is_on(repo):
        wait_until(lambda: "is damaged" in repo.log(), "the damage is told")
    assert path.read_bytes() == content


def test_decoded_files_survive_a_restart_and_a_kill(repo, committed):
    path, content = committed
    repo.ctl("warm", "main", status=0 if is_on(repo) else 1)
    for end in (repo.umount, repo.kill9):
        end()
        repo.mount()
        assert decoded_files(repo) == (1 if is_on(repo) else 0)
        assert path.read_bytes() == content
        if is_on(repo):
            # Checked in the background, at its first use; trusted from then on.
            def trusted():
                fd = os.open(path, os.O_RDONLY)
                try:
                    return read_without_daemon(repo, fd, len(content), 1) == content
                finally:
                    os.close(fd)

            wait_until(trusted, "the decoded file is trusted")
        assert_reads(repo, path, content)


def test_the_cache_can_be_off(make_repo, rng):
    repo = make_repo(mounted=False)
    config = repo.path / "config.json"
    settings = json.loads(config.read_text())
    config.write_text(json.dumps({**settings, "cache": {"max_bytes": 0}}))
    repo.mount()
    path, content = commit_file(repo, rng)
    for _ in range(2):
        assert path.read_bytes() == content
    repo.ctl("warm", "main", status=1)
    assert repo.status()["decoded"] == {"files": 0, "bytes": 0, "bytes_max": 0}


def test_the_bound_holds(make_repo, rng):
    repo = make_repo(mounted=False)
    config = repo.path / "config.json"
    settings = json.loads(config.read_text())
    config.write_text(json.dumps({**settings, "cache": {"max_bytes": 10 * MIB}}))
    repo.mount()
    files = [commit_file(repo, rng, f"{name}.bin") for name in "abc"]
    for path, content in files:
        assert path.read_bytes() == content
        repo.ctl("warm", "main", path.name, status=0 if is_on(repo) else 1)
    state = repo.status()["decoded"]
    assert state["bytes"] <= 10 * MIB
    assert state["files"] == (1 if is_on(repo) else 0)
    for path, content in files:
        assert path.read_bytes() == content
