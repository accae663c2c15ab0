"""Random operations, commits and reopens against a folder of the plain disk as the reference.

Every operation is done on both; results, error numbers and what both then show must be the same. Each
commit is remembered as a copy of the reference and compared at the end, after reopening.
WEIGHTFS_SEED=N replays one sequence; WEIGHTFS_SEQUENCES says how many to run. With WEIGHTFS_PLAIN=1
the disk is compared with itself.
"""

import errno
import mmap
import os
import pathlib
import random
import shutil
import stat

import pytest
import repository as wfs
from users import link_open_file, renameat2

SEQUENCES = int(os.environ.get("WEIGHTFS_SEQUENCES", "15"))
OPERATIONS = 60
NAMES = ["a", "b", "c", "weights.bin", "model.safetensors", ".tmpx"]
FOLDERS = ["", "d", "e", "d/f"]
SIZES = [0, 1, 10, 4095, 4096, 5000, 70_000, 262_144, 262_145, 700_000, 1_200_000]


class Sequence:
    """One sequence of operations on two folders: `real`, the mount, and `reference`, the disk."""

    def __init__(self, seed, real, reference):
        self.random = random.Random(seed)
        self.real, self.reference = pathlib.Path(real), pathlib.Path(reference)
        self.done = []

    def path(self):
        """A file that is there, most often; else any of the names."""
        if self.random.random() < 0.7:
            files = [
                name for name, (kind, _) in wfs.listing(self.reference).items() if kind != "folder"
            ]
            if files:
                return self.random.choice(files)
        return self.new_path()

    def new_path(self):
        return os.path.join(self.random.choice(FOLDERS), self.random.choice(NAMES))

    def any_path(self):
        return self.random.choice(FOLDERS[1:]) if self.random.random() < 0.3 else self.new_path()

    def data(self, limit=None):
        size = min(self.random.choice(SIZES), limit or 1 << 30)
        if self.random.random() < 0.3:
            return bytes([self.random.randrange(256)]) * size
        return self.random.randbytes(size)

    def both(self, text, act):
        """Do it on both sides; the same value or the same error."""
        self.done.append(text)
        outcomes = []
        for top in (self.reference, self.real):
            try:
                outcomes.append(("ok", act(top)))
            except OSError as error:
                outcomes.append(("error", errno.errorcode.get(error.errno, error.errno)))
        if outcomes[0] != outcomes[1]:
            shown = [
                (kind, value if not isinstance(value, bytes) else f"{len(value)} bytes")
                for kind, value in outcomes
            ]
            raise AssertionError(
                f"{text}: the disk says {shown[0]}, the mount {shown[1]}\n"
                + "\n".join(self.done[-25:])
            )

    def step(self):
        operations = [
            (8, self.write),
            (6, self.patch),
            (5, self.append),
            (4, self.truncate),
            (4, self.unlink),
            (5, self.rename),
            (4, self.mkdir),
            (2, self.rmdir),
            (2, self.link),
            (2, self.symlink),
            (2, self.chmod),
            (2, self.utime),
            (6, self.read),
            (2, self.map_write),
            (2, self.list),
            (3, self.save),
            (1, self.copy_range),
            (1, self.write_after_unlink),
            (2, self.exchange),
            (2, self.link_into_place),
        ]
        self.random.choices([o for _, o in operations], [w for w, _ in operations])[0]()

    def write(self):
        path, data = self.random.choice([self.path, self.new_path])(), self.data()
        self.both(f"write {path} {len(data)}", lambda top: (top / path).write_bytes(data))

    def patch(self):
        path, pieces = self.path(), [
            (self.random.choice(SIZES) + self.random.randrange(5), self.data(9000))
            for _ in range(self.random.randrange(1, 5))
        ]

        def act(top):
            with open(top / path, "r+b", buffering=0) as file:
                for offset, data in pieces:
                    os.pwrite(file.fileno(), data, offset)
                return os.pread(file.fileno(), 10_000, pieces[0][0])

        self.both(f"patch {path} {[(o, len(d)) for o, d in pieces]}", act)

    def append(self):
        path, data = self.path(), self.data(70_000)

        def act(top):
            with open(top / path, "ab", buffering=0) as file:
                return file.write(data)

        self.both(f"append {path} {len(data)}", act)

    def truncate(self):
        path, size = self.path(), self.random.choice(SIZES)
        self.both(f"truncate {path} {size}", lambda top: os.truncate(top / path, size))

    def unlink(self):
        path = self.random.choice([self.path, self.any_path])()
        self.both(f"unlink {path}", lambda top: os.unlink(top / path))

    def rename(self):
        a, b = self.random.choice([self.path, self.any_path])(), self.any_path()
        self.both(f"rename {a} {b}", lambda top: os.rename(top / a, top / b))

    def exchange(self):
        a, b = self.path(), self.any_path()
        self.both(f"exchange {a} {b}", lambda top: renameat2(top / a, top / b, 2))

    def link_into_place(self):
        path, data = self.new_path(), self.data(300_000)

        def act(top):
            flags = os.O_TMPFILE | os.O_WRONLY
            with open(os.open((top / path).parent, flags, 0o644), "wb", buffering=0) as file:
                file.write(data)
                link_open_file(file.fileno(), top / path)

        self.both(f"link into place {path} {len(data)}", act)

    def mkdir(self):
        path = self.random.choice([f for f in FOLDERS if f])
        self.both(f"mkdir {path}", lambda top: os.mkdir(top / path))

    def rmdir(self):
        path = self.any_path()
        self.both(f"rmdir {path}", lambda top: os.rmdir(top / path))

    def link(self):
        a, b = self.path(), self.new_path()
        self.both(f"link {a} {b}", lambda top: os.link(top / a, top / b))

    def symlink(self):
        target, path = self.random.choice(NAMES), self.new_path()
        self.both(f"symlink {target} {path}", lambda top: os.symlink(target, top / path))

    def chmod(self):
        path, mode = self.random.choice([self.path, self.any_path])(), self.random.choice(
            [0o600, 0o644, 0o755, 0o700]
        )
        self.both(f"chmod {path} {mode:o}", lambda top: os.chmod(top / path, mode))

    def utime(self):
        path, when = self.random.choice([self.path, self.any_path])(), self.random.randrange(
            1 << 60
        )
        self.both(
            f"utime {path} {when}",
            lambda top: (os.utime(top / path, ns=(when, when)), (top / path).stat().st_mtime_ns)[1],
        )

    def read(self):
        path, offset, length = self.path(), self.random.choice(SIZES), self.random.choice(SIZES)

        def act(top):
            with open(top / path, "rb", buffering=0) as file:
                return os.pread(file.fileno(), length, offset), os.fstat(file.fileno()).st_size

        self.both(f"read {path} {offset}+{length}", act)

    def map_write(self):
        path, at, data = self.path(), self.random.random(), self.data(5000)

        def act(top):
            with open(top / path, "r+b") as file:
                size = os.fstat(file.fileno()).st_size
                if size == 0:
                    return 0
                with mmap.mmap(file.fileno(), 0) as mapped:
                    start = int(at * size)
                    part = data[: size - start]
                    mapped[start : start + len(part)] = part
                    return start

        self.both(f"map and write {path} {len(data)}", act)

    def list(self):
        path = self.random.choice(FOLDERS)
        self.both(f"list {path}", lambda top: sorted(os.listdir(top / path)))

    def save(self):
        """As safetensors does: write a temporary file, rename it over the target while it is open."""
        path, data = self.random.choice([self.path, self.new_path])(), self.data()

        def act(top):
            temporary = (top / path).parent / ".tmpsave"
            with open(temporary, "wb", buffering=0) as file:
                file.truncate(len(data))
                file.write(data)
                try:
                    os.rename(temporary, top / path)
                except OSError:
                    os.unlink(temporary)
                    raise

        self.both(f"save {path} {len(data)}", act)

    def copy_range(self):
        a, b, start, to = (
            self.path(),
            self.path(),
            self.random.choice(SIZES),
            self.random.choice(SIZES),
        )

        def act(top):
            with open(top / a, "rb") as source, open(top / b, "r+b") as target:
                if os.path.samefile(top / a, top / b):
                    return 0
                total = 0
                while copied := os.copy_file_range(
                    source.fileno(), target.fileno(), 50_000 - total, start + total, to + total
                ):
                    total += copied
                return total

        self.both(f"copy_file_range {a} {start} {b} {to}", act)

    def write_after_unlink(self):
        path, data = self.path(), self.data()

        def act(top):
            with open(top / path, "r+b", buffering=0) as file:
                os.unlink(top / path)
                file.write(data)
                return os.pread(file.fileno(), 1000, len(data) // 2)

        self.both(f"write after unlink {path} {len(data)}", act)

    def compare(self, shown=None, reference=None):
        shown, reference = shown or self.real, reference or self.reference
        try:
            wfs.assert_same_tree(
                reference,
                shown,
                ignore=(
                    self.temporary(reference) | self.temporary(shown) if shown != self.real else ()
                ),
            )
            if shown == self.real:
                for name in wfs.listing(reference):
                    x, y = (reference / name).lstat(), (shown / name).lstat()
                    assert stat.S_IMODE(x.st_mode) == stat.S_IMODE(y.st_mode), f"mode of {name}"
                    if not stat.S_ISDIR(x.st_mode):
                        assert x.st_nlink == y.st_nlink, f"links of {name}"
        except (AssertionError, OSError) as error:
            raise AssertionError(f"{error}\n" + "\n".join(self.done[-25:])) from error

    @staticmethod
    def temporary(top):
        """Temporary names, and what lies below them: never in a commit."""
        return {
            name
            for name in wfs.listing(top)
            if any(part.startswith(".tmp") for part in name.split("/"))
        }


def run_sequence(seed, repo, branch, scratch, operations=OPERATIONS):
    reference = scratch / branch
    reference.mkdir()
    real = repo.branch(branch) if repo else scratch / f"{branch}-itself"
    real.mkdir()
    sequence = Sequence(seed, real, reference)
    committed = {}
    for n in range(operations):
        sequence.step()
        if not repo:
            continue
        dice = sequence.random.random()
        if dice < 0.08:
            commit = repo.commit(f"{branch} step {n}", branch=branch)
            sequence.done.append(f"commit {commit[:12]}")
            committed[commit] = wfs.copy_plain(reference, scratch / f"{branch}-{n}")
        elif dice < 0.10:
            sequence.done.append("reopen")
            repo.remount()
        elif dice < 0.12:
            sequence.done.append("compare")
            sequence.compare()
    sequence.compare()
    for commit, copy in committed.items():
        sequence.compare(repo.at(commit), copy)
    return committed, sequence


def seeds():
    if "WEIGHTFS_SEED" in os.environ:
        return [int(os.environ["WEIGHTFS_SEED"])]
    top = random.SystemRandom().randrange(1 << 31)
    return [top + n for n in range(SEQUENCES)]


@pytest.mark.timeout(int(max(120, SEQUENCES * 12) * wfs.SLOW))
@pytest.mark.parametrize("capture", ["manual", "settle"])
def test_random_operations(request, scratch, capture):
    """Ten sequences share one repository, each has a branch of its own."""
    plain = os.environ.get("WEIGHTFS_PLAIN") == "1"
    wanted = seeds()
    if len(wanted) > 1:
        wanted = wanted[::2] if capture == "manual" else wanted[1::2]
    for start in range(0, len(wanted), 10):
        repo = None
        if not plain:
            repo = wfs.Repository(scratch / f"at-{start}", ["--capture", capture])
            repo.root.mkdir()
            repo.init().mount()
        everything = []
        try:
            for n, seed in enumerate(wanted[start : start + 10]):
                print(f"replay with WEIGHTFS_SEED={seed}")
                everything.append(run_sequence(seed, repo, f"seq{n}", scratch))
            if repo:
                repo.quiet()
                repo.remount()
                shutil.rmtree(repo.path / "cache", ignore_errors=True)
                for n, (committed, sequence) in enumerate(everything):
                    print(f"after encoding, replay with WEIGHTFS_SEED={wanted[start + n]}")
                    for commit, copy in committed.items():
                        sequence.compare(repo.at(commit), copy)
                    sequence.compare()
        except BaseException:
            if repo:
                print(repo.log()[-4000:])
                repo.dispose(check=False)
            raise
        if repo:
            wrong = repo.dispose()
            assert not wrong, "\n".join(wrong)
        for entry in scratch.iterdir():
            shutil.rmtree(entry)
