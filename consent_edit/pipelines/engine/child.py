"""The engine process: loads what it serves, says so, and then takes requests until its keeper is gone."""

from __future__ import annotations

import os
import resource
import socket
import threading
import time
from typing import Final

from pydantic import ValidationError

from consent_edit import core_dumps
from consent_edit.errors import ConsentEditError
from consent_edit.pipelines.engine.server import EngineServer
from consent_edit.pipelines.engine.setup import EngineSetup, loaded

READY: Final = b"+"
BEAT: Final = b"."
FAILED: Final = b"!"
"""First byte of what is said of a failed start; code and message follow, a line each."""

BEAT_S: Final = 0.5
_MAX_SETUP: Final = 1 << 20


def serve(keeper: int, listener: int, deadline_ms: int) -> None:
    """The engine's life.

    Args:
        keeper: File descriptor of the line to who started it: the setup comes in, beats go out.
        listener: File descriptor of the socket to listen on.
        deadline_ms: An edit that runs longer stops the beats, and with them the engine.
    """
    core_dumps.forbid()
    line = socket.socket(fileno=keeper)
    door = socket.socket(fileno=listener)
    setup = _told(line)
    if setup is None:
        return
    threading.Thread(target=_end_with_keeper, args=(line,), daemon=True).start()
    if setup.memory:  # the soft limit alone: perception's process sets its own
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (setup.memory, hard))
    try:
        editor = loaded(setup)
        server = EngineServer(editor, door, uids=setup.uids)
    except ConsentEditError as error:
        line.sendall(FAILED + f"{error.code}\n{error.message}\n{error.remedy}".encode("utf-8", "replace"))
        return
    threading.Thread(target=_beat, args=(line, server, deadline_ms / 1000), daemon=True).start()
    server.serve()


def _told(line: socket.socket) -> EngineSetup | None:
    """What to serve; nothing where the keeper is gone before it said so."""
    parts = b""
    while not parts.endswith(b"\n"):
        part = line.recv(1 << 16)
        if not part or len(parts) > _MAX_SETUP:
            return None
        parts += part
    try:
        return EngineSetup.model_validate_json(parts, strict=True)
    except ValidationError:
        return None


def _beat(line: socket.socket, server: EngineServer, deadline_s: float) -> None:
    """Say that it lives, as long as no edit runs past its deadline."""
    try:
        line.sendall(READY)
        while server.busy_s < deadline_s:
            time.sleep(BEAT_S)
            line.sendall(BEAT)
    except OSError:
        os._exit(0)


def _end_with_keeper(line: socket.socket) -> None:
    """Leave when the keeper is gone, in the middle of an edit as well: the next engine's log says so."""
    while True:
        try:
            if not line.recv(1):
                break
        except OSError:
            break
    os._exit(0)
