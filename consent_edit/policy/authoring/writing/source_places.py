"""Places in policy text: where a policy lies, where each of its rules begins, and where a fault is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from consent_edit.errors import PolicyInvalid
from consent_edit.policy.bundle import PolicyBundle, read_text
from consent_edit.policy.limits import unmatched_bracket
from consent_edit.policy.shipped_names import POLICY_FILE, folder_of, jurisdictions, no_policy

_MAX_FAULTS: Final = 10
_MAX_TRIED: Final = 100
"""Good rules looked at on the way to a fault; each costs a process of its own."""

_PIECE: Final = re.compile(
    r'(?P<string>"(?:[^"\\]|\\.)*")|(?P<comment>//[^\r\n]*)|(?P<space>\s+)|(?P<end>;)|.', re.DOTALL
)
_NOISE: Final = re.compile(r"^(?:\[policy0\] )?(?:for policy `policy0`,? ?|policy0: )?:? ?")
_NEXT: Final = re.compile(r"; (?=\[policy0\] )")
_PARSER: Final = "the policy text does not parse: "
_QUOTED: Final = re.compile(r"`([^`]+)`|'([^']+)'")
_TYPE: Final = re.compile(r"\bString(?:> and Set<| and )(\w+)\b|\b(\w+)>? and (?:Set<)?String\b")
_BARE: Final = re.compile(
    r'//[^\r\n]*|@\w+\s*\(\s*"(?:[^"\\]|\\.)*"|::\s*"(?:[^"\\]|\\.)*"|(?P<word>"(?:[^"\\]|\\.)*")', re.DOTALL
)
"""A word in quotes without its type before it; no fact is a plain text."""


@dataclass(frozen=True, slots=True)
class Source:
    """A policy text and where it lies.

    Attributes:
        name: For people: the folder's name, or the file's.
        path: The file.
        text: Its content.
        jurisdiction: Whether it is one of the jurisdictions that ship, which only forbid.
    """

    name: str
    path: Path
    text: str
    jurisdiction: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule as it stands in a text.

    Attributes:
        line: Where it begins, from 1; comments above it play no part.
        text: From its first character to its semicolon.
    """

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, and where.

    Attributes:
        line: From 1.
        column: From 1.
        source: The offending line, without the spaces around it.
        message: What is wrong.
        remedy: The next step; empty where none is known.
    """

    line: int
    column: int
    source: str
    message: str
    remedy: str = ""


def read_source(place: str) -> Source:
    """The text of a policy that ships, of a policy file, or of ``policy.cedar`` in a folder.

    Raises:
        PolicyInvalid: there is none, it cannot be read, is not UTF-8, or is too long.
        Unavailable: the installation lacks the policies.
    """
    path = folder_of(place) or Path(place)
    if not place or not path.exists():
        raise no_policy(place)
    file = path / POLICY_FILE if path.is_dir() else path
    try:
        text = read_text(path)
    except PolicyInvalid as error:
        error.remedy = "name a policy file, a folder that holds policy.cedar, or a policy that ships"
        raise
    name = file.resolve().parent.name if file.name == POLICY_FILE else file.stem
    return Source(name, file, text, jurisdiction=place in jurisdictions())


def rules_of(text: str) -> tuple[Rule, ...]:
    """The rules of a text, whether or not they parse; what follows the last semicolon is one too."""
    return tuple(_rules(text))


def _rules(text: str) -> Iterator[Rule]:
    start = -1
    for piece in _PIECE.finditer(text):
        if piece.lastgroup in ("comment", "space"):
            continue
        start = piece.start() if start < 0 else start
        if piece.lastgroup == "end":
            yield Rule(_line(text, start), text[start : piece.end()])
            start = -1
    if start >= 0:
        yield Rule(_line(text, start), text[start:])


def comments_of(text: str) -> tuple[str, ...]:
    """The comments of a text, in their order."""
    pieces = _PIECE.finditer(text)
    return tuple(piece.group().rstrip() for piece in pieces if piece.lastgroup == "comment")


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def faults_of(text: str) -> tuple[Fault, ...]:
    """What is wrong with a text that is not valid, rule by rule; the engine itself gives no positions.

    Every rule is tried alone, in a process that can be killed. Where each is good by itself, ids that stand
    twice are looked for. At most ten faults are told.

    Raises:
        CheckFailed: no rehearsal could be held.
    """
    found: list[Fault] = []
    ids: dict[str, int] = {}
    for rule in rules_of(text):
        try:
            (said,) = PolicyBundle.foreign(rule.text, name="rule").texts
        except PolicyInvalid as error:
            found.append(_fault(rule, error))
        else:
            first = ids.setdefault(said.code, rule.line)
            if first != rule.line:
                name = said.code.partition(".")[2]
                taken = f"the @id `{name}` is taken by the rule on line {first}"
                found.append(_fault(rule, PolicyInvalid(taken, remedy="give one of the two another @id")))
        if len(found) == _MAX_FAULTS or len(ids) == _MAX_TRIED:
            break
    return tuple(found)


def _fault(rule: Rule, error: PolicyInvalid) -> Fault:
    """The fault where its message points, if that stands once in the rule; else where the rule begins."""
    parts = _NEXT.split(error.message.removeprefix(_PARSER).removeprefix("Policy parse error: "))
    told = "; ".join(dict.fromkeys(_NOISE.sub("", part) for part in parts))
    position, remedy = unmatched_bracket(rule.text) or _bare_word(rule, told) or (_named(rule, told), "")
    before = rule.text[:position]
    column = position - (before.rfind("\n") + 1) + 1
    line = rule.text.count("\n", 0, position)
    source = printable(rule.text.split("\n")[line].strip())
    return Fault(rule.line + line, column, source, printable(told), printable(remedy or error.remedy))


def _bare_word(rule: Rule, told: str) -> tuple[int, str] | None:
    """The first word in quotes that lacks its type, where the message complains of a text."""
    types = {before or after for before, after in _TYPE.findall(told)}
    words = [match for match in _BARE.finditer(rule.text) if match["word"]]
    if not words or "String" not in told:
        return None
    if len(types) != 1:
        return words[0].start(), 'write each word with its type before it, as in Age::"adult"'
    spelt = dict.fromkeys(f"{min(types)}::{match['word']}" for match in words)
    return words[0].start(), f"write {', '.join(spelt)}"


def _named(rule: Rule, told: str) -> int:
    for quoted in _QUOTED.finditer(told):
        word = quoted[1] or quoted[2]
        places = [place.start() for place in re.finditer(_whole(word), rule.text)]
        if len(places) == 1:
            return places[0]
    return 0


def printable(text: str) -> str:
    """Somebody else's text on one line and without control characters."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def _whole(word: str) -> str:
    """The word where it is not part of a longer one, be it of letters or of operators."""
    edge = r"\w" if word[0].isalnum() or word[0] == "_" else "=!<>&|"
    last = r"\w" if word[-1].isalnum() or word[-1] == "_" else "=!<>&|"
    return rf"(?<![{edge}]){re.escape(word)}(?![{last}])"
