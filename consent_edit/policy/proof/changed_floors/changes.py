"""Every single change of the Python floor's code that the proof must notice."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from consent_edit import vocabulary

New: TypeAlias = tuple[str, ast.AST]
"""Kind of change, and what stands there instead."""

_SWAPPED: Final[dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]]] = {
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),  # codespell:ignore
    ast.NotIn: (ast.In,),  # codespell:ignore
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Lt: (ast.LtE, ast.GtE),
    ast.Gt: (ast.GtE, ast.LtE),
}
_BINARY: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.Sub: ast.Add,
    ast.Add: ast.Sub,
}
_QUANTIFIERS: Final = {"any": "all", "all": "any"}


@dataclass(frozen=True, slots=True)
class Change:
    """One change at one place of a tree.

    Attributes:
        kind: What sort of change.
        name: The change, for people, with its line.
        function: The function it is in; empty for a constant of the module.
        constant: The constant it is in; empty for a function.
        owner: The node that holds the place.
        place: Name of its field, and the position in it where it is a list.
        old: What stands there.
        new: What is put there; ``None`` takes an element out of a list.
    """

    kind: str
    name: str
    function: str
    constant: str
    owner: ast.AST
    place: tuple[str, int | None]
    old: object
    new: object

    def put(self, value: object) -> None:
        """Let this stand at the place."""
        name, position = self.place
        if position is None:
            setattr(self.owner, name, value)
        else:
            getattr(self.owner, name)[position] = value


def changes(tree: ast.Module) -> Iterator[Change]:
    """Every change of a floor's functions and constants; class bodies, imports and types stay as they are."""
    for number, node in enumerate(tree.body):
        match node:
            case ast.FunctionDef(name=name):
                for position, statement in enumerate(node.body):
                    yield from _at(node, ("body", position), statement, (name, ""))
                yield from _early(node, name)
            case ast.AnnAssign(target=ast.Name(id="RULES"), value=ast.Tuple() as rules):
                yield from _rules(rules)
            case ast.AnnAssign(target=ast.Name(id=constant), value=ast.expr() as value):
                yield from _at(node, ("value", None), value, ("", constant))
            case ast.ClassDef() | ast.ImportFrom() | ast.Expr() | ast.AnnAssign():
                pass
            case _:
                kind = type(node).__name__
                yield Change(
                    "unforeseen", f"a {kind} that no change knows", "", "", tree, ("body", number), node, node
                )


def _early(function: ast.FunctionDef, name: str) -> Iterator[Change]:
    """A function that answers at once."""
    if isinstance(function.returns, ast.Name) and function.returns.id == "bool":
        for answer in (True, False):
            body = [ast.Return(ast.Constant(answer))]
            label = f"line {function.lineno}: {name} returns {answer} at once"
            yield Change("early return", label, name, "", function, ("body", None), function.body, body)


def _rules(rules: ast.Tuple) -> Iterator[Change]:
    elements = list(rules.elts)
    for number, pair in enumerate(elements):
        rest = elements[:number] + elements[number + 1 :]
        label = f"line {pair.lineno}: {ast.unparse(pair)} dropped"
        yield Change("rule dropped", label, "", "RULES", rules, ("elts", None), elements, rest)


def _at(
    owner: ast.AST, place: tuple[str, int | None], node: ast.AST, where: tuple[str, str]
) -> Iterator[Change]:
    """The changes of what stands at a place, and of everything below it."""
    for kind, new in _instead(node):
        label = f"line {_line(node)}: {ast.unparse(node).strip()} -> {ast.unparse(new).strip()}"
        yield Change(kind, label, *where, owner, place, node, new)
    if isinstance(node, ast.Set):
        return
    for name, value in ast.iter_fields(node):
        if isinstance(value, list):
            for position, item in enumerate(value):
                if isinstance(item, ast.AST):
                    yield from _at(node, (name, position), item, where)
        elif isinstance(value, ast.AST) and name not in ("annotation", "returns"):
            yield from _at(node, (name, None), value, where)


def _line(node: ast.AST) -> int:
    return node.target.lineno if isinstance(node, ast.comprehension) else int(getattr(node, "lineno", 0))


def _instead(node: ast.AST) -> Iterator[New]:  # noqa: PLR0912 - one a form
    match node:
        case ast.BoolOp(op=op, values=values):
            swapped = ast.Or() if isinstance(op, ast.And) else ast.And()
            yield "and/or swapped", ast.BoolOp(swapped, values)
            for number in range(len(values)):
                rest = values[:number] + values[number + 1 :]
                yield "operand dropped", rest[0] if len(rest) == 1 else ast.BoolOp(op, rest)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield "not dropped", operand
        case ast.Compare(left=left, ops=[op], comparators=comparators):
            for other in _SWAPPED[type(op)]:
                yield "comparison replaced", ast.Compare(left, [other()], comparators)
        case ast.BinOp(left=left, op=op, right=right):
            yield "operator replaced", ast.BinOp(left, _BINARY[type(op)](), right)
        case ast.Constant(value=bool(value)):
            yield "constant replaced", ast.Constant(not value)
        case ast.Constant(value=int(value)):
            yield from (("number replaced", ast.Constant(value + step)) for step in (1, -1))
        case ast.Call(func=ast.Name(id=name)) if name in _QUANTIFIERS:
            changed = ast.Call(ast.Name(_QUANTIFIERS[name], ast.Load()), node.args, node.keywords)
            yield "any/all swapped", changed
        case ast.Return(value=ast.expr() as value):
            yield "answer turned round", ast.Return(ast.UnaryOp(ast.Not(), value))
        case ast.If(body=body, orelse=orelse):
            yield "case dropped", ast.If(ast.Constant(False), body, orelse)
            yield "case always taken", ast.If(ast.Constant(True), body, orelse)
        case ast.Set(elts=elements):
            yield from _set(elements)
        case ast.comprehension():
            yield from _comprehension(node)
        case ast.Attribute(value=ast.Name(id=enum), attr=word):
            yield from (("word replaced", _member(enum, other)) for other in _words(enum) if other != word)


def _comprehension(node: ast.comprehension) -> Iterator[New]:
    for number, test in enumerate(node.ifs):
        ifs = [*node.ifs[:number], ast.UnaryOp(ast.Not(), test), *node.ifs[number + 1 :]]
        yield "filter turned round", ast.comprehension(node.target, node.iter, ifs, node.is_async)
        rest = [*node.ifs[:number], *node.ifs[number + 1 :]]
        yield "filter dropped", ast.comprehension(node.target, node.iter, rest, node.is_async)
    one = ast.Constant(1)
    first, last = ast.Slice(lower=one), ast.Slice(upper=ast.UnaryOp(ast.USub(), one))
    for cut in (first,) if _without_unseen(node.ifs) else (first, last):
        everybody = ast.Call(ast.Name("tuple", ast.Load()), [node.iter], [])
        some = ast.Subscript(everybody, cut, ast.Load())
        yield "somebody left out", ast.comprehension(node.target, some, node.ifs, node.is_async)


def _without_unseen(filters: list[ast.expr]) -> bool:
    """Whether ``unseen``, who stands last, is filtered out by right, so that leaving her out is no change."""
    return any(ast.unparse(test).endswith(".kind is PersonKind.FACE") for test in filters)


def _words(enum: str) -> tuple[str, ...]:
    kind = getattr(vocabulary, enum, None)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return tuple(member.name for member in kind)
    return ()


def _member(enum: str, word: str) -> ast.Attribute:
    return ast.Attribute(ast.Name(enum, ast.Load()), word, ast.Load())


def _set(elements: list[ast.expr]) -> Iterator[New]:
    """A set of words with one of them taken out, or with one more."""
    for number in range(len(elements)):
        yield "element out", ast.Set(elements[:number] + elements[number + 1 :])
    held = {node.attr for node in elements if isinstance(node, ast.Attribute)}
    kinds = {n.value.id for n in elements if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name)}
    for enum in sorted(kinds):
        missing = [word for word in _words(enum) if word not in held]
        yield from (("element in", ast.Set([*elements, _member(enum, word)])) for word in missing)
