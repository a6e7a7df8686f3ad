"""Cedar rules as a small typed tree, read from the engine's own JSON: what analysis, proof and diff work on.

Source: the JSON policy format of the Cedar reference (docs.cedarpolicy.com, "JSON policy format"). Only what
can occur over consent_edit.cedarschema has a form of its own; anything else becomes :class:`Other`, which
every reader must take for "may be anything, and may err".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from consent_edit.errors import PolicyInvalid


class Effect(StrEnum):
    """What a rule does when its conditions hold."""

    PERMIT = "permit"
    FORBID = "forbid"


class Operator(StrEnum):
    """Operators of two operands, by their names in the JSON format."""

    EQUAL = "=="
    NOT_EQUAL = "!="
    LESS = "<"
    LESS_EQUAL = "<="
    GREATER = ">"
    GREATER_EQUAL = ">="
    AND = "&&"
    OR = "||"
    ADD = "+"
    SUBTRACT = "-"
    MULTIPLY = "*"
    CONTAINS = "contains"
    CONTAINS_ALL = "containsAll"
    CONTAINS_ANY = "containsAny"


@dataclass(frozen=True, slots=True)
class Value:
    """A literal: Bool, Long or String."""

    value: bool | int | str


@dataclass(frozen=True, slots=True)
class Word:
    """An enumerated entity: ``Stage::"input"`` is ``Word("Stage", "input")``."""

    type: str
    id: str


@dataclass(frozen=True, slots=True)
class SetOf:
    """A set literal."""

    items: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Attribute:
    """``context.a`` or ``context.picture.b``, by its path after ``context``."""

    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """``!arg``."""

    arg: Term


@dataclass(frozen=True, slots=True)
class Negative:
    """``-arg``."""

    arg: Term


@dataclass(frozen=True, slots=True)
class IsEmpty:
    """``arg.isEmpty()``."""

    arg: Term


@dataclass(frozen=True, slots=True)
class Binary:
    """Two operands. ``&&`` and ``||`` do not evaluate the right one when the left one decides."""

    operator: Operator
    left: Term
    right: Term


@dataclass(frozen=True, slots=True)
class IfThenElse:
    """``if test then then else other``; only the branch taken is evaluated."""

    test: Term
    then: Term
    other: Term


@dataclass(frozen=True, slots=True)
class Other:
    """Anything else, such as ``principal in …`` or a whole record.

    Attributes:
        source: Its JSON form, for people.
        inner: The terms in it that could be read.
        whole_context: Whether it takes ``context`` itself as a value, and so may read every fact.
    """

    source: str
    inner: tuple[Term, ...] = ()
    whole_context: bool = False


Term: TypeAlias = Value | Word | SetOf | Attribute | Not | Negative | IsEmpty | Binary | IfThenElse | Other

TRUE: Final = Value(True)
_PICTURE: Final = "picture"
_CONTEXT: Final = {"Var": "context"}
_EDIT: Final = {"op": "==", "entity": {"type": "Action", "id": "edit"}}


@dataclass(frozen=True, slots=True)
class RuleTerm:
    """One rule.

    Attributes:
        id: Its ``@id``; empty where it has none.
        effect: What it does.
        conditions: All must hold, in the order of evaluation: scope first, then ``when`` and (negated)
            ``unless`` clauses.
    """

    id: str
    effect: Effect
    conditions: tuple[Term, ...]


def read_rule(source: Mapping[str, object]) -> RuleTerm:
    """Read one static policy of the JSON format.

    Raises:
        PolicyInvalid: it is not of that format.
    """
    try:
        scope = [_scope(part, source[part]) for part in ("principal", "action", "resource")]
        clauses = [_clause(clause) for clause in _items(source["conditions"])]
        notes = source.get("annotations", {})
        name = notes.get("id") or "" if isinstance(notes, Mapping) else ""
        conditions = (term for term in (*scope, *clauses) if term != TRUE)
        return RuleTerm(str(name), Effect(str(source["effect"])), tuple(conditions))
    except (KeyError, TypeError, ValueError) as error:
        raise PolicyInvalid(f"a rule is of no known form ({type(error).__name__})") from error


def parts(term: Term) -> tuple[Term, ...]:
    """The terms directly below a term."""
    match term:
        case SetOf(items):
            return items
        case Not(arg) | Negative(arg) | IsEmpty(arg):
            return (arg,)
        case Binary(_, left, right):
            return (left, right)
        case IfThenElse(test, then, other):
            return (test, then, other)
        case Other(_, inner):
            return inner
        case Value() | Word() | Attribute():
            return ()


def walk(term: Term) -> Iterator[Term]:
    """The term and every term below it, outermost first."""
    yield term
    for part in parts(term):
        yield from walk(part)


def reads(rule: RuleTerm) -> frozenset[str] | None:
    """Facts that a rule can read, by the first step of their path; ``None`` when it may read every one."""
    found: set[str] = set()
    for condition in rule.conditions:
        for term in walk(condition):
            if isinstance(term, Attribute):
                found.add(term.path[0])
            elif isinstance(term, Other) and term.whole_context:
                return None
    return frozenset(found)


def _items(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError("no array")
    return value


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise TypeError("no object")
    return value


def _scope(part: str, source: object) -> Term:
    """``(principal, action, resource)``: whoever asks, one action, whoever is shown; the rest is Other."""
    if _mapping(source).get("op") == "All" or source == _EDIT:
        return TRUE
    return Other(f"{part}: {source}")


def _clause(source: object) -> Term:
    clause = _mapping(source)
    body = _term(clause["body"])
    match clause["kind"]:
        case "when":
            return body
        case "unless":
            return Not(body)
    raise ValueError("a clause that is neither when nor unless")


_UNARY: Final[dict[str, Callable[[Term], Term]]] = {"!": Not, "neg": Negative, "isEmpty": IsEmpty}
_BINARY: Final = {operator.value: operator for operator in Operator}


def _term(source: object) -> Term:
    ((name, body),) = _mapping(source).items()
    if name in _UNARY:
        return _UNARY[name](_term(_mapping(body)["arg"]))
    if name in _BINARY:
        return Binary(_BINARY[name], _term(_mapping(body)["left"]), _term(_mapping(body)["right"]))
    match name:
        case "Value":
            term = _value(body)
        case "Set":
            term = SetOf(tuple(_term(item) for item in _items(body)))
        case ".":
            term = _attribute(source, _mapping(body))
        case "if-then-else":
            branches = _mapping(body)
            term = IfThenElse(_term(branches["if"]), _term(branches["then"]), _term(branches["else"]))
        case _:
            term = _other(source)
    return term


def _value(body: object) -> Term:
    if isinstance(body, bool | int | str):
        return Value(body)
    entity = _mapping(_mapping(body)["__entity"])
    return Word(str(entity["type"]), str(entity["id"]))


def _attribute(source: object, body: Mapping[str, object]) -> Term:
    left, name = body["left"], str(body["attr"])
    if left == _CONTEXT and name != _PICTURE:
        return Attribute((name,))
    if left == {".": {"left": _CONTEXT, "attr": _PICTURE}}:
        return Attribute((_PICTURE, name))
    return _other(source)


def _other(source: object) -> Other:
    """A form without a meaning here, with whatever facts can be found anywhere in it."""
    found: list[Term] = []
    whole = False
    stack: list[object] = [source]
    while stack:
        part = stack.pop()
        if part == _CONTEXT:
            whole = True
        elif isinstance(part, Mapping) and part.get("left") == _CONTEXT and isinstance(part.get("attr"), str):
            found.append(Attribute((str(part["attr"]),)))  # the record {left: context, attr: …} has no text
        elif isinstance(part, Mapping):
            stack.extend(part.values())
        elif isinstance(part, list):
            stack.extend(part)
    return Other(str(source), tuple(found), whole)
