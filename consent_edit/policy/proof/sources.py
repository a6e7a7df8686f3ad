"""The package's own source, module by module, as the structure of it is read."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from consent_edit import errors

Texts: TypeAlias = Mapping[str, str]
"""Module name -> its text."""

FLOOR: Final = "consent_edit.policy.floor"
_ROOM, _, _NAME = FLOOR.rpartition(".")
_PACKAGE: Final = Path(str(errors.__file__)).parent


def package_texts() -> dict[str, str]:
    """Every module of the package as it stands on this disk."""
    texts = {}
    for path in sorted(_PACKAGE.rglob("*.py")):
        steps = path.relative_to(_PACKAGE.parent).with_suffix("").parts
        name = ".".join(steps[:-1] if steps[-1] == "__init__" else steps)
        texts[name] = path.read_text(encoding="utf-8")
    return texts


@dataclass(frozen=True, slots=True)
class Module:
    """One module, parsed.

    Attributes:
        name: Its dotted name.
        tree: Its syntax.
        nodes: Every node of it.
        strings: Its string literals; docstrings and other sentences standing alone are none.
        floor_names: Names in it that mean the floor module.
        taken: Names in it that were imported from the floor.
    """

    name: str
    tree: ast.Module
    nodes: tuple[ast.AST, ...]
    strings: tuple[ast.Constant, ...]
    floor_names: frozenset[str]
    taken: frozenset[str]

    def within(self, *rooms: str) -> bool:
        """Whether it is one of these modules, or in one of these packages."""
        return any(self.name == room or self.name.startswith(room + ".") for room in rooms)

    def is_floor(self, node: ast.AST) -> bool:
        """Whether an expression means the floor module, or something imported from it."""
        if isinstance(node, ast.Name):
            return node.id in self.floor_names | self.taken
        if not isinstance(node, ast.Attribute):
            return False
        return (node.attr == _NAME and ast.unparse(node) == FLOOR) or self.is_floor(node.value)

    def calls_judge(self, node: ast.AST) -> bool:
        """Whether this is a call of the floor's own judge."""
        return isinstance(node, ast.Call) and self.is_floor(node.func) and called(node) == "judge"


def _imports(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, str, str]]:
    """Module, name in it (empty for the module itself), and what it is called here."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((alias.name, "", alias.asname or alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name, alias.asname or alias.name) for alias in node.names)


def imported(module: Module) -> Iterator[str]:
    """Dotted names of all that a module imports, wherever in it."""
    for room, name, _ in _imports(module.nodes):
        yield room
        if name:
            yield f"{room}.{name}"


def parsed(name: str, text: str) -> Module:
    """A module with what it knows of the floor."""
    tree = ast.parse(text)
    nodes = tuple(ast.walk(tree))
    known = list(_imports(nodes))
    floors = {here for module, what, here in known if (module, what) in ((FLOOR, ""), (_ROOM, _NAME))}
    taken = {here for module, what, here in known if module == FLOOR and what}
    return Module(name, tree, nodes, tuple(_strings(nodes)), frozenset(floors), frozenset(taken))


def called(call: ast.Call) -> str:
    """The last word of what is called."""
    func = call.func
    return func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""


def _strings(nodes: tuple[ast.AST, ...]) -> Iterator[ast.Constant]:
    alone = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone:
            yield node
