"""Restrictions: an operator's own code that can refuse an edit, and can do nothing else.

A restriction is asked after the floor and the policy have spoken. Whatever it does, raise, hang, answer
nonsense, or tamper with what it was handed, it can only add refusals:

1. It gets a copy of the facts, one of its own, and hands back indices that are checked here.
2. It runs in a thread of its own. Whatever it raises refuses, and so does silence at the deadline.
3. Threads do not pile up: once several calls of it are overdue, it is asked no more until one comes back.

The honest limit: it is code in this very process. Code that reaches around its arguments, rewrites modules,
or holds the interpreter in native code, is out of reach of anything that runs beside it; the boundary against
that is the engine process. And how long it takes can be measured from outside, whatever is answered.
"""

from __future__ import annotations

import inspect
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final

from consent_edit.errors import ArgumentRejected
from consent_edit.policy.codes import RESTRICTION_FAILED, RuleText
from consent_edit.policy.facts import Facts

RESTRICTION_PREFIX: Final = "policy.restriction-"
"""What the code of a restriction's refusal begins with; no rule of a policy may be called so."""

MAX_DEADLINE_S: Final = 10.0
MAX_OVERDUE: Final = 8
"""Overdue calls after which a restriction is asked no more. More than one: what the requester reads is
decided by asking again on strangers' facts, and a call that hangs on the real ones must not show (G7)."""
MAX_RUNNING: Final = 64
"""Calls of one restriction at once, from however many threads."""

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_MAX_NAME: Final = 64
_MAX_CLASS_NAME: Final = 80
_CLASS_NAME: Final = type.__dict__["__name__"]


class _Calls:
    """The calls of one restriction that are under way, each with the time at which it is overdue."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until: dict[object, float] = {}

    def begin(self, until: float) -> object:
        """Register a call.

        Raises:
            TimeoutError: too many are overdue or running.
        """
        call, now = object(), time.monotonic()
        with self._lock:
            overdue = sum(end <= now for end in self._until.values())
            if overdue >= MAX_OVERDUE or len(self._until) >= MAX_RUNNING:
                raise TimeoutError
            self._until[call] = until
        return call

    def end(self, call: object) -> None:
        with self._lock:
            self._until.pop(call, None)


def _rejected(message: str) -> ArgumentRejected:
    return ArgumentRejected(message, code="input.restriction", remedy="see consent_edit.policy.restriction")


@dataclass(frozen=True, slots=True, kw_only=True)
class Restriction:
    """One restriction.

    Attributes:
        name: Lower-case words joined by hyphens; a refusal reads ``policy.restriction-<name>``.
        refuses: Takes the facts and gives the indices of the persons for whom it refuses; none: no objection.
            It is called from several threads at once.
        reason: One sentence for people.
        reason_fr: The same in French.
        remedy: The next step that would help.
        remedy_fr: The same in French.
        deadline_s: Seconds it may take, at most 10; after that the edit is refused.

    Raises:
        ArgumentRejected: ``input.restriction``: one of these is not of its form.
    """

    name: str
    refuses: Callable[[Facts], Iterable[int]]
    reason: str
    reason_fr: str = ""
    remedy: str = ""
    remedy_fr: str = ""
    deadline_s: float = 1.0
    _calls: _Calls = field(default_factory=_Calls, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """INVARIANT: see each refusal."""
        texts = (self.name, self.reason, self.reason_fr, self.remedy, self.remedy_fr)
        if not all(isinstance(text, str) for text in texts):
            raise _rejected("a restriction's name and sentences are texts")
        if len(self.name) > _MAX_NAME or _NAME.fullmatch(self.name) is None:
            raise _rejected("a restriction's name is lower-case words joined by hyphens")
        if not self.reason.strip():
            raise _rejected(f"{self.name}: a restriction needs a reason")
        if not callable(self.refuses) or inspect.iscoroutinefunction(self.refuses):
            raise _rejected(f"{self.name}: refuses is no plain function")
        seconds = self.deadline_s
        number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
        if not number or not 0 < seconds <= MAX_DEADLINE_S:
            raise _rejected(f"{self.name}: the deadline is above 0 and at most {MAX_DEADLINE_S:g} seconds")

    @property
    def code(self) -> str:
        """The code of its refusals."""
        return RESTRICTION_PREFIX + self.name

    @property
    def text(self) -> RuleText:
        """What it says to people."""
        return RuleText(self.code, self.reason, self.reason_fr, self.remedy, self.remedy_fr)


@dataclass(frozen=True, slots=True)
class Consulted:
    """What the restrictions said.

    Attributes:
        refusals: Code and person, in the order of the restrictions.
        failed: ``check.*`` codes; any of them refuses.
        fault: For the operator: the class name of the first exception, or ``TimeoutError``.
        texts: What the restrictions that refused say to people.
    """

    refusals: tuple[tuple[str, int], ...]
    failed: tuple[str, ...] = ()
    fault: str = ""
    texts: tuple[RuleText, ...] = ()


class _Failed(Exception):  # never leaves this module
    """A restriction gave no answer that counts; the message is a class name."""


def distinct(restrictions: Iterable[Restriction]) -> tuple[Restriction, ...]:
    """Restrictions that can be asked together.

    Raises:
        ArgumentRejected: ``input.restriction``: two of them have one name, or something is none.
    """
    held = tuple(restrictions)
    if not all(isinstance(one, Restriction) for one in held):
        raise _rejected("something among the restrictions is none")
    if len({one.name for one in held}) != len(held):
        raise _rejected("two restrictions have the same name")
    return held


def consult(restrictions: Sequence[Restriction], facts: Facts) -> Consulted:
    """Ask every restriction.

    Returns:
        What they said. Never an exception: one that fails refuses, as ``check.restriction-failed``. Only an
        interrupt of the thread that waits here stays one.
    """
    refusals: list[tuple[str, int]] = []
    texts: list[RuleText] = []
    fault = ""
    try:
        held = distinct(restrictions)
    except Exception as error:  # noqa: BLE001 - G4: what cannot be asked refuses
        return Consulted((), (RESTRICTION_FAILED,), _class_name(error))
    for one in held:
        try:
            indices = _asked(one, facts)
        except Exception as error:  # noqa: BLE001 - G4: whatever it is, it refuses
            fault = fault or (str(error) if isinstance(error, _Failed) else _class_name(error))
            continue
        refusals.extend((one.code, index) for index in indices)
        texts.extend([one.text] if indices else [])
    return Consulted(tuple(refusals), (RESTRICTION_FAILED,) if fault else (), fault, tuple(texts))


def _asked(one: Restriction, facts: Facts) -> tuple[int, ...]:
    """The persons for whom one restriction refuses.

    Raises:
        _Failed: it raised, hung, or answered nonsense.
        RuntimeError: there was no thread to be had.
    """
    most = len(facts.persons)
    given: list[object] = []
    done = threading.Event()
    mine = replace(facts, persons=tuple(replace(person) for person in facts.persons))

    def run() -> None:
        try:
            given.append(_taken(one.refuses(mine), most))
        except BaseException as error:  # noqa: BLE001 - a native panic, an exit: in its thread all of it refuses
            given.append(_Failed(_class_name(error)))
        finally:
            one._calls.end(call)
            done.set()

    try:
        call = one._calls.begin(time.monotonic() + one.deadline_s)
    except TimeoutError as error:
        raise _Failed("TimeoutError") from error
    try:
        threading.Thread(target=run, name=f"restriction-{one.name}", daemon=True).start()
    except BaseException:  # no thread to be had, or an interrupt
        one._calls.end(call)
        raise
    if not done.wait(one.deadline_s):
        raise _Failed("TimeoutError")
    return _checked(given[0], most)


def _taken(answer: object, most: int) -> tuple[object, ...]:
    """The items of an answer, one more than there are persons at most; runs in the restriction's thread.

    Raises:
        TypeError: it is nothing that lists indices.
    """
    if isinstance(answer, str | bytes | bytearray | Mapping) or not isinstance(answer, Iterable):
        raise TypeError
    return tuple(islice(answer, most + 1))


def _checked(given: object, most: int) -> tuple[int, ...]:
    """Indices of persons, each once. A number that is no plain ``int`` could still change its mind.

    Raises:
        _Failed: the restriction failed, or these are no indices.
    """
    if isinstance(given, _Failed):
        raise given
    if not isinstance(given, tuple) or len(given) > most:
        raise _Failed("ValueError")
    if not all(type(index) is int for index in given):
        raise _Failed("TypeError")
    if not all(0 <= index < most for index in given):
        raise _Failed("IndexError")
    return tuple(dict.fromkeys(given))


def _class_name(error: BaseException) -> str:
    """The name of its class, if it is one; a made-up one could carry data of a person."""
    name = str(_CLASS_NAME.__get__(type(error)))
    return name if name.isidentifier() and len(name) <= _MAX_CLASS_NAME else "Exception"
