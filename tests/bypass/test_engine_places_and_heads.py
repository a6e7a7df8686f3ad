"""Attacks on the engine's place and on its memory: linked folders, sockets that do not answer, wide heads."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from consent_edit.errors import InputError
from consent_edit.pipelines.engine import frames, place
from consent_edit.pipelines.engine.messages import ASKED

SOON_S = 20.0


def test_folder_that_is_somebodys_link(tmp_path):
    """Who owns the link could lead hosts to a socket of his own later; its target is left as it is."""
    own = tmp_path / "own"
    own.mkdir(mode=0o755)
    (tmp_path / "link").symlink_to(own)
    with pytest.raises(InputError) as refused:
        place.listening(tmp_path / "link" / "engine.sock")
    assert refused.value.code == "input.socket"
    assert own.stat().st_mode & 0o777 == 0o755 and not list(own.iterdir())


@pytest.fixture
def path(tmp_path):
    folder = tmp_path / "own"
    folder.mkdir(mode=0o700)
    return folder / "engine.sock"


def test_living_engine_with_a_full_queue(path, monkeypatch):
    """Neither is its socket taken, nor does the second engine wait for it without end."""
    monkeypatch.setattr(place, "_PROBE_S", 0.2)
    ended: list[Exception] = []

    def start():
        try:
            place.listening(path).close()
        except InputError as error:
            ended.append(error)

    waiting = []
    with socket.socket(socket.AF_UNIX) as living:
        living.bind(str(path))
        living.listen(0)
        try:
            while True:
                line = socket.socket(socket.AF_UNIX)
                line.setblocking(False)
                waiting.append(line)
                line.connect(str(path))
        except BlockingIOError:
            second = threading.Thread(target=start, daemon=True)
            second.start()
            second.join(SOON_S)
        assert len(ended) == 1 and path.is_socket()
    for line in waiting:
        line.close()


def test_living_engine_that_may_not_be_reached_yet(path, monkeypatch):
    """A socket that is being laid, and lets nobody in yet, is nobody's to replace."""

    class Closed(socket.socket):
        def connect(self, _):
            raise PermissionError

    with place.listening(path):
        monkeypatch.setattr(place.socket, "socket", Closed)
        with pytest.raises(InputError):
            place.listening(path)
        assert path.is_socket()


def test_wide_heads_sent_at_once(monkeypatch):
    """Heads are parsed one at a time, however many hosts send one: as objects they are many times as long."""
    inside, most = [], []
    genuine = frames.parse_json

    def parse(*arguments, **keywords):
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.05)
        inside.pop()
        return genuine(*arguments, **keywords)

    def hear(line):
        with pytest.raises(frames.Unframed):
            frames.receive_head(line, ASKED, 64, time.monotonic() + SOON_S)

    monkeypatch.setattr(frames, "parse_json", parse)
    pairs = [socket.socketpair() for _ in range(4)]
    hosts = [threading.Thread(target=hear, args=(theirs,)) for _, theirs in pairs]
    for host in hosts:
        host.start()
    for ours, _ in pairs:
        ours.sendall(frames._START.pack(frames.MAGIC, 2) + b"{}")
    for host in hosts:
        host.join()
    assert most == [1] * 4
    for one in (line for pair in pairs for line in pair):
        one.close()
