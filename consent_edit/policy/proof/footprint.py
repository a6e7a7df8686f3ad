"""What each rule of the two floors reads, found in their code and not written down a second time.

For the Python floor the source is read: every field of ``facts``, ``person`` and ``picture`` that a rule's
function touches, through the helpers it calls. Whatever cannot be followed raises, so that no rule can read
a fact without the table growing by it. For the mirror the tree is walked.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from consent_edit import vocabulary
from consent_edit.errors import CheckFailed
from consent_edit.policy import floor
from consent_edit.policy.proof.space import FACTS, PICTURE, word_of
from consent_edit.policy.terms import Attribute as FactPath
from consent_edit.policy.terms import RuleTerm, SetOf, Term, Value, Word, parts, walk

_ROLES: Final = {"facts": "", "person": "", "picture": PICTURE}
_RULE_ARGUMENTS: Final = tuple(_ROLES)
_PLAIN_CALLS: Final = frozenset({"bool", "len"})


@dataclass(slots=True)
class Footprint:
    """What a rule looks at.

    Attributes:
        facts: Paths of the facts it reads.
        literals: The sets of words it compares sets with, a single word being a set of one.
        functions: The functions of floor.py that it runs.
        numbers: The numbers it compares counts with.
    """

    facts: set[str] = field(default_factory=set)
    literals: set[frozenset[StrEnum]] = field(default_factory=set)
    functions: set[str] = field(default_factory=set)
    numbers: set[int] = field(default_factory=set)


def floor_source() -> str:
    """The text of floor.py."""
    return Path(str(floor.__file__)).read_text(encoding="utf-8")


def _unknown(what: str, node: ast.AST) -> CheckFailed:
    line = getattr(node, "lineno", 0)
    return CheckFailed(f"floor.py line {line}: cannot tell what the rule reads: {what}")


@dataclass(frozen=True, slots=True)
class Source:
    """A text of floor.py, taken apart.

    Attributes:
        functions: Its functions.
        constants: The values of its constants.
    """

    functions: Mapping[str, ast.FunctionDef]
    constants: Mapping[str, ast.expr]


def source_of(text: str) -> Source:
    """Take it apart."""
    tree = ast.parse(text)
    constants = {
        node.target.id: node.value
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None
    }
    return Source({node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}, constants)


def rule_functions(text: str) -> dict[str, str]:
    """Member of ``FloorRule`` -> name of the function that keeps it, as ``RULES`` says.

    Raises:
        CheckFailed: ``RULES`` is no plain tuple of such pairs.
    """
    table = source_of(text).constants.get("RULES")
    if not isinstance(table, ast.Tuple):
        raise CheckFailed("floor.py: RULES is no tuple")
    named: dict[str, str] = {}
    for pair in table.elts:
        match pair:
            case ast.Tuple(
                elts=[ast.Attribute(value=ast.Name(id="FloorRule"), attr=rule), ast.Name(id=name)]
            ):
                named[rule] = name
            case _:
                raise _unknown("RULES holds something else than pairs", pair)
    return named


def python_footprint(function: str, text: str) -> Footprint:
    """What a rule's function reads.

    Raises:
        CheckFailed: it does something with the facts that cannot be followed.
    """
    source = source_of(text)
    found = Footprint()
    arguments = tuple(argument.arg for argument in source.functions[function].args.args)
    if arguments != _RULE_ARGUMENTS:
        raise _unknown(f"the arguments of {function}", source.functions[function])
    _follow(source, function, {name: name for name in _RULE_ARGUMENTS}, found)
    return found


def _follow(source: Source, function: str, roles: Mapping[str, str], found: Footprint) -> None:
    """Read one function, its arguments being facts, a person, a picture, or one fact's value (role "")."""
    found.functions.add(function)
    explained: set[int] = set()
    for statement in source.functions[function].body:
        for node in ast.walk(statement):
            match node:
                case ast.Call(func=ast.Name(id=name)) if name in source.functions:
                    _follow_call(source, node, name, roles, found, explained)
                case ast.Call(func=ast.Attribute(attr="at_least")):
                    pass
                case ast.Call(func=ast.Name(id=name)) if name in _PLAIN_CALLS:
                    pass
                case ast.Call():
                    raise _unknown(f"a call of {ast.unparse(node.func)}", node)
                case ast.Attribute(value=ast.Name(id=name) as whole, attr=attribute) if roles.get(name):
                    path = _ROLES[roles[name]] + attribute
                    if path not in FACTS:
                        raise _unknown(f"{name}.{attribute} is no fact", node)
                    found.facts.add(path)
                    explained.add(id(whole))
                case ast.Name(id=name) if roles.get(name) and id(node) not in explained:
                    raise _unknown(f"{name} is used as a whole", node)
                case ast.Constant(value=int(number)) if not isinstance(number, bool):
                    found.numbers.add(number)
                case ast.Name() | ast.Attribute():
                    found.literals.update(_literals(source, node))
                    found.numbers.update(_numbers(source, node))


def _follow_call(
    source: Source,
    call: ast.Call,
    name: str,
    roles: Mapping[str, str],
    found: Footprint,
    explained: set[int],
) -> None:
    passed: dict[str, str] = {}
    parameters = source.functions[name].args.args
    if call.keywords or len(parameters) != len(call.args):
        raise _unknown(f"how {name} is called", call)
    for parameter, argument in zip(parameters, call.args, strict=True):
        role = roles.get(argument.id, "") if isinstance(argument, ast.Name) else ""
        passed[parameter.arg] = role
        if role:
            explained.add(id(argument))
    _follow(source, name, passed, found)


def _literals(source: Source, node: ast.Name | ast.Attribute) -> Iterator[frozenset[StrEnum]]:
    """The words that a name stands for: a constant of floor.py or of the vocabulary, or one member."""
    match node:
        case ast.Attribute(value=ast.Name(id=enum), attr=member):
            kind = getattr(vocabulary, enum, None)
            if isinstance(kind, type) and issubclass(kind, StrEnum):
                yield frozenset({kind[member]})
        case ast.Name(id=name) if name in source.constants and name != "RULES":
            inner = [n for n in ast.walk(source.constants[name]) if isinstance(n, ast.Attribute)]
            yield frozenset(word for n in inner for literal in _literals(source, n) for word in literal)
        case ast.Name(id=name):
            named = getattr(vocabulary, name, None)
            if isinstance(named, frozenset):
                yield named


def _numbers(source: Source, node: ast.Name | ast.Attribute) -> Iterator[int]:
    """The number that a constant of floor.py stands for."""
    value = source.constants.get(node.id) if isinstance(node, ast.Name) else None
    if isinstance(value, ast.Constant) and isinstance(value.value, int):
        yield value.value


def mirror_footprint(rule: RuleTerm) -> Footprint:
    """What a rule of the mirror reads."""
    found = Footprint()
    for condition in rule.conditions:
        found.literals.update(_cedar_literals(condition))
        for term in walk(condition):
            if isinstance(term, FactPath):
                found.facts.add(".".join(term.path))
            elif isinstance(term, Value) and type(term.value) is int:
                found.numbers.add(term.value)
    return found


def _cedar_literals(term: Term) -> Iterator[frozenset[StrEnum]]:
    match term:
        case Word(kind, name):
            yield frozenset({word_of(kind, name)})
        case SetOf(items) if all(isinstance(item, Word) for item in items):
            yield frozenset(word_of(item.type, item.id) for item in items if isinstance(item, Word))
        case _:
            for part in parts(term):
                yield from _cedar_literals(part)
