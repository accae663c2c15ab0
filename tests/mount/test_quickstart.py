"""packaging/quickstart refuses what cannot work before it installs or builds anything."""

import pathlib
import subprocess

import pytest
import repository as wfs

QUICKSTART = pathlib.Path(__file__).parents[2] / "packaging/quickstart"


def refused(*args, status=1):
    done = wfs.run(QUICKSTART, *args, status=status, timeout=20)
    assert done.stderr.strip() and not done.stdout
    return done.stderr


@pytest.mark.parametrize("args", [[], ["a", "b", "c"], ["--help"]], ids=["none", "three", "help"])
def test_usage(args):
    assert "packaging/quickstart MOUNTPOINT [REPOSITORY]" in refused(*args, status=2)


def test_a_mount_point_that_is_a_file(scratch):
    (scratch / "file").write_text("x")
    assert str(scratch / "file") in refused(scratch / "file", scratch / "repository")


def test_a_mount_point_that_is_not_empty(scratch):
    (scratch / "full").mkdir()
    (scratch / "full/x").write_text("x")
    told = refused(scratch / "full", scratch / "repository")
    assert "not empty" in told and str(scratch / "full") in told


def test_a_repository_inside_its_own_mount_point(scratch):
    assert "inside" in refused(scratch / "mnt", scratch / "mnt/repository")


def test_a_mount_point_of_another_filesystem():
    assert "already a mount point" in refused("/proc")


def test_a_repository_that_is_mounted_there_already(repo):
    """The second run of quickstart says so and succeeds."""
    done = subprocess.run([QUICKSTART, repo.mnt], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    assert "already mounted" in done.stderr and str(repo.mnt) in done.stdout
