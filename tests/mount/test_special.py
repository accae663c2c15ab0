"""Pipes, sockets and files without a name in a working folder: they live there, survive what the
folder survives, and are no part of history.
"""

import errno
import os
import socket
import stat
import threading

import pytest
import repository as wfs
from test_posix import raises
from users import attempt, link_open_file, look


def test_a_pipe_carries_bytes(folder):
    os.mkfifo(folder / "pipe", 0o640)
    assert stat.S_ISFIFO((folder / "pipe").stat().st_mode)
    sender = threading.Thread(target=lambda: (folder / "pipe").write_bytes(b"through the pipe"))
    sender.start()
    assert (folder / "pipe").read_bytes() == b"through the pipe"
    sender.join()
    assert (folder / "pipe").stat().st_size == 0
    with raises(errno.EINVAL):
        os.truncate(folder / "pipe", 0)
    os.chmod(folder / "pipe", 0o600)
    os.rename(folder / "pipe", folder / "renamed")
    os.link(folder / "renamed", folder / "second name")
    assert look(folder / "second name")[0] == "prw-------"
    assert [entry.is_file() for entry in os.scandir(folder)] == [False, False]
    os.unlink(folder / "renamed")
    os.unlink(folder / "second name")
    assert os.listdir(folder) == []


def test_a_socket_is_connected_to(folder, monkeypatch):
    monkeypatch.chdir(folder)  # the names of sockets are short
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind("socket")
        assert stat.S_ISSOCK(os.stat("socket").st_mode)
        with raises(errno.EADDRINUSE):
            socket.socket(socket.AF_UNIX).bind("socket")
        listener.listen()
        client.connect("socket")
        with listener.accept()[0] as server:
            client.send(b"hello")
            assert server.recv(100) == b"hello"
    with raises(errno.ENXIO):
        os.open("socket", os.O_RDONLY)
    with raises(errno.ECONNREFUSED):
        socket.socket(socket.AF_UNIX).connect("socket")
    os.unlink("socket")


def test_pipes_and_sockets_are_not_history(repo, monkeypatch):
    main = repo.branch()
    (main / "f").write_bytes(b"history")
    first = repo.commit("first")
    os.mkfifo(main / "pipe")
    (main / "only pipes").mkdir()
    os.mkfifo(main / "only pipes/pipe")
    monkeypatch.chdir(main)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
    monkeypatch.undo()
    second = repo.commit("a folder, and no pipes")
    assert wfs.listing(repo.at(second)).keys() == {"f", "only pipes"}
    os.mkfifo(main / "another")
    os.unlink(main / "pipe")
    os.rename(main / "another", main / "pipe")
    assert repo.commit("nothing to commit") == second
    os.rename(main / "pipe", main / "f")  # the name goes out of history
    third = repo.commit("the pipe took the name")
    assert wfs.listing(repo.at(third)).keys() == {"only pipes"}
    assert (repo.at(first) / "f").read_bytes() == b"history"


@pytest.mark.parametrize("end", ["umount", "kill9"])
def test_pipes_and_sockets_survive_the_daemon(repo, end, monkeypatch):
    main = repo.branch()
    os.mkfifo(main / "pipe", 0o620)
    os.chmod(main / "pipe", 0o624)
    (main / "f").write_bytes(b"x")
    monkeypatch.chdir(main)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
    monkeypatch.undo()
    before = {name: look(main / name) for name in ("pipe", "socket", "f")}
    number = (main / "pipe").stat().st_ino
    folder = os.open(main, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
    getattr(repo, end)()
    repo.mount()
    assert {name: look(main / name) for name in os.listdir(main)} == before
    assert (main / "pipe").stat().st_ino == number
    assert wfs.listing(repo.at(repo.commit("after"))).keys() == {"f"}


def unnamed(folder, flags=os.O_RDWR):
    return open(os.open(folder, os.O_TMPFILE | flags, 0o644), "r+b", buffering=0)


def test_a_file_without_a_name_is_committed_once_it_has_one(repo):
    main = repo.branch()
    (main / "old").write_bytes(b"old")
    first = repo.commit("first")
    with unnamed(main) as file:
        file.write(b"one piece, ")
        assert os.listdir(main) == ["old"]
        assert repo.commit("nothing to commit") == first
        link_open_file(file.fileno(), main / "whole")
        file.write(b"and another")
    second = repo.commit("linked into place")
    assert (repo.at(second) / "whole").read_bytes() == b"one piece, and another"
    with unnamed(main) as file:
        file.write(b"never named" * 100_000)
        with open(file.fileno(), "rb", closefd=False) as reader:
            assert reader.seek(0) == 0 and reader.read(5) == b"never"
    assert repo.commit("nothing to commit") == second


@pytest.mark.parametrize("end", ["umount", "kill9"])
def test_a_file_linked_into_place_survives_the_daemon(repo, end):
    main = repo.branch()
    with unnamed(main) as file:
        file.write(b"w" * 3_000_000)
        os.fsync(file.fileno())
        link_open_file(file.fileno(), main / "linked")
        os.fsync(file.fileno())
    with unnamed(main) as lost:
        lost.write(b"x" * 3_000_000)
        os.fsync(lost.fileno())
    getattr(repo, end)()
    repo.mount()
    assert os.listdir(main) == ["linked"]
    assert (main / "linked").read_bytes() == b"w" * 3_000_000


def test_only_working_folders_take_them(repo):
    (repo.branch() / "f").write_bytes(b"x")
    commit = repo.at(repo.commit("one"))
    for act in (
        lambda: os.mkfifo(commit / "pipe"),
        lambda: unnamed(commit),
    ):
        assert attempt(act) == ("EROFS" if os.geteuid() == 0 else "EACCES")
    for act in (
        lambda: os.mkfifo(repo.mnt / "pipe"),
        lambda: unnamed(repo.mnt),
    ):
        assert attempt(act) == "EPERM"
    other = repo.mnt / "other"
    other.mkdir()
    with unnamed(repo.branch()) as file:
        assert attempt(link_open_file, file.fileno(), other / "linked") == "EXDEV"
        link_open_file(file.fileno(), repo.branch() / "linked")
