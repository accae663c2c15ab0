"""Damage is told, never served; and the index can be made again from the packs."""

import errno
import os
import random
import shutil

import pytest
import repository as wfs

pytestmark = pytest.mark.dirty
INTEGRITY = 12


def clear_decoded_files(repo):
    shutil.rmtree(repo.path / "cache", ignore_errors=True)


def remove_index(repo):
    for suffix in ("", "-wal", "-shm"):
        (repo.path / f"index.sqlite{suffix}").unlink(missing_ok=True)


def flip(path, offset):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)
        file.seek(offset)
        file.write(bytes([byte[0] ^ 0x40]))


def writable(repo):
    for pack in repo.packs():
        os.chmod(pack, 0o600)


def find_in_packs(repo, needle):
    for pack in repo.packs():
        offset = pack.read_bytes().find(needle)
        if offset >= 0:
            return pack, offset
    raise AssertionError("random bytes are not stored as they are")


@pytest.fixture
def filled(repo, scratch):
    """Three commits on two branches, a tag, an uneventful file and a victim; unmounted. -> ids, plain copies"""
    ids = []
    main = repo.branch()
    (main / "sub").mkdir()
    for n in range(3):
        if n == 2:
            repo.ctl("branch", "exp", "--from", "main")
            main = repo.branch("exp")
        (main / f"weights-{n}.bin").write_bytes(random.Random(n).randbytes(2 << 20))
        (main / "sub/config.json").write_text(f'{{"n": {n}}}')
        os.chmod(main / "sub/config.json", 0o755 if n == 1 else 0o644)
        if n == 0:
            os.symlink("sub/config.json", main / "link")
        ids.append(repo.commit(f"commit {n}", branch=main.name))
        wfs.copy_plain(repo.at(ids[n]), scratch / ids[n])
    repo.ctl("tag", "v1", ids[0])
    repo.quiet()
    repo.umount()
    return ids


def test_rebuild_gives_back_every_commit(repo, filled, scratch):
    before = {branch: repo.commits(branch) for branch in ("main", "exp")}
    remove_index(repo)
    repo.ctl("rebuild")
    assert {branch: repo.commits(branch) for branch in ("main", "exp")} == before
    repo.check()
    repo.mount()
    for commit in filled:
        wfs.assert_same_tree(scratch / commit, repo.at(commit))
    wfs.assert_same_tree(scratch / filled[1], repo.branch("main"))
    wfs.assert_same_tree(scratch / filled[2], repo.branch("exp"))
    (repo.branch("main") / "f").write_bytes(b"goes on")
    assert repo.at(repo.commit("goes on")).joinpath("f").read_bytes() == b"goes on"
    assert repo.commits()[0]["parents"] == [filled[1]]


def test_a_missing_index_is_told_with_the_next_step(repo, filled):
    remove_index(repo)
    done = repo.command("mount", repo.path, repo.mnt, status=None)
    assert done.returncode != 0
    assert "rebuild" in done.stderr
    repo.ctl("rebuild")
    repo.check()


def test_a_garbled_index_is_told_with_the_next_step(repo, filled):
    remove_index(repo)
    (repo.path / "index.sqlite").write_bytes(random.Random(1).randbytes(40_000))
    done = repo.ctl("log", status=INTEGRITY)
    assert "rebuild" in done.stderr and str(repo.path) in done.stderr
    told = repo.ctl("rebuild")
    assert "old index" in told.stderr
    repo.check()


def test_a_flipped_byte_is_eio_in_that_file_only(repo, filled, scratch):
    """In one block of one file; all else stays readable, and the check names it."""
    repo.check()
    writable(repo)
    victim = random.Random(1).randbytes(2 << 20)
    pack, offset = find_in_packs(repo, victim[1_000_000:1_000_064])
    flip(pack, offset)
    clear_decoded_files(repo)

    told = repo.check(status=INTEGRITY)
    assert "weights-1.bin" in told.stdout + told.stderr or pack.name in told.stdout + told.stderr

    repo.mount()
    for commit in filled:
        for name, (kind, file) in wfs.listing(repo.at(commit)).items():
            if kind == "file" and name != "weights-1.bin":
                wfs.assert_same_bytes(file, scratch / commit / name)
    damaged = repo.at(filled[1]) / "weights-1.bin"
    with open(damaged, "rb", buffering=0) as file:
        with pytest.raises(OSError) as failed:
            os.pread(file.fileno(), 100, 1_000_000)
        assert failed.value.errno == errno.EIO
        good = os.pread(file.fileno(), 4096, 0)
    assert good == victim[:4096], "other blocks of the file are readable"
    health = (repo.mnt / ".weightfs/health").read_text()
    assert "weights-1.bin" in health or pack.name in health or "EIO" in health, health
    repo.umount()
    flip(pack, offset)
    repo.check()


def test_no_flipped_byte_serves_wrong_bytes(repo, filled, scratch, rng):
    """Somewhere in any pack: the check fails or the byte did not matter; an export is right or fails."""
    writable(repo)
    for _ in range(20):
        pack = rng.choice(repo.packs())
        offset = rng.randrange(pack.stat().st_size)
        flip(pack, offset)
        where = f"{pack.name} at {offset}"
        told = repo.ctl("check", "--data", status=None)
        assert (
            told.returncode == INTEGRITY
        ), f"{where}: check says {told.returncode}\n{told.stdout}{told.stderr}"
        for commit in filled:
            out = scratch / "out"
            clear_decoded_files(repo)
            done = repo.ctl("export", commit, out, status=None)
            if done.returncode == 0:
                wfs.assert_same_tree(scratch / commit, out)
            shutil.rmtree(out, ignore_errors=True)
        flip(pack, offset)
    repo.check()


@pytest.mark.parametrize("how", ["cut short", "missing"])
def test_a_pack_that_is_cut_short_or_missing(repo, filled, scratch, how):
    writable(repo)
    pack, _ = find_in_packs(repo, random.Random(2).randbytes(2 << 20)[1_000_000:1_000_064])
    os.truncate(pack, pack.stat().st_size // 2) if how == "cut short" else os.unlink(pack)
    clear_decoded_files(repo)
    told = repo.check(status=INTEGRITY)
    assert pack.name in told.stdout + told.stderr
    repo.mount()
    wrong = 0
    for commit in filled:
        for name, (kind, file) in wfs.listing(repo.at(commit)).items():
            if kind == "file":
                try:
                    wfs.assert_same_bytes(file, scratch / commit / name)
                except OSError as error:
                    assert error.errno == errno.EIO
                    wrong += 1
    assert wrong > 0
