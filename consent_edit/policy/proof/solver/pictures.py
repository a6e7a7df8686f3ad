"""For the solver: which points a picture can hold, said again as formulas, and a point read off a model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import z3

from consent_edit.policy.points import FactValue
from consent_edit.policy.proof.evaluate import LONG_MAX
from consent_edit.policy.proof.solver.rules import Space
from consent_edit.policy.proof.space import BENIGN, FACTS, NUMBERS, SUMMED, Count, Fact, Flag, Set, Word
from consent_edit.vocabulary import (
    Age,
    ConsentStatus,
    Exposure,
    ExposureChange,
    Intent,
    Operation,
    PersonKind,
)


def consistent(space: Space) -> z3.BoolRef:
    """As points.consistent, its numbered lines; counts being no larger than Cedar's numbers."""
    is_value = space.is_value
    unseen, face = is_value("kind", PersonKind.UNSEEN), is_value("kind", PersonKind.FACE)
    verified = is_value("consent", ConsentStatus.VERIFIED)
    granted, touched = space.sets["granted"], space.sets["touched"]
    swaps = z3.And(face, verified, granted[Operation.FACE_SWAP.value])
    exposed = z3.Not(is_value("exposure", Exposure.NONE))
    more = z3.Not(is_value("exposure_change", ExposureChange.NONE))
    revealing = z3.Or(is_value("intent", Intent.REVEALING), is_value("intent", Intent.SEXUAL))
    adult = z3.And(verified, is_value("age", Age.ADULT))
    picture = {name.removeprefix("picture."): space.scalars[name] for name in SUMMED}
    others = picture["persons"] - z3.If(unseen, 0, 1)
    swappers = picture["swap_consents"] - z3.If(swaps, 1, 0)
    faces = picture["faces"] - z3.If(face, 1, 0)
    alone = z3.And(unseen, picture["persons"] == 0)
    present = z3.Or(z3.Not(unseen), alone, exposed, more, z3.Or(*touched.values()))
    return z3.And(
        # 1.
        *(swappers >= 0, faces >= swappers, others >= faces),
        *(picture[name] <= LONG_MAX for name in ("persons", "faces", "swap_consents")),
        # 2.
        z3.Implies(exposed, picture["exposed"]),
        z3.Implies(more, picture["more_exposed"]),
        z3.Implies(revealing, picture["revealing"]),
        # 3.
        z3.Or(adult, z3.Not(z3.And(present, picture["all_adults"]))),
        # 4.
        z3.Implies(
            alone,
            z3.And(
                picture["exposed"] == exposed,
                picture["more_exposed"] == more,
                picture["revealing"] == revealing,
                picture["all_adults"] == adult,
            ),
        ),
    )


def _read(model: z3.ModelRef, space: Space, path: str) -> FactValue:
    match FACTS[path]:
        case Word(enum):
            told = str(model.eval(space.scalars[path], model_completion=True))
            return enum(told.partition("::")[2])
        case Set(enum):
            inside = ((word, space.sets[path][word.value]) for word in enum)
            return frozenset(w for w, one in inside if z3.is_true(model.eval(one, model_completion=True)))
        case Flag():
            return bool(z3.is_true(model.eval(space.scalars[path], model_completion=True)))
        case Count():  # pragma: no branch - there is no other
            return int(model.eval(space.scalars[path], model_completion=True).as_long())


def nearest(solver: z3.Solver, space: Space) -> dict[str, FactValue]:
    """A point that the solver finds, in which every fact that can be is as in the benign edit.

    The solver has found the formulas satisfiable. Facts are tried one by one: as in the benign edit, else
    the first word of their enum that will do, so that the same question gets the same answer.
    """
    outside = solver.num_scopes()
    for goals in _wishes(space):
        for goal in goals:
            solver.push()
            solver.add(goal)
            if solver.check() == z3.sat:
                break
            solver.pop()
    solver.check()
    model = solver.model()
    values = {path: _read(model, space, path) for path in FACTS}
    solver.pop(solver.num_scopes() - outside)
    return values


def _wishes(space: Space) -> Iterator[Iterable[z3.BoolRef]]:
    """For each fact what to try for, the best first."""
    for path, value in BENIGN.items():
        yield (space.is_value(path, wish) for wish in (value, *_else(FACTS[path])))
        if isinstance(value, frozenset):  # several words at once: as few as will do
            yield from ((z3.Not(inside),) for inside in space.sets[path].values())


def _else(fact: Fact) -> Iterable[FactValue]:
    match fact:
        case Word(enum):
            return tuple(enum)
        case Set(enum):
            return (*(frozenset({word}) for word in enum), frozenset())
        case Flag():
            return ()
        case Count():  # pragma: no branch - there is no other
            return NUMBERS
