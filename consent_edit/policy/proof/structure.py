"""The structure: no way into the floor, and none around it, read off the source of the whole package.

1. Nothing accepts a floor, by name and by type: no parameter, field, option or variable of the environment is
   named for it, typed for its rules, or has a part of it for a default. Digests of it are plain text.
2. The floor stands alone: it imports the facts and the vocabulary, keeps no state, and its rules are fixed.
3. Nothing reaches into it: no assignment, deletion, ``setattr`` or reload changes what it holds.
4. It is asked: by the decision, again by the Decision itself, and again by the gate at admission and release;
   what it finds reaches every way out of them, whole and under no condition (asked.py).
5. Its mirror is hashed (digests.py) and otherwise read by the proof alone.
6. Nothing on the way of an edit imports the proof, or what authors use.

It finds slips, and a change that somebody did not think through; it is no wall against an author who wants to
hide something from it. That is what review, the pins and the digests in every record are for.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from consent_edit.policy.proof.asked import ASKERS, asked
from consent_edit.policy.proof.sources import FLOOR, Module, Texts, called, imported, parsed

Looked: TypeAlias = tuple[str, str]
"""What was looked at, and what is wrong with it; the latter empty when nothing is."""

_PROOF: Final = "consent_edit.policy.proof"
_AUTHORING: Final = "consent_edit.policy.authoring"
_WORKSHOP: Final = (_PROOF, _AUTHORING)
_COMMANDS: Final = re.compile(r"consent_edit\.cli\.(?!edit$|assess$|demo$|main$|terminal$)\w+")
_DIGESTS: Final = "consent_edit.policy.digests"
_NAMED: Final = re.compile(r"(^|_)(floors?|mirrors?)(_|$)")
_TYPED: Final = re.compile(r"FloorRule|FloorFinding|ModuleType|Callable.*PictureAggregate")
_OPTION: Final = re.compile(r"--[\w-]*(floor|mirror)|^[A-Z_]*(FLOOR|MIRROR)[A-Z_]*$")
_FLOOR_IMPORTS: Final = frozenset(
    {
        *("__future__", "collections.abc", "dataclasses", "enum", "typing"),
        *("consent_edit.policy.facts", "consent_edit.vocabulary"),
    }
)
_FLOOR_CALLS: Final = frozenset({"frozenset", "dataclass"})
_ITS_NAMES: Final = frozenset({"judge", "RULES", "picture_aggregate", "recognisable_face", "consent_counts"})
_CHANGERS: Final = frozenset({"setattr", "delattr", "vars", "reload", "__setattr__", "__delattr__", "update"})


@dataclass(frozen=True, slots=True)
class Structure:
    """What the reading came to.

    Attributes:
        checked: How many signatures, fields, statements and modules were looked at.
        found: What is wrong, in words.
    """

    checked: int
    found: tuple[str, ...]


def read_structure(texts: Texts) -> Structure:
    """Read the whole package.

    Args:
        texts: From ``package_texts``, or a copy of it with something planted.
    """
    modules = [parsed(name, text) for name, text in texts.items()]
    checks: tuple[Callable[[Module], Iterator[Looked]], ...] = (
        _accepts_no_floor,
        _stands_alone,
        _reached_into,
        asked,
        _mirror_unread,
        _no_proof,
    )
    looked = [
        (f"{module.name}: {what}" if what else "")
        for module in modules
        for check in checks
        for _, what in check(module)
    ]
    missing = [name for name in (FLOOR, *ASKERS) if name not in texts]
    found = (*(what for what in looked if what), *(f"{name} is missing" for name in missing))
    return Structure(len(looked), tuple(found))


def _accepts_no_floor(module: Module) -> Iterator[Looked]:
    """1."""
    if module.within(_PROOF, FLOOR):
        return
    for node in module.nodes:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                name = getattr(node, "name", "a lambda")
                for argument, default in _arguments(node.args):
                    yield _handed_in(
                        module, f"{name}({argument.arg})", argument.arg, argument.annotation, default
                    )
            case ast.ClassDef(name=name, body=body) if not module.within(
                _AUTHORING
            ):  # 6. keeps those off edits
                for field in body:
                    yield from _field(module, name, field)
    for text in module.strings:
        wrong = bool(_OPTION.search(str(text.value)))
        yield "option", f"line {text.lineno}: {text.value!r} would hand a floor in" if wrong else ""


def _arguments(arguments: ast.arguments) -> Iterator[tuple[ast.arg, ast.expr | None]]:
    plain = [*arguments.posonlyargs, *arguments.args]
    padded = [None] * (len(plain) - len(arguments.defaults)) + list(arguments.defaults)
    yield from zip(plain, padded, strict=True)
    yield from zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    yield from ((extra, None) for extra in (arguments.vararg, arguments.kwarg) if extra)


def _field(module: Module, owner: str, field: ast.stmt) -> Iterator[Looked]:
    match field:
        case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=value):
            yield _handed_in(module, f"{owner}.{name}", name, annotation, value)
        case ast.Assign(value=ast.Constant()):  # a member of an enum, a word
            yield f"{owner}.{ast.unparse(field)}", ""
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            yield _handed_in(module, f"{owner}.{name}", name, None, value)


def _handed_in(
    module: Module, where: str, name: str, annotation: ast.expr | None, default: ast.expr | None
) -> Looked:
    kind = ast.unparse(annotation).strip("'\"") if annotation else ""
    if _TYPED.search(kind):
        return where, f"{where} takes {kind}"
    if default is not None and any(module.is_floor(node) for node in ast.walk(default)):
        return where, f"{where} has a part of the floor for a default"
    if name in module.taken | module.floor_names | _ITS_NAMES:
        return where, f"{where} stands in for the floor's own"
    digest = kind == "Digest" or (kind == "str" and name.endswith("_digest"))
    named = bool(_NAMED.search(name.lower())) and not digest
    return where, f"{where} is named for the floor" if named else ""


def _stands_alone(module: Module) -> Iterator[Looked]:
    """2."""
    if module.name != FLOOR:
        return
    for node in module.nodes:
        match node:
            case ast.ImportFrom(module=name):
                yield "import", "" if name in _FLOOR_IMPORTS else f"line {node.lineno}: imports {name}"
            case ast.Import(names=[alias, *_]):
                yield "import", f"line {node.lineno}: imports {alias.name}"
            case ast.Global() | ast.Nonlocal():
                yield "state", f"line {node.lineno}: keeps state"
    for statement in module.tree.body:
        yield _fixed(statement)
    rules = [n for n in module.tree.body if isinstance(n, ast.AnnAssign) and ast.unparse(n.target) == "RULES"]
    whole = len(rules) == 1 and isinstance(rules[0].value, ast.Tuple)
    yield "RULES", "" if whole else "RULES is no tuple written out once"


def _fixed(statement: ast.stmt) -> Looked:
    where = f"line {statement.lineno}"
    match statement:
        case ast.FunctionDef(args=arguments):
            return (
                where,
                f"{where}: a default argument" if arguments.defaults or arguments.kw_defaults else "",
            )
        case ast.ImportFrom() | ast.Import() | ast.ClassDef() | ast.Expr(value=ast.Constant()):
            return where, ""
        case ast.AnnAssign(annotation=annotation, value=ast.expr() as value):
            final = ast.unparse(annotation).startswith("Final")
            called = {ast.unparse(n.func) for n in ast.walk(value) if isinstance(n, ast.Call)} - _FLOOR_CALLS
            held = isinstance(value, ast.Constant | ast.Tuple | ast.Call) and not called
            return where, "" if final and held else f"{where}: a value that is not fixed"
    return where, f"{where}: a statement that does something"


def _reached_into(module: Module) -> Iterator[Looked]:
    """3."""
    if module.name == FLOOR:
        return
    for node in module.nodes:
        match node:
            case ast.Attribute(value=value, attr=name, ctx=ast.Store() | ast.Del()):
                wrong = module.is_floor(value) or name in _ITS_NAMES
            case ast.Subscript(value=value, slice=key, ctx=ast.Store() | ast.Del()):
                named = isinstance(key, ast.Constant) and key.value in _ITS_NAMES
                wrong = named or any(module.is_floor(inner) for inner in ast.walk(value))
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                wrong = name in module.taken | module.floor_names
            case ast.Call(func=func, args=arguments) if called(node) in _CHANGERS:
                wrong = any(
                    module.is_floor(inner) for part in (func, *arguments) for inner in ast.walk(part)
                ) or any(isinstance(part, ast.Constant) and part.value in _ITS_NAMES for part in arguments)
            case _:
                continue
        yield (
            "assignment",
            f"line {node.lineno}: reaches into the floor: {ast.unparse(node)}" if wrong else "",
        )
    if not module.within(_PROOF):
        for text in module.strings:
            yield "name", f"line {text.lineno}: names the floor's module" if text.value == FLOOR else ""


def _mirror_unread(module: Module) -> Iterator[Looked]:
    """5."""
    if module.within(_PROOF):
        return
    for text in module.strings:
        wrong = "floor.cedar" in str(text.value) and module.name != _DIGESTS
        yield "text", f"line {text.lineno}: names the mirror's file" if wrong else ""
    hashed = {
        id(argument)
        for node in module.nodes
        if isinstance(node, ast.Call) and called(node) == "_digest_of"
        for argument in node.args
    }
    for node in module.nodes:
        if isinstance(node, ast.Name | ast.Attribute) and _word(node) == "MIRROR_FILE":
            read = isinstance(node.ctx, ast.Load) and id(node) not in hashed
            yield "mirror", f"line {node.lineno}: does more than hash the mirror" if read else ""


def _word(node: ast.Name | ast.Attribute) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr


def _no_proof(module: Module) -> Iterator[Looked]:
    """6."""
    if module.within(*_WORKSHOP) or _COMMANDS.fullmatch(module.name):
        return
    for name in (*imported(module), *(str(text.value) for text in module.strings)):
        wrong = any(name == room or name.startswith(room + ".") for room in _WORKSHOP)
        yield "import", f"depends on {name}" if wrong else ""
