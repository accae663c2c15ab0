"""A working folder behaves like a disk. Each expectation but the last part holds on ext4 too: run this
file with WEIGHTFS_PLAIN=1 to see it."""

import ctypes
import errno
import fcntl
import mmap
import os
import stat
import subprocess
import sys
import time

import pytest
import repository as wfs

libc = ctypes.CDLL(None, use_errno=True)
RENAME_NOREPLACE, RENAME_EXCHANGE = 1, 2
FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE = 1, 2


def renameat2(old, new, flags):
    if libc.renameat2(-100, os.fsencode(old), -100, os.fsencode(new), flags) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(new))


def fallocate(fd, mode, offset, length):
    if libc.fallocate(fd, mode, ctypes.c_long(offset), ctypes.c_long(length)) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def raises(number):
    class Expect:
        def __enter__(self):
            return self

        def __exit__(self, kind, error, trace):
            assert (
                error is not None
            ), f"{errno.errorcode[number]} was expected and nothing was raised"
            assert isinstance(error, OSError), error
            assert error.errno == number, f"{error!r}, not {errno.errorcode[number]}"
            return True

    return Expect()


def pattern(size, seed=1):
    import random

    return random.Random(seed).randbytes(size)


# Names.


def test_create_write_read_stat(folder):
    data = pattern(3_000_017)
    (folder / "f").write_bytes(data)
    assert (folder / "f").read_bytes() == data
    assert (folder / "f").stat().st_size == len(data)
    assert os.listdir(folder) == ["f"]


def test_rename_over_a_file(folder):
    (folder / "a").write_bytes(b"new")
    (folder / "b").write_bytes(b"old contents")
    os.rename(folder / "a", folder / "b")
    assert (folder / "b").read_bytes() == b"new"
    assert os.listdir(folder) == ["b"]


def test_rename_over_an_open_file_keeps_what_the_reader_has(folder):
    (folder / "a").write_bytes(b"new")
    (folder / "b").write_bytes(b"old")
    with open(folder / "b", "rb") as reader:
        os.rename(folder / "a", folder / "b")
        assert reader.read() == b"old"
        assert os.fstat(reader.fileno()).st_nlink == 0
    assert (folder / "b").read_bytes() == b"new"


def test_rename_while_the_writer_still_writes(folder):
    """What safetensors does: the rename comes before the close."""
    (folder / "b").write_bytes(b"old")
    with open(folder / ".tmpabc", "wb", buffering=0) as writer:
        writer.write(b"first ")
        os.rename(folder / ".tmpabc", folder / "b")
        writer.write(b"second")
    assert (folder / "b").read_bytes() == b"first second"


def test_rename_noreplace(folder):
    (folder / "a").write_bytes(b"a")
    (folder / "b").write_bytes(b"b")
    with raises(errno.EEXIST):
        renameat2(folder / "a", folder / "b", RENAME_NOREPLACE)
    renameat2(folder / "a", folder / "c", RENAME_NOREPLACE)
    assert sorted(os.listdir(folder)) == ["b", "c"]
    assert (folder / "b").read_bytes() == b"b" and (folder / "c").read_bytes() == b"a"


def test_rename_exchange(folder):
    (folder / "a").write_bytes(b"a")
    (folder / "b").write_bytes(b"b")
    renameat2(folder / "a", folder / "b", RENAME_EXCHANGE)
    assert (folder / "a").read_bytes() == b"b" and (folder / "b").read_bytes() == b"a"


def test_rename_folders(folder):
    (folder / "one/deep").mkdir(parents=True)
    (folder / "one/deep/f").write_bytes(b"inside")
    os.rename(folder / "one", folder / "two")
    assert (folder / "two/deep/f").read_bytes() == b"inside"
    assert not (folder / "one").exists()
    (folder / "empty").mkdir()
    os.rename(folder / "two", folder / "empty")  # over an empty folder
    assert (folder / "empty/deep/f").read_bytes() == b"inside"
    (folder / "full").mkdir()
    (folder / "full/x").write_bytes(b"x")
    with raises(errno.ENOTEMPTY):
        os.rename(folder / "empty", folder / "full")
    with raises(errno.EINVAL):
        os.rename(folder / "empty", folder / "empty/deep/itself")


@pytest.mark.parametrize(
    "source, target, number",
    [
        ("file", "folder", errno.EISDIR),
        ("folder", "file", errno.ENOTDIR),
        ("absent", "file", errno.ENOENT),
    ],
)
def test_rename_of_unlike_kinds(folder, source, target, number):
    (folder / "file").write_bytes(b"f")
    (folder / "folder").mkdir()
    with raises(number):
        os.rename(folder / source, folder / target)


def test_rename_between_two_links_of_one_file_does_nothing(folder):
    (folder / "a").write_bytes(b"x")
    os.link(folder / "a", folder / "b")
    os.rename(folder / "a", folder / "b")
    assert sorted(os.listdir(folder)) == ["a", "b"]


def test_unlink_while_open(folder):
    with open(folder / "f", "w+b", buffering=0) as file:
        file.write(b"still here")
        os.unlink(folder / "f")
        assert os.listdir(folder) == []
        assert os.fstat(file.fileno()).st_nlink == 0
        file.write(b", and more")
        file.seek(0)
        assert file.read() == b"still here, and more"
    assert not (folder / "f").exists()


def test_unlink_while_mapped(folder):
    data = pattern(1 << 20)
    (folder / "f").write_bytes(data)
    with open(folder / "f", "rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    os.unlink(folder / "f")
    (folder / "f").write_bytes(b"another file of the same name")
    assert mapped[:] == data
    mapped.close()


def test_overwritten_by_rename_while_mapped(folder):
    """The saver may have mapped the very file it replaces."""
    data = pattern(1 << 20)
    (folder / "f").write_bytes(data)
    with open(folder / "f", "rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    (folder / "new").write_bytes(pattern(1 << 20, 2))
    os.rename(folder / "new", folder / "f")
    assert mapped[:] == data
    assert (folder / "f").read_bytes() == pattern(1 << 20, 2)
    mapped.close()


def test_folders(folder):
    (folder / "d").mkdir()
    with raises(errno.EEXIST):
        os.mkdir(folder / "d")
    (folder / "d/f").write_bytes(b"")
    with raises(errno.ENOTEMPTY):
        os.rmdir(folder / "d")
    with raises(errno.EISDIR):
        os.unlink(folder / "d")
    with raises(errno.ENOTDIR):
        os.rmdir(folder / "d/f")
    with raises(errno.ENOENT):
        os.mkdir(folder / "absent/d")
    with raises(errno.ENOTDIR):
        os.mkdir(folder / "d/f/d")
    os.unlink(folder / "d/f")
    os.rmdir(folder / "d")
    assert os.listdir(folder) == []


def test_folder_link_count_and_dots(folder):
    (folder / "d").mkdir()
    assert (folder / "d/..").stat().st_ino == folder.stat().st_ino
    assert (folder / "d/.").stat().st_ino == (folder / "d").stat().st_ino
    (folder / "d/one").mkdir()
    (folder / "d/two").mkdir()
    (folder / "d/file").write_bytes(b"")
    os.chmod(folder / "d", 0o700)  # its answer has attributes too
    assert (folder / "d").stat().st_nlink == 4
    os.rename(folder / "d/one", folder / "one")
    assert (folder / "d").stat().st_nlink == 3
    os.rmdir(folder / "d/two")
    assert (folder / "d").stat().st_nlink == 2
    assert [entry.stat().st_nlink for entry in os.scandir(folder)] == [2, 2]


def test_removing_a_folder_tree_while_it_is_listed(folder):
    for i in range(300):
        (folder / f"file-{i:03}").write_bytes(b"x")
    seen = []
    with os.scandir(folder) as entries:
        for entry in entries:
            seen.append(entry.name)
            os.unlink(entry.path)
    assert sorted(seen) == [f"file-{i:03}" for i in range(300)]
    assert os.listdir(folder) == []


def test_folder_of_many_entries(folder):
    for i in range(2000):
        os.close(os.open(folder / f"entry-{i}", os.O_CREAT | os.O_WRONLY))
    assert sorted(os.listdir(folder)) == sorted(f"entry-{i}" for i in range(2000))


def test_symlinks(folder):
    (folder / "f").write_bytes(b"target")
    os.symlink("f", folder / "relative")
    os.symlink("/absent/away", folder / "dangling")
    assert (folder / "relative").read_bytes() == b"target"
    assert os.readlink(folder / "dangling") == "/absent/away"
    assert stat.S_ISLNK((folder / "dangling").lstat().st_mode)
    assert (folder / "dangling").lstat().st_size == len("/absent/away")
    with raises(errno.ENOENT):
        open(folder / "dangling")
    with raises(errno.EEXIST):
        os.symlink("x", folder / "f")
    with raises(errno.ELOOP):
        os.open(folder / "relative", os.O_RDONLY | os.O_NOFOLLOW)
    os.unlink(folder / "relative")
    assert (folder / "f").read_bytes() == b"target"


def test_hard_links(folder):
    (folder / "a").write_bytes(b"one")
    os.link(folder / "a", folder / "b")
    assert (folder / "a").stat().st_ino == (folder / "b").stat().st_ino
    assert (folder / "a").stat().st_nlink == 2
    with open(folder / "b", "ab") as file:
        file.write(b", two")
    assert (folder / "a").read_bytes() == b"one, two"
    os.unlink(folder / "a")
    assert (folder / "b").read_bytes() == b"one, two"
    assert (folder / "b").stat().st_nlink == 1
    with raises(errno.EEXIST):
        (folder / "c").write_bytes(b"")
        os.link(folder / "b", folder / "c")


def test_thousands_of_names_of_one_file(folder):
    """Making and removing a name looks at that name, not at all the others."""
    count = 8000
    (folder / "f").write_bytes(b"one")
    start = time.monotonic()
    for n in range(count):
        os.link(folder / "f", folder / f"f{n}")
    assert (folder / "f").stat().st_nlink == count + 1
    with open(folder / "f7", "ab") as file:
        file.write(b", two")
    os.rename(folder / "f7", folder / "f8")  # two names of one file: nothing happens
    os.rename(folder / "f9", folder / "g")
    for n in set(range(count)) - {9}:
        os.unlink(folder / f"f{n}")
    assert time.monotonic() - start < 25 * wfs.SLOW
    assert sorted(os.listdir(folder)) == ["f", "g"]
    assert (folder / "g").read_bytes() == b"one, two"
    assert (folder / "f").stat().st_nlink == 2


def test_name_lengths(folder):
    (folder / ("n" * 255)).write_bytes(b"long")
    assert os.listdir(folder) == ["n" * 255]
    assert (folder / ("n" * 255)).read_bytes() == b"long"
    for act in (
        lambda name: open(name, "w"),
        os.mkdir,
        os.stat,
        lambda name: os.symlink("x", name),
    ):
        with raises(errno.ENAMETOOLONG):
            act(folder / ("n" * 256))


@pytest.mark.parametrize(
    "name",
    ["with space", "ünïcode-名前", "-dash", "new\nline", "tab\t", "quote'\"", "a" * 100 + "é"],
)
def test_odd_names(folder, name):
    (folder / name).write_bytes(name.encode())
    assert os.listdir(folder) == [name]
    assert (folder / name).read_bytes() == name.encode()


def test_names_that_are_no_text(folder):
    name = os.fsencode(folder) + b"/\xff\xfe\x80"
    with open(name, "wb") as file:
        file.write(b"bytes")
    assert os.listdir(os.fsencode(folder)) == [b"\xff\xfe\x80"]
    with open(name, "rb") as file:
        assert file.read() == b"bytes"


# Opening.


def test_open_flags(folder):
    f = folder / "f"
    with raises(errno.ENOENT):
        os.open(f, os.O_RDWR)
    os.close(os.open(f, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    with raises(errno.EEXIST):
        os.open(f, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    f.write_bytes(b"some bytes")
    os.close(os.open(f, os.O_WRONLY))
    assert f.read_bytes() == b"some bytes"
    os.close(os.open(f, os.O_WRONLY | os.O_TRUNC))
    assert f.read_bytes() == b"" and f.stat().st_size == 0
    with raises(errno.ENOTDIR):
        os.open(f, os.O_RDONLY | os.O_DIRECTORY)
    with raises(errno.EISDIR):
        os.open(folder, os.O_WRONLY)


def test_append_goes_to_the_end_whoever_else_writes(folder):
    f = folder / "f"
    a = os.open(f, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    b = os.open(f, os.O_WRONLY | os.O_APPEND)
    for i in range(20):
        os.write(a if i % 2 else b, b"%02d\n" % i)
    os.lseek(a, 0, os.SEEK_SET)
    os.write(a, b"last\n")
    os.close(a)
    os.close(b)
    assert f.read_bytes() == b"".join(b"%02d\n" % i for i in range(20)) + b"last\n"


def test_two_handles_see_each_other(folder):
    f = folder / "f"
    f.write_bytes(b"x" * 100_000)
    with open(f, "r+b", buffering=0) as writer, open(f, "rb", buffering=0) as reader:
        assert reader.read(10) == b"x" * 10
        writer.seek(5)
        writer.write(b"YYY")
        assert os.pread(reader.fileno(), 10, 0) == b"xxxxxYYYxx"
        writer.truncate(6)
        assert os.pread(reader.fileno(), 10, 0) == b"xxxxxY"


def test_read_past_the_end(folder):
    (folder / "f").write_bytes(b"12345")
    with open(folder / "f", "rb", buffering=0) as file:
        assert os.pread(file.fileno(), 10, 3) == b"45"
        assert os.pread(file.fileno(), 10, 5) == b""
        assert os.pread(file.fileno(), 10, 1 << 40) == b""


def test_write_only_and_read_only_handles(folder):
    (folder / "f").write_bytes(b"x")
    with open(folder / "f", "rb") as file:
        with raises(errno.EBADF):
            os.write(file.fileno(), b"x")
    fd = os.open(folder / "f", os.O_WRONLY)
    with raises(errno.EBADF):
        os.read(fd, 1)
    os.close(fd)


# Bytes.


def test_writes_anywhere(folder):
    expected = bytearray(pattern(600_000))
    (folder / "f").write_bytes(expected)
    with open(folder / "f", "r+b", buffering=0) as file:
        for offset, data in [
            (0, b"start"),
            (4095, b"xy"),
            (262_140, pattern(20, 3)),
            (599_990, pattern(50, 4)),
        ]:
            os.pwrite(file.fileno(), data, offset)
            expected[offset : offset + len(data)] = data
    assert (folder / "f").read_bytes() == expected


def test_truncate_both_ways(folder):
    f = folder / "f"
    data = pattern(500_000)
    f.write_bytes(data)
    os.truncate(f, 300_001)
    assert f.read_bytes() == data[:300_001]
    os.truncate(f, 400_000)
    assert f.read_bytes() == data[:300_001] + bytes(99_999)
    with open(f, "r+b") as file:
        os.ftruncate(file.fileno(), 7)
        os.ftruncate(file.fileno(), 20)
    assert f.read_bytes() == data[:7] + bytes(13)
    with raises(errno.EINVAL):
        os.truncate(f, -1)


def test_truncate_then_extend_in_a_committed_file_shows_zeros(folder):
    """The cut-off bytes must not come back from the commit below."""
    f = folder / "f"
    f.write_bytes(b"A" * 200_000)
    wait_if_mounted(folder)
    os.truncate(f, 1000)
    os.truncate(f, 200_000)
    assert f.read_bytes() == b"A" * 1000 + bytes(199_000)


def wait_if_mounted(folder):
    """Commit what is there, when there is something to commit to."""
    if os.environ.get("WEIGHTFS_PLAIN") != "1":
        wfs.run(wfs.mountctl_path(), "commit", "-m", "from a test", cwd=folder)


def test_overwrite_of_a_committed_file(folder):
    f = folder / "f"
    expected = bytearray(pattern(1_000_000))
    f.write_bytes(expected)
    wait_if_mounted(folder)
    with open(f, "r+b", buffering=0) as file:
        os.pwrite(file.fileno(), b"patch", 500_001)
        os.pwrite(file.fileno(), b"tail", 1_000_000)
        assert os.pread(file.fileno(), 20, 499_995) == bytes(
            expected[499_995:500_001]
        ) + b"patch" + bytes(expected[500_006:500_015])
    expected[500_001:500_006] = b"patch"
    expected += b"tail"
    assert f.read_bytes() == expected


@pytest.mark.parametrize("name", [".tmp-beyond-4-gib"])  # a temporary name: not worth committing
def test_sparse_file(folder, name):
    f = folder / name
    with open(f, "wb") as file:
        file.seek(5_000_000_000)
        file.write(b"end")
    assert f.stat().st_size == 5_000_000_003
    with open(f, "rb", buffering=0) as file:
        assert os.pread(file.fileno(), 100, 4_000_000_000) == bytes(100)
        assert os.pread(file.fileno(), 10, 4_999_999_998) == bytes(2) + b"end"
    os.unlink(f)


def test_fallocate(folder):
    f = folder / "f"
    with open(f, "w+b", buffering=0) as file:
        fd = file.fileno()
        fallocate(fd, 0, 0, 100_000)
        assert os.fstat(fd).st_size == 100_000
        os.pwrite(fd, b"x" * 100_000, 0)
        fallocate(fd, 0, 50_000, 100)  # inside: nothing changes
        assert os.pread(fd, 100, 50_000) == b"x" * 100
        fallocate(fd, FALLOC_KEEP_SIZE, 100_000, 50_000)
        assert os.fstat(fd).st_size == 100_000
        fallocate(fd, 0, 100_000, 10)
        assert f.read_bytes() == b"x" * 100_000 + bytes(10)


def test_punch_hole(folder):
    with open(folder / "f", "w+b", buffering=0) as file:
        os.write(file.fileno(), b"x" * 100_000)
        try:
            fallocate(file.fileno(), FALLOC_KEEP_SIZE | FALLOC_PUNCH_HOLE, 1000, 50_000)
        except OSError as error:  # a disk may refuse it; it must not do something else
            assert error.errno == errno.EOPNOTSUPP
            assert (folder / "f").read_bytes() == b"x" * 100_000
        else:
            assert (folder / "f").read_bytes() == b"x" * 1000 + bytes(50_000) + b"x" * 49_000


def test_copy_file_range(folder):
    data = pattern(2_000_003)
    (folder / "a").write_bytes(data)
    with open(folder / "a", "rb") as a, open(folder / "b", "wb") as b:
        left = 1 << 62  # as cp asks
        while copied := os.copy_file_range(a.fileno(), b.fileno(), min(left, (1 << 31) - 4096)):
            left -= copied
    assert (folder / "b").read_bytes() == data
    with open(folder / "a", "rb") as a, open(folder / "b", "r+b") as b:
        assert os.copy_file_range(a.fileno(), b.fileno(), 1000, 500, 1_000_000) == 1000
    expected = data[:1_000_000] + data[500:1500] + data[1_001_000:]
    assert (folder / "b").read_bytes() == expected
    with open(folder / "a", "r+b") as a:
        with raises(errno.EINVAL):  # the ranges overlap
            os.copy_file_range(a.fileno(), a.fileno(), 1000, 0, 500)


def test_seek_data_and_hole_tell_no_lie(folder):
    """Whatever extents are reported, no data may lie in a hole: cp and tar skip holes."""
    f = folder / "f"
    with open(f, "w+b", buffering=0) as file:
        fd = file.fileno()
        os.pwrite(fd, b"A" * 5000, 0)
        os.pwrite(fd, b"B" * 5000, 3_000_000)
        data, position = bytearray(os.fstat(fd).st_size), 0
        while position < len(data):
            try:
                start = os.lseek(fd, position, os.SEEK_DATA)
            except OSError as error:
                assert error.errno == errno.ENXIO
                break
            end = os.lseek(fd, start, os.SEEK_HOLE)
            data[start:end] = os.pread(fd, end - start, start)
            position = end
        assert data == f.read_bytes()


# Mapping.


def test_private_mapping_does_not_write_back(folder):
    data = pattern(1_000_000)
    (folder / "f").write_bytes(data)
    with open(folder / "f", "rb") as file:
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as mapped:
            assert mapped[:] == data
            mapped[10:20] = b"0123456789"
            assert mapped[10:20] == b"0123456789"
    assert (folder / "f").read_bytes() == data


def test_shared_mapping_writes_back(folder):
    expected = bytearray(pattern(1_000_000))
    (folder / "f").write_bytes(expected)
    with open(folder / "f", "r+b") as file:
        mapped = mmap.mmap(file.fileno(), 0)
    for offset in (0, 4090, 500_000, 999_990):
        mapped[offset : offset + 10] = b"0123456789"
        expected[offset : offset + 10] = b"0123456789"
    mapped.flush()
    assert (folder / "f").read_bytes() == expected
    mapped.close()
    assert (folder / "f").read_bytes() == expected


def test_shared_mapping_of_a_committed_file(folder):
    expected = bytearray(pattern(1_000_000))
    (folder / "f").write_bytes(expected)
    wait_if_mounted(folder)
    with open(folder / "f", "r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        mapped[600_000:600_005] = b"patch"
        mapped.flush()
    expected[600_000:600_005] = b"patch"
    assert (folder / "f").read_bytes() == expected


def test_writes_are_seen_through_a_mapping(folder):
    (folder / "f").write_bytes(b"x" * 10_000)
    with open(folder / "f", "r+b", buffering=0) as file, mmap.mmap(file.fileno(), 0) as mapped:
        os.pwrite(file.fileno(), b"seen", 5000)
        assert mapped[4999:5005] == b"xseenx"


# Durability calls, locks, times, modes, attributes.


def test_fsync_of_files_and_folders(folder):
    fd = os.open(folder / "f", os.O_CREAT | os.O_RDWR)
    os.write(fd, b"durable")
    os.fsync(fd)
    os.fdatasync(fd)
    os.close(fd)
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(fd)
    assert libc.syncfs(fd) == 0
    os.close(fd)
    assert (folder / "f").read_bytes() == b"durable"


def test_flock_and_fcntl_locks_exclude_another_process(folder):
    f = folder / "f"
    f.write_bytes(b"locked")
    probe = (
        "import fcntl,sys\n"
        "f=open(sys.argv[1],'r+b')\n"
        "try: fcntl.{0}(f, fcntl.LOCK_EX|fcntl.LOCK_NB)\n"
        "except OSError: sys.exit(5)\n"
    )
    for call in ("flock", "lockf"):
        ask = [sys.executable, "-c", probe.format(call), f]
        with open(f, "r+b") as holder:
            getattr(fcntl, call)(holder, fcntl.LOCK_EX)
            assert subprocess.run(ask).returncode == 5
        assert subprocess.run(ask).returncode == 0


def test_times_are_kept_to_the_nanosecond(folder):
    (folder / "f").write_bytes(b"x")
    os.utime(folder / "f", ns=(1_500_000_000_123_456_789, 1_600_000_000_987_654_321))
    times = (folder / "f").stat()
    assert times.st_mtime_ns == 1_600_000_000_987_654_321
    assert times.st_atime_ns == 1_500_000_000_123_456_789
    (folder / "d").mkdir()
    os.utime(folder / "d", ns=(0, 0))
    assert (folder / "d").stat().st_mtime_ns == 0
    os.utime(folder / "f", ns=(-1_000_000_000, -1_000_000_000))  # before 1970
    assert (folder / "f").stat().st_mtime_ns == -1_000_000_000


def test_file_times_follow_writes(folder):
    f = folder / "f"
    f.write_bytes(b"x")
    os.utime(f, (0, 0))
    before = time.time()
    with open(f, "ab") as file:
        file.write(b"y")
    assert f.stat().st_mtime >= before - 1
    assert f.stat().st_ctime >= before - 1


def test_folder_mtime_follows_its_names_only(folder):
    """Trainers delete the oldest checkpoint folder by this time."""
    d = folder / "d"
    d.mkdir()
    (d / "f").write_bytes(b"x")

    def changes(act):
        os.utime(d, (1000, 1000))
        act()
        return d.stat().st_mtime != 1000

    assert changes(lambda: (d / "new").write_bytes(b""))
    assert changes(lambda: os.rename(d / "new", d / "newer"))
    assert changes(lambda: os.unlink(d / "newer"))
    assert changes(lambda: (d / "sub").mkdir())
    assert changes(lambda: os.rmdir(d / "sub"))
    assert changes(lambda: os.symlink("f", d / "l"))
    assert changes(lambda: os.link(d / "f", d / "hard"))
    assert not changes(lambda: (d / "f").write_bytes(b"other bytes"))
    assert not changes(lambda: os.chmod(d / "f", 0o600))


def test_modes(folder):
    f = folder / "f"
    f.write_bytes(b"x")
    for mode in (0o600, 0o644, 0o755, 0o444):
        os.chmod(f, mode)
        assert stat.S_IMODE(f.stat().st_mode) == mode
    fd = os.open(folder / "made", os.O_CREAT | os.O_WRONLY, 0o600)
    os.fchmod(fd, 0o640)
    os.close(fd)
    assert stat.S_IMODE((folder / "made").stat().st_mode) == 0o640
    old = os.umask(0o027)
    try:
        os.mkdir(folder / "d", 0o777)
        os.close(os.open(folder / "masked", os.O_CREAT | os.O_WRONLY, 0o666))
    finally:
        os.umask(old)
    assert stat.S_IMODE((folder / "d").stat().st_mode) == 0o750
    assert stat.S_IMODE((folder / "masked").stat().st_mode) == 0o640


def test_writing_through_a_handle_made_with_a_read_only_mode(folder):
    """git writes its objects so."""
    fd = os.open(folder / "object", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o444)
    os.write(fd, b"object")
    os.close(fd)
    assert (folder / "object").read_bytes() == b"object"
    assert stat.S_IMODE((folder / "object").stat().st_mode) == 0o444


@pytest.mark.skipif(os.geteuid() != 0, reason="chown needs root")
def test_owner(folder):
    (folder / "f").write_bytes(b"x")
    os.chown(folder / "f", 1234, 2345)
    assert ((folder / "f").stat().st_uid, (folder / "f").stat().st_gid) == (1234, 2345)
    os.chown(folder / "f", -1, 99)
    assert ((folder / "f").stat().st_uid, (folder / "f").stat().st_gid) == (1234, 99)


def test_owner_stays_for_who_may_not_change_it(folder):
    (folder / "f").write_bytes(b"x")
    os.chown(folder / "f", os.geteuid(), os.getegid())
    assert (folder / "f").stat().st_uid == os.geteuid()


def test_extended_attributes(folder):
    for target in (folder / "f", folder / "d"):
        target.mkdir() if target.name == "d" else target.write_bytes(b"x")
        os.setxattr(target, "user.note", b"first")
        os.setxattr(target, "user.note", b"second", os.XATTR_REPLACE)
        os.setxattr(target, "user.empty", b"")
        assert os.getxattr(target, "user.note") == b"second"
        assert os.getxattr(target, "user.empty") == b""
        assert {"user.note", "user.empty"} <= set(os.listxattr(target))
        with raises(errno.EEXIST):
            os.setxattr(target, "user.note", b"x", os.XATTR_CREATE)
        os.removexattr(target, "user.note")
        with raises(errno.ENODATA):
            os.getxattr(target, "user.note")
        with raises(errno.ENODATA):
            os.removexattr(target, "user.note")
        with raises(errno.ENODATA):
            os.setxattr(target, "user.absent", b"x", os.XATTR_REPLACE)


def test_blocks_are_of_the_logical_size(folder):
    """A smaller count sends cp and tar looking for holes."""
    (folder / "f").write_bytes(pattern(1_000_000))
    fd = os.open(folder / "f", os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)
    assert (folder / "f").stat().st_blocks * 512 >= 1_000_000
    size = (folder / "f").stat().st_blksize
    assert size & (size - 1) == 0


def test_statfs(folder):
    space = os.statvfs(folder)
    assert space.f_namemax == 255
    assert 0 < space.f_bavail <= space.f_blocks
    assert space.f_frsize > 0


def test_access(folder):
    (folder / "f").write_bytes(b"x")
    assert os.access(folder, os.R_OK | os.W_OK | os.X_OK)
    assert os.access(folder / "f", os.R_OK | os.W_OK)
    assert not os.access(folder / "f", os.X_OK)
    assert not os.access(folder / "absent", os.F_OK)


def test_inode_numbers_are_stable(folder):
    (folder / "f").write_bytes(b"x")
    number = (folder / "f").stat().st_ino
    os.rename(folder / "f", folder / "g")
    wait_if_mounted(folder)
    assert (folder / "g").stat().st_ino == number
    assert {e.name: e.inode() for e in os.scandir(folder)} == {"g": number}


def test_special_files(folder):
    os.mkfifo(folder / "pipe", 0o600)
    assert stat.S_ISFIFO((folder / "pipe").lstat().st_mode)
    os.mknod(folder / "socket", 0o600 | stat.S_IFSOCK)
    assert stat.S_ISSOCK((folder / "socket").lstat().st_mode)
    os.unlink(folder / "pipe")
    os.unlink(folder / "socket")
    assert os.listdir(folder) == []


# What only a mount has.


@pytest.fixture(scope="module")
def committed(shared):
    """A commit that the tests below try to change."""
    base = shared.branch("main") / "committed"
    (base / "sub").mkdir(parents=True)
    (base / "f").write_bytes(b"contents")
    (base / "sub/g").write_bytes(b"more")
    os.symlink("f", base / "link")
    return shared.at(shared.commit("something to look at")) / "committed"


MUTATIONS = {
    "open to write": lambda c: os.open(c / "f", os.O_WRONLY),
    "open to read and write": lambda c: os.open(c / "f", os.O_RDWR),
    "open to append": lambda c: os.open(c / "f", os.O_WRONLY | os.O_APPEND),
    "open and truncate": lambda c: os.open(c / "f", os.O_WRONLY | os.O_TRUNC),
    "create": lambda c: os.open(c / "new", os.O_CREAT | os.O_WRONLY),
    "create in a sub-folder": lambda c: os.open(c / "sub/new", os.O_CREAT | os.O_WRONLY),
    "truncate": lambda c: os.truncate(c / "f", 0),
    "unlink": lambda c: os.unlink(c / "f"),
    "mkdir": lambda c: os.mkdir(c / "new"),
    "rmdir": lambda c: os.rmdir(c / "sub"),
    "rename": lambda c: os.rename(c / "f", c / "renamed"),
    "rename a folder": lambda c: os.rename(c / "sub", c / "renamed"),
    "symlink": lambda c: os.symlink("f", c / "new"),
    "link": lambda c: os.link(c / "f", c / "new"),
    "chmod": lambda c: os.chmod(c / "f", 0o600),
    "chown": lambda c: os.chown(c / "f", 0, 0),
    "utime": lambda c: os.utime(c / "f", (0, 0)),
    "utime of the folder": lambda c: os.utime(c, (0, 0)),
    "setxattr": lambda c: os.setxattr(c / "f", "user.x", b"x"),
    "removexattr": lambda c: os.removexattr(c / "f", "user.weightfs.sha256"),
    "mkfifo": lambda c: os.mkfifo(c / "new"),
    "a file without a name": lambda c: os.open(c, os.O_TMPFILE | os.O_WRONLY),
    "rename of the commit": lambda c: os.rename(c.parent, c.parent.parent / "renamed"),
    "mkdir in the commit": lambda c: os.mkdir(c.parent / "new"),
}


@pytest.mark.parametrize("what", MUTATIONS)
def test_a_commit_refuses_every_mutation(committed, what):
    before = wfs.listing(committed)
    with raises(errno.EROFS):
        MUTATIONS[what](committed)
    assert wfs.listing(committed) == before
    assert (committed / "f").read_bytes() == b"contents"


def test_names_do_not_move_between_branches(shared):
    other = shared.mnt / "other-branch"
    other.mkdir()
    (shared.branch("main") / "moves").write_bytes(b"x")
    with raises(errno.EXDEV):
        os.rename(shared.branch("main") / "moves", other / "moves")
    with raises(errno.EXDEV):
        os.link(shared.branch("main") / "moves", other / "moves")
    assert (shared.branch("main") / "moves").read_bytes() == b"x"
    wfs.run("mv", shared.branch("main") / "moves", other / "moves")  # copies and deletes
    assert (other / "moves").read_bytes() == b"x"


def test_a_commit_can_be_mapped(committed):
    with open(committed / "f", "rb") as file:
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            assert mapped[:] == b"contents"
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as mapped:
            mapped[0:1] = b"X"
            assert mapped[:] == b"Xontents"
