"""Reading from a socket no longer, and no more, than was agreed: for peers that dribble or never end."""

from __future__ import annotations

import io
import socket
import time
from collections.abc import Callable
from typing import Final

HEAD: Final = 64 * 1024
"""Bytes allowed for the head of a request or an answer."""


class BoundedReader(io.RawIOBase):
    """A socket's bytes, until a deadline for all of them and up to a budget for all of them.

    A socket's own timeout starts afresh with every byte, so a peer that sends one now and then is never done.

    Args:
        peer: The socket; its timeout is set to what is left, for what is written to it as well.
        until: The deadline, in ``ticks``.
        budget: Bytes that may be read.
        ticks: Seconds that only go forward.
    """

    def __init__(
        self,
        peer: socket.socket,
        *,
        until: float,
        budget: int,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._peer = peer
        self._until = until
        self._left = budget
        self._ticks = ticks

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: object) -> int:
        """Read what is there, waiting for it until the deadline.

        Raises:
            TimeoutError: the deadline has passed, or the budget is spent: the two end a conversation alike.
        """
        seconds = self._until - self._ticks()
        if seconds <= 0 or self._left <= 0:
            raise TimeoutError("the peer takes too long or says too much")
        self._peer.settimeout(seconds)
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        count = self._peer.recv_into(view, min(len(view), self._left))
        self._left -= count
        return count
