"""Whether what the floor finds reaches every way out of those who ask it: whole, and under no condition.

Read off their source, step by step from the judge to ``decide``. In each step

1. the facts are the ones handed in;
2. the step below is asked whatever else is true, and its answer kept under a name of its own;
3. every ``return`` hands that answer on. A filter, a condition, a slice or another answer is no such thing.

It knows a few plain forms and finds fault with every other, so that a new form is looked at by people.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

from consent_edit.policy.proof.sources import Module, called

DECISION: Final = "consent_edit.policy.decision"
OUTCOME: Final = "consent_edit.policy.outcome"
GATE: Final = "consent_edit.gate"
ASKERS: Final = (DECISION, OUTCOME, GATE)

_JUDGE: Final = "judge"
_STEPS: Final = (
    ("_house_findings", _JUDGE),
    ("_judged", "_house_findings"),
    ("_decide", "_judged"),
    ("decide", "_decide"),
)
_BARRIERS: Final = {OUTCOME: ("__post_init__",), GATE: ("admit", "_release")}
_FACTS: Final = "facts"
_GIVEN_UP: Final = "_undecided"
"""The refusal for a decision that could not be taken."""
_ALWAYS: Final = "_UNANSWERED"
"""The codes that it always holds."""
_HELD: Final = frozenset({"codes", "findings", "texts", "fault"})
"""What may be read of an answer."""
_SOLE_REASON: Final = "not self.codes"
_Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


def asked(module: Module) -> Iterator[tuple[str, str]]:
    """Who must ask, and what is wrong with how; the latter empty when nothing is."""
    steps = _STEPS if module.name == DECISION else ()
    for name, below in steps:
        step = _defined(module, name)
        yield name, _wrong(module, step, below) if step else f"{name} does not ask the floor"
    for name, well in ((_GIVEN_UP, _refuses_always), ("codes", _keeps_codes)) if steps else ():
        function = _defined(module, name)
        yield name, "" if function and well(function) else f"{name} may leave out what the floor found"
    for name in _BARRIERS.get(module.name, ()):
        barrier = _defined(module, name)
        yield name, "" if barrier and _stops(module, barrier) else f"{name} does not ask the floor"


def _defined(module: Module, name: str) -> _Function | None:
    """The one function of that name, if it is the only thing called so and nothing is wrapped around it."""
    functions = [node for node in module.nodes if isinstance(node, _Function) and node.name == name]
    alone = len(functions) == 1 and not functions[0].decorator_list
    own = [function for function in functions if function in module.tree.body]
    return functions[0] if alone and _bound(_outside(module.tree)).count(name) == len(own) else None


def _outside(tree: ast.Module) -> Iterator[ast.AST]:
    """The nodes of a module, without what functions and classes are made of."""
    for statement in tree.body:
        inner = isinstance(statement, _Function | ast.ClassDef)
        yield from (statement,) if inner else ast.walk(statement)


def _bound(nodes: Iterable[ast.AST]) -> list[str]:
    """Every name that something is called in there, as often as it is given."""
    found: list[str] = []
    for node in nodes:
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()) | ast.alias(asname=str(name)):
                found.append(name)
            case ast.alias(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                found.append(name)
            case ast.ClassDef(name=name) | ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
                found.append(name)
            case ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)) | ast.arg(arg=name):
                found.append(name)
    return found


def _wrong(module: Module, step: _Function, below: str) -> str:
    """What is wrong with a step; empty when nothing is."""
    first = [argument.arg for argument in step.args.args]
    defaults = [value for value in (*step.args.defaults, *step.args.kw_defaults) if value is not None]
    if first[:1] != [_FACTS] or (defaults and step.name.startswith("_")):
        return f"{step.name} takes something else than the facts, or something by default"
    answer = _Answer(module, below)
    for statement in _main_line(step.body):
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if answer.whole(value):
                answer.names.add(name)
    nodes = list(ast.walk(step))
    bound = _bound(nodes)
    if any(bound.count(name) != 1 for name in (_FACTS, *answer.names)):
        return f"{step.name} changes the facts, or what was found"
    if any(map(answer.tampered, nodes)):
        return f"{step.name} picks from what was found"
    ways_out = [node.value for node in nodes if isinstance(node, ast.Return | ast.Yield | ast.YieldFrom)]
    if not ways_out or not all(value is not None and answer.whole(value) for value in ways_out):
        return f"{step.name} does not hand on all that {below} finds on every way out"
    return ""


def _main_line(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run whatever is true, unless something was raised."""
    for statement in body:
        if isinstance(statement, ast.Try):
            yield from _main_line(statement.body)
        else:
            yield statement


class _Answer:
    """What the step below answered, and the names that hold all of it."""

    def __init__(self, module: Module, below: str) -> None:
        self.names: set[str] = set()
        self._module, self._below = module, below

    def whole(self, value: ast.expr) -> bool:
        """Whether an expression holds all of the answer."""
        match value:
            case ast.Name(id=name):
                return name in self.names
            case ast.Attribute(value=inner, attr=name):
                return name in _HELD and self.whole(inner)
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                return any(isinstance(part, ast.Starred) and self.whole(part.value) for part in parts)
            case ast.ListComp(
                elt=made, generators=[ast.comprehension(target=ast.Name(id=one), ifs=[]) as each]
            ):
                return ast.unparse(made) == f"Finding({one}.rule.value, {one}.person)" and self.whole(
                    each.iter
                )
            case ast.Call(args=arguments):
                return self._made(value, arguments)
        return False

    def _made(self, call: ast.Call, arguments: list[ast.expr]) -> bool:
        of_facts = bool(arguments) and isinstance(arguments[0], ast.Name) and arguments[0].id == _FACTS
        if self._module.calls_judge(call):
            return self._below == _JUDGE and of_facts and len(arguments) == 1 and not call.keywords
        match call.func:
            case ast.Name(id=name) if name != _JUDGE and name in (self._below, _GIVEN_UP):
                return of_facts
            case ast.Name(id="tuple" | "ordered" | "_Judged"):
                return bool(arguments) and self.whole(arguments[0])
            case ast.Name(id="Decision"):
                told = {word.arg: word.value for word in call.keywords}
                return all(name in told and self.whole(told[name]) for name in ("codes", "findings"))
            case ast.Attribute(value=inner, attr="codes"):
                return self.whole(inner)
        return False

    def tampered(self, node: ast.AST) -> bool:
        """Whether something other than the answer itself is done with a name that holds it."""
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr=read, ctx=context):
                return name in self.names and (read not in _HELD or not isinstance(context, ast.Load))
            case ast.Subscript(value=ast.Name(id=name)):
                return name in self.names
        return False


def _refuses_always(function: _Function) -> bool:
    """Whether every way out is a decision with codes that are always there."""
    ways_out = [node.value for node in ast.walk(function) if isinstance(node, ast.Return)]
    told = [
        word.value
        for value in ways_out
        if isinstance(value, ast.Call) and called(value) == "Decision"
        for word in value.keywords
        if word.arg == "codes"
    ]
    return bool(told) and len(told) == len(ways_out) and all(map(_always_there, told))


def _always_there(codes: ast.expr) -> bool:
    match codes:
        case ast.Call(func=ast.Name(id="ordered"), args=[ast.Tuple(elts=parts)]):
            return any(ast.unparse(part) == f"*{_ALWAYS}" for part in parts)
    return False


def _keeps_codes(function: _Function) -> bool:
    """Whether the codes of an answer are those of all its findings, whatever else they are."""
    ways_out = [node.value for node in ast.walk(function) if isinstance(node, ast.Return)]
    match ways_out:
        case [ast.Call(func=ast.Name(id="ordered"), args=[ast.Tuple(elts=[ast.Starred(value=found), *_])])]:
            return ast.unparse(found) == "(finding.code for finding in self.findings)"
    return False


def _stops(module: Module, function: _Function) -> bool:
    """Whether whatever the judge finds, be it alone or among other reasons, leads to a refusal."""
    for statement in function.body:
        if isinstance(statement, ast.If) and _barrier(module, statement):
            return True
        if any(isinstance(node, ast.Return) for node in ast.walk(statement)):
            return False
    return False


def _barrier(module: Module, statement: ast.If) -> bool:
    if not ast.unparse(statement.body[0]).startswith(("self.refuse(", "raise ")):
        return False
    match statement.test:
        case ast.BoolOp(op=ast.Or(), values=reasons):
            pass
        case ast.BoolOp(op=ast.And(), values=[sole, reason]) if ast.unparse(sole) == _SOLE_REASON:
            reasons = [reason]
        case reason:
            reasons = [reason]
    return any(_judges(module, reason) for reason in reasons)


def _judges(module: Module, reason: ast.expr) -> bool:
    match reason:
        case ast.Call(args=[ast.Attribute(value=ast.Name(), attr="facts")], keywords=[]):
            return module.calls_judge(reason)
    return False
