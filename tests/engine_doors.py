"""An engine's server in a thread, around any editor: for tests of the wire that need no second process."""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from consent_edit.pipelines.engine import frames, place
from consent_edit.pipelines.engine.client import EngineClient
from consent_edit.pipelines.engine.messages import MAX_TOLD, TOLD
from consent_edit.pipelines.engine.server import EngineServer


@dataclass
class Door:
    """A server that runs, a client of it, and raw lines to it."""

    server: EngineServer
    client: EngineClient
    path: Path

    def line(self, data: bytes = b"") -> socket.socket:
        """A raw connection on which something was said."""
        line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        line.settimeout(20)
        line.connect(str(self.path))
        line.sendall(data)
        return line

    def silent(self, data: bytes) -> bool:
        """Whether the engine hangs up on that without a word."""
        with self.line() as line:
            try:
                line.sendall(data)
                return line.recv(1) == b""
            except (BrokenPipeError, ConnectionResetError):
                return True


def answer(line: socket.socket, seconds: float = 20.0):
    """The next head that the engine sends, and the bytes behind it."""
    import time

    until = time.monotonic() + seconds
    head = frames.receive_head(line, TOLD, MAX_TOLD, until)
    return head, frames.receive(line, getattr(head, "length", 0), until)


@contextmanager
def door(editor: object, **more: object) -> Iterator[Door]:
    """Serve an editor until the block ends."""
    with tempfile.TemporaryDirectory(prefix="ce-") as folder:
        path = Path(folder, "own", "engine.sock")
        listener = place.listening(path)
        server = EngineServer(editor, listener, **more)  # type: ignore[arg-type]
        thread = threading.Thread(target=server.serve, daemon=True)
        thread.start()
        try:
            yield Door(server, EngineClient(path, deadline_s=60), path)
        finally:
            server.stop()
            thread.join(10)
            listener.close()
