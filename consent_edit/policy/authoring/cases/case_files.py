"""Test files of policies (``*.test.yaml``): found, read as plain words, and held to their form.

A test file may come with a policy from somebody else, so it is bounded before it is parsed, and nothing in it
can be an alias, a doubled key or anything but words: ``no`` is the word ``no``, never a boolean.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, TypeAlias

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from consent_edit.errors import InputError, PolicyInvalid
from consent_edit.policy.authoring.writing.source_places import printable
from consent_edit.policy.bundle import PolicyBundle
from consent_edit.policy.shipped_names import (
    NAME,
    POLICY_FILE,
    as_argument,
    folder_of,
    no_policy,
    policy_folder,
    shipped_names,
)
from consent_edit.vocabulary import Stage

MAX_FILE_BYTES: Final = 1024 * 1024
_MAX_DEPTH: Final = 8
_MAX_NAME: Final = 300
_ENDING: Final = ".test.yaml"
_PARSER: Final = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
"""For its events alone; the one in C where there is one, which takes a tenth of the time."""
_FORM: Final = "write it as policies/default/tests/default.test.yaml is written"

_Text: TypeAlias = Annotated[str, Field(min_length=1, max_length=_MAX_NAME)]
_Words: TypeAlias = Annotated[tuple[_Text, ...], Field(max_length=100)]


class Case(BaseModel):
    """One difference from a benign edit, and what must come of it.

    Attributes:
        name: What the case is about.
        stage: Where the decision is taken.
        persons: Consenting faces beside ``unseen``; by default one, and none at ``request``.
        change: Dotted path -> word or words, as :func:`consent_edit.policy.testing.vary` takes them.
        codes: The reason codes, complete; none: the edit is allowed.
        allowed: Whether it is allowed, where the codes do not matter.
        determining: Ids of the rules that must decide: those that refuse, or those that permit.
        jurisdictions: Jurisdictions laid over the policy, beside the file's own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: _Text
    stage: Stage = Stage.OUTPUT
    persons: Annotated[int, Field(ge=0, le=16)] | None = None
    change: dict[_Text, str | _Words] = Field(default_factory=dict)
    codes: _Words | None = None
    allowed: bool | None = None
    determining: _Words | None = None
    jurisdictions: _Words = ()

    @model_validator(mode="after")
    def _says_what_must_come_of_it(self) -> Case:
        if self.codes is None and self.allowed is None:
            raise ValueError("say what must come of it: codes or allowed")
        if self.codes is not None and self.allowed is not None and self.allowed == bool(self.codes):
            raise ValueError("codes and allowed contradict each other")
        for words in (self.codes or (), self.determining or (), self.jurisdictions):
            if len(set(words)) != len(words):
                raise ValueError("a word stands twice in one list")
        return self


class _File(BaseModel):
    """One test file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    policy: _Text = ".."
    jurisdictions: _Words = ()
    cases: Annotated[tuple[Case, ...], Field(min_length=1, max_length=10_000)]

    @model_validator(mode="after")
    def _every_case_has_a_name_of_its_own(self) -> _File:
        name, times = Counter(case.name for case in self.cases).most_common(1)[0]
        if times > 1:
            raise ValueError(f"two cases are called {name!r}")
        return self


@dataclass(frozen=True, slots=True)
class Suite:
    """A test file with the policy it tests.

    Attributes:
        path: The file.
        place: How a command names the policy.
        policy: As it stands, no jurisdiction over it.
        jurisdictions: Codes of those laid over it in every case.
        cases: In the order of the file.
    """

    path: Path
    place: str
    policy: PolicyBundle
    jurisdictions: tuple[str, ...]
    cases: tuple[Case, ...]

    def over(self, case: Case) -> tuple[str, ...]:
        """Codes of the jurisdictions laid over the policy in a case, each once."""
        return tuple(dict.fromkeys((*self.jurisdictions, *case.jurisdictions)))

    def narrowed(self, case: Case) -> PolicyBundle:
        """The policy as the case wants it.

        Raises:
            InputError: a jurisdiction that does not ship.
        """
        try:
            return self.policy.within(self.over(case))
        except PolicyInvalid as error:
            raise bad(self.path, error.message, case.name, remedy=error.remedy) from error


def bad(path: Path, what: str, case: str = "", *, remedy: str = _FORM) -> InputError:
    """The error for a test file that cannot be used, with the file and the case named."""
    where = f"{path}: case {case!r}" if case else str(path)
    return InputError(f"{where}: {what}", code="input.policy-test", remedy=remedy or _FORM)


def find(places: Iterable[str]) -> tuple[Path, ...]:
    """Test files, from files, folders (with all below them) and names of policies that ship.

    Raises:
        PolicyInvalid: a place that is none of these.
        InputError: a place that holds no test file.
    """
    found: dict[Path, Path] = {}
    for place in places:
        path = folder_of(place) or Path(place)
        if not place or not (path.exists() or place.endswith(_ENDING)):
            raise no_policy(place)
        files = sorted(path.rglob(f"*{_ENDING}")) if path.is_dir() else [path]
        if not files or not all(file.is_file() and file.name.endswith(_ENDING) for file in files):
            raise InputError(
                f"{place}: no test file of a policy",
                code="input.policy-test",
                remedy=f"name a file that ends in {_ENDING}, a folder that holds one, or a policy that ships",
            )
        found |= {file.resolve(): file for file in files}
    return tuple(found.values())


def read(path: Path) -> Suite:
    """Read one test file, and the policy it names.

    Raises:
        InputError: it cannot be read, is over 1 MiB, is not in form, or its policy cannot be used.
        CheckFailed: no rehearsal of the policy could be held.
    """
    data = _parsed(path)
    try:
        file = _File.model_validate(data)
    except ValidationError as error:
        raise bad(path, *_first_fault(error, data)) from error
    try:
        target = _target(path, file.policy)
        policy = PolicyBundle.shipped(target) if isinstance(target, str) else PolicyBundle.load(target)
    except PolicyInvalid as error:
        raise bad(path, error.message, remedy=error.remedy) from error
    place = target if isinstance(target, str) else as_argument(_from_here(target))
    return Suite(path, place, policy, file.jurisdictions, file.cases)


def _target(path: Path, named: str) -> str | Path:
    """The policy a test file names: one that ships, or a path relative to the file."""
    if NAME.fullmatch(named):
        policy_folder(named)
        return named
    relative = Path(named)
    if relative.is_absolute():
        raise PolicyInvalid("policy: name one that ships, or a path relative to the test file")
    try:
        target = (path.parent / relative).resolve()
    except (OSError, ValueError, RuntimeError) as error:  # NUL, or links in a ring
        raise PolicyInvalid("policy: no path") from error
    folder = target.parent if target.name == POLICY_FILE else target
    if folder.name in shipped_names() and folder == policy_folder(folder.name).resolve():
        return folder.name
    return folder


def _from_here(path: Path) -> Path:
    """The path as seen from the current folder, where it lies below that."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _first_fault(error: ValidationError, data: object) -> tuple[str, str]:
    """What is wrong first, and the name of the case it is in."""
    fault = error.errors()[0]
    steps = [str(step) for step in fault["loc"]]
    name = ""
    if len(steps) > 1 and steps[0] == "cases" and isinstance(data, Mapping):
        case = data["cases"][int(steps[1])]
        named = case.get("name") if isinstance(case, Mapping) else None
        name = named[:_MAX_NAME] if isinstance(named, str) and named else f"number {int(steps[1]) + 1}"
        steps = steps[2:]
    steps = [printable(step) for step in steps]
    what = "an unknown key" if fault["type"] == "extra_forbidden" else str(fault["msg"])
    return f"{'.'.join(steps)}: {what}" if steps else what, name


class _Refused(Exception):
    """What this file may not hold, and its line."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line
        self.problem = problem


class _Builder:
    """Builds words, lists and mappings from a parser's events; no alias, no doubled key, no great depth.

    Everything is refused where it begins, before the rest is read.
    """

    def __init__(self, events: Iterator[yaml.Event]) -> None:
        self._events = events

    def document(self) -> object:
        """The one document; nothing at all is an empty word."""
        next(self._events)  # the stream's start
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return ""
        built = self._value(next(self._events), 0)
        next(self._events)  # the document's end
        after = next(self._events)
        if not isinstance(after, yaml.StreamEndEvent):
            raise _fault("a second document", after)
        return built

    def _value(self, event: yaml.Event, depth: int) -> object:
        if depth == _MAX_DEPTH:
            raise _fault("nested too deeply", event)
        match event:
            case yaml.ScalarEvent():
                return str(event.value)
            case yaml.SequenceStartEvent():
                return [self._value(item, depth + 1) for item in self._until(yaml.SequenceEndEvent)]
            case yaml.MappingStartEvent():
                return self._mapping(depth)
        raise _fault("aliases are not used here", event)

    def _mapping(self, depth: int) -> dict[str, object]:
        built: dict[str, object] = {}
        for key in self._until(yaml.MappingEndEvent):
            if not isinstance(key, yaml.ScalarEvent):
                raise _fault("a key must be a word", key)
            name = str(key.value)
            if name in built:
                raise _fault(f"the key {name!r} stands twice", key)
            built[name] = self._value(next(self._events), depth + 1)
        return built

    def _until(self, end: type[yaml.Event]) -> Iterator[yaml.Event]:
        return itertools.takewhile(lambda event: not isinstance(event, end), self._events)


def _fault(problem: str, event: yaml.Event) -> _Refused:
    return _Refused(event.start_mark.line + 1 if event.start_mark else 1, problem)


def _parsed(path: Path) -> object:
    try:
        with path.open("rb") as handle:
            raw = handle.read(MAX_FILE_BYTES + 1)
        text = raw.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise bad(path, "not a readable UTF-8 file") from error
    if len(raw) > MAX_FILE_BYTES:
        raise bad(path, f"over {MAX_FILE_BYTES} bytes")
    try:
        return _Builder(yaml.parse(text, _PARSER)).document()
    except _Refused as error:
        raise bad(path, f"line {error.line}: {error.problem}") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise bad(path, f"line {line}: {error.problem}") from error
    except yaml.YAMLError as error:
        raise bad(path, "not YAML") from error
