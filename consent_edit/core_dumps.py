"""No memory image of pixels, templates or keys is left behind by a crash (G8)."""

from __future__ import annotations

import resource
from contextlib import suppress
from pathlib import Path
from typing import Final

_FILTER: Final = Path("/proc/self/coredump_filter")


def forbid() -> None:
    """Keep this process and its children from leaving one: the limit is zero, and cannot be raised again.

    Where the kernel hands dumps to a program instead of a file it does not ask the limit; on Linux such a
    dump is left without any memory. A program that embeds the package decides this for itself.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):  # not Linux, or no /proc
        _FILTER.write_text("0")
