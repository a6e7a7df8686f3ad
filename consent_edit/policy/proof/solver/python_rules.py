"""floor.py's own rules as formulas, read off its source, so that the solver speaks of the code that runs.

Only the few forms of Python that a rule is written in are known; any other stops the proof, so that nothing
is guessed. Helpers are followed; the vocabulary's sets and the order of assurance are taken as they are.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

import z3

from consent_edit import vocabulary
from consent_edit.errors import CheckFailed
from consent_edit.policy.proof.footprint import Source, source_of
from consent_edit.policy.proof.solver.rules import Space
from consent_edit.policy.proof.solver.values import Members, constant, sort_of
from consent_edit.policy.proof.space import PICTURE
from consent_edit.vocabulary import Assurance


@dataclass(frozen=True, slots=True)
class _Whole:
    """``facts``, ``person`` or ``picture``: something with facts, by the first part of their paths."""

    prefix: str


_Known: TypeAlias = bool | int | StrEnum | frozenset[StrEnum]
_Value: TypeAlias = z3.ExprRef | Members | _Known | _Whole
_Names: TypeAlias = Mapping[str, _Value]


def python_rule(function: str, space: Space, text: str) -> z3.BoolRef:
    """A rule's function as a formula: when it refuses.

    Args:
        function: Its name.
        space: The facts it is about.
        text: The source of the floor.

    Raises:
        CheckFailed: it is written in a form that is not known.
    """
    arguments: _Names = {"facts": _Whole(""), "person": _Whole(""), "picture": _Whole(PICTURE)}
    reader = _Reader(space, source_of(text))
    return reader.call(function, list(arguments.values()))


def _unknown(node: ast.AST) -> CheckFailed:
    return CheckFailed(f"floor.py line {getattr(node, 'lineno', 0)}: no formula for {ast.unparse(node)}")


def _truth(value: _Value) -> z3.BoolRef:
    if isinstance(value, dict):
        return z3.Or(*value.values())
    if isinstance(value, bool | int | frozenset):
        return z3.BoolVal(bool(value))
    if isinstance(value, z3.ExprRef) and z3.is_bool(value):
        return value
    raise CheckFailed("floor.py: something is taken for true or false that is neither")


@dataclass(frozen=True, slots=True)
class _Reader:
    """The source of a floor, read over one space of facts."""

    space: Space
    source: Source

    def call(self, function: str, arguments: Sequence[_Value]) -> z3.BoolRef:
        """A function's answer."""
        known = self.source.functions[function]
        names = dict(zip((argument.arg for argument in known.args.args), arguments, strict=True))
        return self._run(known.body, names)

    def _run(self, body: Sequence[ast.stmt], names: _Names) -> z3.BoolRef:
        """The answer of statements: cases with an answer, names for something, and the answer."""
        match body:
            case [ast.Expr(value=ast.Constant()), *rest]:
                return self._run(rest, names)
            case [ast.Assign(targets=[ast.Name(id=name)], value=value), *rest]:
                return self._run(rest, {**names, name: self._value(value, names)})
            case [ast.If(test=test, body=[ast.Return() as inside], orelse=[]), *rest]:
                asked = _truth(self._value(test, names))
                return z3.If(asked, self._run([inside], names), self._run(rest, names))
            case [ast.Return(value=ast.expr() as value)]:
                return _truth(self._value(value, names))
        raise _unknown(body[0] if body else ast.Pass())

    def _value(self, node: ast.expr, names: _Names) -> _Value:  # noqa: PLR0911 - one a form
        match node:
            case ast.Constant(value=bool() | int() as value):
                return value
            case ast.Name(id=name):
                return self._named(node, name, names)
            case ast.Attribute(value=ast.Name(id=name), attr=attribute):
                return self._attribute(node, names.get(name, name), attribute)
            case ast.BoolOp(op=op, values=values):
                parts = (_truth(self._value(value, names)) for value in values)
                return z3.And(*parts) if isinstance(op, ast.And) else z3.Or(*parts)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return z3.Not(_truth(self._value(operand, names)))
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return _compared(node, op, self._value(left, names), self._value(right, names))
            case ast.BinOp(left=left, op=ast.BitAnd(), right=right):
                return _common(node, self._value(left, names), self._value(right, names))
            case ast.Call(func=func, args=arguments, keywords=[]):
                return self._called(node, func, arguments, names)
        raise _unknown(node)

    def _named(self, node: ast.expr, name: str, names: _Names) -> _Value:
        if name in names:
            return names[name]
        if name in self.source.constants:
            return self._value(self.source.constants[name], {})
        value = getattr(vocabulary, name, None)
        if not isinstance(value, frozenset):
            raise _unknown(node)
        return value

    def _attribute(self, node: ast.expr, owner: _Value | str, name: str) -> _Value:
        if isinstance(owner, _Whole):
            found = self.space.sets.get(owner.prefix + name, self.space.scalars.get(owner.prefix + name))
            if found is not None:
                return found
        kind = getattr(vocabulary, owner, None) if type(owner) is str else None
        if isinstance(kind, type) and issubclass(kind, StrEnum) and name in kind.__members__:
            return kind[name]
        raise _unknown(node)

    def _called(self, node: ast.expr, func: ast.expr, arguments: list[ast.expr], names: _Names) -> _Value:
        match func, arguments:
            case ast.Name(id="bool"), [argument]:
                return _truth(self._value(argument, names))
            case ast.Name(id="frozenset"), [ast.Set(elts=elements)]:
                words = (self._value(element, names) for element in elements)
                return frozenset(word for word in words if isinstance(word, StrEnum))
            case ast.Name(id=name), _ if name in self.source.functions:
                return self.call(name, [self._value(argument, names) for argument in arguments])
            case ast.Attribute(value=value, attr="at_least"), [argument]:
                least = self._value(argument, names)
                if isinstance(least, Assurance):
                    enough = frozenset(level for level in Assurance if level.at_least(least))
                    return _compared(node, ast.In(), self._value(value, names), enough)
        raise _unknown(node)


def _common(node: ast.expr, left: _Value, right: _Value) -> Members:
    if isinstance(left, dict) and isinstance(right, frozenset):
        return {word: inside for word, inside in left.items() if word in right}
    raise _unknown(node)


def _compared(node: ast.expr, op: ast.cmpop, left: _Value, right: _Value) -> z3.BoolRef:  # noqa: PLR0911 - one a form
    match op:
        case ast.Is() if isinstance(left, z3.ExprRef) and isinstance(right, StrEnum):
            return _is(node, left, right)
        case ast.IsNot() if isinstance(left, z3.ExprRef) and isinstance(right, StrEnum):
            return z3.Not(_is(node, left, right))
        case ast.In():
            return _in(node, left, right)
        case ast.NotIn():  # codespell:ignore
            return z3.Not(_in(node, left, right))
        case ast.LtE() if isinstance(left, dict) and isinstance(right, frozenset):
            return z3.Not(z3.Or(*(inside for word, inside in left.items() if word not in right)))
        case ast.GtE() if isinstance(left, z3.ArithRef) and isinstance(right, int):
            return left >= right
        case ast.Eq() if isinstance(left, z3.ArithRef) and isinstance(right, int):
            return left == right
    raise _unknown(node)


def _is(node: ast.expr, word: z3.ExprRef, wanted: StrEnum) -> z3.BoolRef:
    if word.sort() != sort_of(type(wanted))[0]:
        raise _unknown(node)
    return word == constant(wanted)


def _in(node: ast.expr, word: _Value, words: _Value) -> z3.BoolRef:
    if isinstance(word, StrEnum) and isinstance(words, dict):
        return words[word.value]
    if isinstance(word, z3.ExprRef) and isinstance(words, frozenset):
        return z3.Or(*(_is(node, word, wanted) for wanted in words))
    raise _unknown(node)
