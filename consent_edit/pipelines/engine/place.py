"""Where the engine listens: a socket that others cannot reach, in a folder that others cannot enter."""

from __future__ import annotations

import os
import socket
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from consent_edit.errors import InputError

_LONGEST: Final = 107
"""Bytes of a Unix socket's path (unix(7))."""

_BACKLOG: Final = 64
_PROBE_S: Final = 2.0


def listening(path: Path, *, group: int | None = None) -> socket.socket:
    """A listening socket at a path; one that nobody listens on any more is replaced.

    Args:
        path: In a folder that is made where there is none.
        group: Its members may reach the socket too; by default its owner alone.

    Raises:
        InputError: ``input.socket``: the path is too long, its folder belongs to somebody else or can be
            written by others, something else lies there, or an engine listens there already.
    """
    if len(os.fsencode(path)) > _LONGEST:
        raise _unusable(f"the path is longer than {_LONGEST} bytes")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _own_folder(path.parent, group)
        _cleared(path)
        old = os.umask(0o777)  # nobody reaches it until it is ready
        try:
            listener.bind(str(path))
        finally:
            os.umask(old)
        if group is not None:
            os.chown(path, -1, group)
        path.chmod(0o600 if group is None else 0o660)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise _unusable(f"{path}: {error.strerror}") from error
    except BaseException:
        listener.close()
        raise
    return listener


def removed(path: Path) -> None:
    """Take the socket away."""
    with suppress(OSError):
        path.unlink()


def _own_folder(folder: Path, group: int | None) -> None:
    """The socket's folder: made for it, or one of our own that lets nobody else in."""
    mode = 0o700 if group is None else 0o750
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700, parents=True)
    found = folder.lstat()  # who owns a link can lead the hosts elsewhere later
    if found.st_uid != os.geteuid() or not stat.S_ISDIR(found.st_mode):
        raise _unusable(f"{folder} belongs to somebody else")
    open_to = stat.S_IMODE(found.st_mode) & ~mode
    if group is not None and found.st_gid != group:
        os.chown(folder, -1, group)
    if open_to or group is not None:
        if any(folder.iterdir()) and open_to:
            raise _unusable(f"{folder} is open to others")
        folder.chmod(mode)


def _cleared(path: Path) -> None:
    """Remove a socket that a dead engine left; never a file, never a living engine's socket."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise _unusable(f"{path} is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PROBE_S)  # a living one whose queue is full does not answer
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:  # and nothing else says that nobody listens
            path.unlink()
            return
        except OSError:
            pass
    raise _unusable(f"an engine listens at {path} already")


def _unusable(why: str) -> InputError:
    return InputError(
        f"the engine cannot listen there: {why}",
        code="input.socket",
        remedy="name a path in a folder of the engine's own, such as /run/consent-edit/engine.sock",
    )
