"""A new folder of keys and settings: made aside and renamed into place, whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from consent_edit.errors import InputError


@contextmanager
def new_folder(folder: Path, *, code: str) -> Iterator[Path]:
    """Give a folder of mode 0700 to fill, and put it in its place once it is filled.

    Args:
        folder: Absent, or empty.
        code: Of the error.

    Raises:
        InputError: with ``code``: the folder holds something already, or cannot be written.
    """
    try:
        target = folder.resolve()
        place = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
        place.mkdir(mode=0o700, parents=True)
        try:
            yield place
            place.rename(target)  # an empty one there gives way, any other stays
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise
        _sync(target.parent)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder.name} cannot be made, or holds something already",
            code=code,
            remedy="name a folder that is not there yet",
        ) from error


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
