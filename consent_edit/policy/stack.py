"""A stack of a known size, for native code that parses: a host may run its threads on a small one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final, TypeVar

from consent_edit.errors import CheckFailed

COMPILE_STACK_BYTES: Final = 8 * 1024 * 1024
"""Four times what a text is rehearsed with (rehearsal_child.py): a host's libraries take of it as well. Sixty
nested brackets kill the process under 768 KiB."""

_T = TypeVar("_T")
_LOCK: Final = threading.Lock()


def with_stack(call: Callable[[], _T], size: int) -> _T:
    """Run a call in a thread of its own; what it raises is raised here.

    Raises:
        CheckFailed: ``check.policy-engine-failed``: there is no thread to be had.
    """
    given: list[_T] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            given.append(call())
        except BaseException as error:  # noqa: BLE001 - it goes on below, in the caller's thread
            raised.append(error)

    thread = threading.Thread(target=run, name="policy-compile", daemon=True)
    with _LOCK:  # the size is one for the whole process
        before = threading.stack_size(size)
        try:
            thread.start()
        except RuntimeError as error:
            raise CheckFailed("no thread to compile in", code="check.policy-engine-failed") from error
        finally:
            threading.stack_size(before)
    thread.join()
    if raised:
        raise raised[0]
    return given[0]
