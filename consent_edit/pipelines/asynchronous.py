"""Blocking work awaited from asyncio: in a thread, and ended, not left behind, when its task is cancelled."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from typing import TypeVar

Answer = TypeVar("Answer")


async def in_thread(
    pool: ThreadPoolExecutor,
    call: Callable[[], Answer],
    stop: threading.Event,
    dropped: Callable[[BaseException, Answer], object] = lambda error, answer: None,
) -> Answer:
    """Await a call that runs in a thread of the pool, under the caller's context.

    Args:
        stop: Set when the task is cancelled; the call looks at it, and the task ends once the call has.
        dropped: Told of the cancellation and of an answer that came all the same.

    Raises:
        CancelledError: the task was cancelled, and the call has ended since.
    """
    future = pool.submit(copy_context().run, call)
    answer = asyncio.wrap_future(future)
    try:
        return await asyncio.shield(answer)
    except asyncio.CancelledError as error:
        stop.set()
        future.cancel()  # where it had not begun yet
        while not answer.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait({answer})
        if not answer.cancelled() and answer.exception() is None:
            dropped(error, answer.result())
        raise
