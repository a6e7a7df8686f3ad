"""A point in plain words: what differs from an edit that everybody consented to."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from consent_edit.policy.points import FactValue
from consent_edit.policy.proof.space import BENIGN, FACTS, PICTURE, Values
from consent_edit.policy.terms import (
    Attribute,
    Binary,
    IfThenElse,
    IsEmpty,
    Negative,
    Not,
    Operator,
    Other,
    SetOf,
    Term,
    Value,
    Word,
)

SOMETHING_LEAVES: Final = ": something may leave"
"""How the claim ends that a policy is of any use; where it fails, the floor is none the weaker."""

_ALWAYS: Final = ("stage", "kind")
_KINDS: Final = {
    "face": "a face",
    "possible_face": "a possible face",
    "body": "a body",
    "unseen": "nobody found (unseen)",
}


def _value(value: FactValue) -> str:
    if isinstance(value, frozenset):
        return _together(sorted(str(word) for word in value)) or "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value).replace("_", " ")


def _together(words: Iterable[str]) -> str:
    return " + ".join(words)


def _said(path: str, value: FactValue) -> str:
    if path == "kind" and isinstance(value, StrEnum):
        return _KINDS[value.value]
    name = path.removeprefix(PICTURE).replace("_", " ")
    where = "in the picture: " if path.startswith(PICTURE) else ""
    return f"{where}{name} {_value(value)}"


def told(values: Values) -> str:
    """Stage and kind of person, then every fact that is not as in the benign edit."""
    differing = [path for path in FACTS if path not in _ALWAYS and values[path] != BENIGN[path]]
    return "; ".join(_said(path, values[path]) for path in (*_ALWAYS, *differing))


_METHODS: Final = (Operator.CONTAINS, Operator.CONTAINS_ALL, Operator.CONTAINS_ANY)


def cedar(term: Term) -> str:  # noqa: PLR0911 - one a form
    """A term as Cedar writes it, ``context`` left out."""
    match term:
        case Value(value):
            return str(value).lower() if isinstance(value, bool) else repr(value)
        case Word(_, name):
            return f'"{name}"'
        case Attribute(path):
            return ".".join(path)
        case SetOf(items):
            return f"[{', '.join(map(cedar, items))}]"
        case Not(arg):
            return f"!({cedar(arg)})"
        case Negative(arg):
            return f"-({cedar(arg)})"
        case IsEmpty(arg):
            return f"{cedar(arg)}.isEmpty()"
        case Binary(kind, left, right) if kind in _METHODS:
            return f"{cedar(left)}.{kind.value}({cedar(right)})"
        case Binary(kind, left, right):
            return f"{_bracketed(left)} {kind.value} {_bracketed(right)}"
        case IfThenElse(test, then, other):
            return f"if {cedar(test)} then {cedar(then)} else {cedar(other)}"
        case Other(source):  # pragma: no branch - there is no other
            return source


def _bracketed(term: Term) -> str:
    joined = isinstance(term, Binary) and term.operator in (Operator.AND, Operator.OR)
    return f"({cedar(term)})" if joined else cedar(term)
