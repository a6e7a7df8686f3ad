"""A policy file followed while the service runs: a good change is taken up, anything else changes nothing.

What is never taken up:

1. A file that may still be being written: it counts from one second after its last change, and the looks
   taken before and after reading must agree. A text that lacks its last rules can be valid all the
   same, so whoever writes should write beside it and rename.
2. A file that others than its owner could have written or put in its place, or whose owner is neither this
   process's nor root.
3. Anything that is no regular file; nothing here waits for a pipe.
4. A text that :meth:`~consent_edit.policy.bundle.PolicyBundle.foreign` refuses, or that does not go with
   what is to be laid over it.

Then the last good bundle stays in force, ``problem`` says why, and a warning is logged, once for each state.
"""

from __future__ import annotations

import logging
import os
import stat
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from consent_edit.errors import ConsentEditError, PolicyInvalid
from consent_edit.policy.bundle import Narrowing, PolicyBundle
from consent_edit.policy.limits import MAX_FILE_BYTES
from consent_edit.policy.shipped_names import POLICY_FILE

SETTLE_S: Final = 1.0
RETRY_S: Final = 30.0
"""A state that failed is tried again after this long: a machine can be too busy for a rehearsal."""

_PUT_BACK: Final = (
    "put a policy file there that only its owner can write, in a folder that only its owner can"
)
_TRY: Final = "consent-edit policy check says what is wrong with it; write the new one beside it, then rename"
_FOREIGN_HANDS: Final = stat.S_IWGRP | stat.S_IWOTH
_OPEN: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_LOG: Final = logging.getLogger("consent_edit.policy")


@dataclass(frozen=True, slots=True)
class _Look:
    """What the file system says of the file; two equal ones are of one content, once it has settled."""

    device: int
    inode: int
    size: int
    mode: int
    owner: int
    modified_ns: int
    changed_ns: int

    @classmethod
    def of(cls, found: os.stat_result) -> _Look:
        return cls(
            found.st_dev,
            found.st_ino,
            found.st_size,
            found.st_mode,
            found.st_uid,
            found.st_mtime_ns,
            found.st_ctime_ns,
        )


class PolicyFile:
    """The policy of a file, or of a folder that holds ``policy.cedar``, as it is now. Threads may share it.

    Args:
        path: The file or the folder. A symbolic link is followed, and what it leads to is what counts.
        beneath: What will be laid over it, such as the operator's jurisdictions; :meth:`current` is without.

    Raises:
        PolicyInvalid: the file cannot be used as it stands; to begin with there must be a good one.
        CheckFailed: ``check.policy-rehearsal``: no rehearsal could be held.
    """

    def __init__(self, path: Path, beneath: Iterable[Narrowing] = ()) -> None:
        self._path = path
        self._beneath = tuple(beneath)
        self._lock = threading.Lock()
        self._problem = ""
        self._warned: _Look | str = ""
        self._failed: tuple[_Look | None, float] = (None, 0.0)
        self._seen: tuple[_Look | None, float] = (None, 0.0)
        look = self._look()
        text = self._read(look) if isinstance(look, _Look) else None
        if text is None:
            why = look if isinstance(look, str) else "it changed while it was read"
            raise PolicyInvalid(f"{path}: {why}", remedy=_PUT_BACK)
        self._bundle = self._load(text)
        # Read before it settled, it is read once more: two writes within one tick of the clock look alike.
        self._taken = look if isinstance(look, _Look) and self._settled(look) else None

    @property
    def problem(self) -> str:
        """Why the file as it stands is not in force, and what to do; empty when it is, or is about to be."""
        return self._problem

    def current(self) -> PolicyBundle:
        """The newest good bundle. It never raises, and costs one look at the file unless that changed.

        One thread takes a change up; the others go on with the last good bundle meanwhile.
        """
        look = self._look()
        if (look != self._taken or self._problem) and self._lock.acquire(blocking=False):
            try:
                self._follow(look)
            finally:
                self._lock.release()
        return self._bundle

    def _look(self) -> _Look | str:
        """The file as it stands, or why it cannot be used."""
        try:
            file = self._file()
            found = file.stat()
            replaceable = any(map(_open_to_others, {file.parent, file.resolve().parent}))
        except (OSError, ValueError, RuntimeError) as error:
            return f"it cannot be looked at ({type(error).__name__})"
        if not stat.S_ISREG(found.st_mode):
            return "it is no regular file"
        if found.st_mode & _FOREIGN_HANDS:
            return "others than its owner can write it"
        if found.st_uid not in (os.geteuid(), 0):
            return "it belongs to somebody else"
        if replaceable:
            return "others can put another file in its place"
        return _Look.of(found)

    def _file(self) -> Path:
        return self._path / POLICY_FILE if self._path.is_dir() else self._path

    def _read(self, look: _Look) -> str | None:
        """The text of the file that was looked at; ``None`` when it is not, or not any more, that very file.

        Raises:
            PolicyInvalid: it cannot be read, is not UTF-8, or is too long.
        """
        try:
            with os.fdopen(os.open(self._file(), _OPEN), "rb") as file:
                before = _Look.of(os.fstat(file.fileno()))
                raw = file.read(MAX_FILE_BYTES + 1)
                after = _Look.of(os.fstat(file.fileno()))
            text = raw.decode("utf-8") if len(raw) <= MAX_FILE_BYTES else ""
        except (OSError, UnicodeDecodeError) as error:
            raise PolicyInvalid("it is not a readable UTF-8 policy file") from error
        if not before == after == look:
            return None
        if len(raw) > MAX_FILE_BYTES:
            raise PolicyInvalid(f"policy text is over {MAX_FILE_BYTES} bytes")
        return text

    def _load(self, text: str) -> PolicyBundle:
        name = self._path.stem if self._path.suffix else self._path.name
        bundle = PolicyBundle.foreign(text, name=name)
        try:
            bundle.narrowed(self._beneath)
        except PolicyInvalid as error:
            beneath = ", ".join(narrowing.name for narrowing in self._beneath)
            raise PolicyInvalid(
                f"it does not go with {beneath}: {error.message}",
                remedy="give the policy's rule another @id, or take the jurisdiction out",
            ) from error
        return bundle

    def _settled(self, look: _Look) -> bool:
        """Whether its last change is long enough ago: by the file's time, or, if that lies ahead, by ours."""
        age = time.time_ns() - max(look.modified_ns, look.changed_ns)
        seen, since = self._seen
        if seen != look:
            seen, since = self._seen = (look, time.monotonic())
        return age >= SETTLE_S * 1e9 or time.monotonic() - since >= SETTLE_S

    def _follow(self, look: _Look | str) -> None:
        """Take up what the file has become, if it can be; under the lock."""
        failed, again = self._failed
        if isinstance(look, str):
            self._warn(look, look, _PUT_BACK)
        elif look == self._taken:
            self._good(look)
        elif (look != failed or time.monotonic() >= again) and self._settled(look):
            try:
                text = self._read(look)
                if text is not None:
                    self._swap(self._load(text))
                    self._good(look)
            except Exception as error:  # noqa: BLE001 - whatever it is, the last good bundle stays in force
                self._failed = (look, time.monotonic() + RETRY_S)
                ours = error if isinstance(error, ConsentEditError) else None
                why = ours.message if ours else f"it broke loading ({type(error).__name__})"
                self._warn(why, look, (ours and ours.remedy) or _TRY)

    def _swap(self, bundle: PolicyBundle) -> None:
        """A text that decides and explains alike leaves the bundle, and what it remembers, in place."""
        if bundle.digest != self._bundle.digest:
            self._bundle = bundle
            _LOG.info("%s: in force from now on is %s", self._path, bundle.digest)

    def _warn(self, why: str, state: _Look | str, remedy: str) -> None:
        """Keep the problem; log it unless this very state was the last one logged."""
        told = f"{self._path}: {why}; the last good policy stays in force. What to do: {remedy}"
        self._problem = " ".join("".join(sign if sign.isprintable() else " " for sign in told).split())
        if state != self._warned:
            self._warned = state
            _LOG.warning("%s", self._problem)

    def _good(self, look: _Look) -> None:
        self._taken, self._failed, self._warned = look, (None, 0.0), ""
        if self._problem:
            self._problem = ""
            _LOG.info("%s: good again", self._path)


def _open_to_others(folder: Path) -> bool:
    """Whether somebody else could rename an old policy of the owner's over the new one."""
    mode = folder.stat().st_mode
    if not mode & _FOREIGN_HANDS or mode & stat.S_ISVTX:
        return False
    return not os.statvfs(folder).f_flag & os.ST_RDONLY  # as a mounted configuration is


def in_force(policy: PolicyBundle | PolicyFile) -> PolicyBundle:
    """The bundle in force at this moment, of a file that is followed or a policy that stays."""
    return policy.current() if isinstance(policy, PolicyFile) else policy
