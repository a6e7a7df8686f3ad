"""floor.py against floor.cedar: the same findings for the same persons, over every value each rule reads."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import cedarpy
import pytest

from consent_edit.policy import floor
from consent_edit.policy.context import contexts
from consent_edit.policy.engine import schema_text
from consent_edit.policy.facts import Facts
from consent_edit.policy.floor import FloorRule, judge
from consent_edit.policy.record import facts_from_json, facts_to_json
from consent_edit.policy.testing import benign
from consent_edit.vocabulary import (
    Age,
    Assurance,
    Checks,
    ConsentStatus,
    Environment,
    Exposure,
    ExposureChange,
    IdentityKept,
    Intent,
    NamedPerson,
    Operation,
    PersonKind,
    PhotoBinding,
    Recognisable,
    Region,
    Stage,
)

MIRROR = Path(floor.__file__).with_name("floor.cedar").read_text(encoding="utf-8")
PERMIT_ALL = '\n@id("permit-all") permit (principal, action, resource);'
SCHEMA = cedarpy.Schema.from_str(schema_text())
POLICIES = cedarpy.PolicySet.from_str(MIRROR + PERMIT_ALL)
NOBODY = cedarpy.Entities.from_json_str("[]")

FOUND = [kind.value for kind in PersonKind if kind is not PersonKind.UNSEEN]
OPERATIONS = [
    [],
    *([operation.value] for operation in Operation),
    ["background", "tone"],
    ["background", "restore", "tone"],
    ["clothing", "tone"],
    ["face_swap", "tone"],
]
TOUCHED = [[], ["face"], ["undetermined"], ["body", "face"]]


@cache
def mirror(context: str) -> frozenset[str]:
    """Ids of the mirror's rules that forbid; the engine must answer without any error."""
    result = cedarpy.is_authorized(
        {
            "principal": {"type": "Requester", "id": "requester"},
            "action": {"type": "Action", "id": "edit"},
            "resource": {"type": "Person", "id": "depicted"},
            "context": context,
        },
        POLICIES,
        NOBODY,
        SCHEMA,
    )
    assert not result.diagnostics.errors
    return frozenset(result.diagnostics.id_annotations_by_reason.values()) - {"permit-all"}


def words(enum: type) -> list[str]:
    return [member.value for member in enum]


def product(base: Facts, **values: list) -> Iterator[Facts]:
    """Every combination of the values; ``p0_``, ``p1_`` and ``un_`` name a person, the rest the picture."""
    for chosen in itertools.product(*values.values()):
        data = facts_to_json(base)
        for name, word in zip(values, chosen, strict=True):
            who, _, field = name.partition("_")
            if who in ("p0", "p1", "un"):
                data["persons"][{"p0": 0, "p1": 1, "un": -1}[who]][field] = word
            else:
                data[name] = word
        yield facts_from_json(data)


SLICES = {
    "consent": lambda: product(
        benign("input"),
        p0_kind=FOUND,
        p0_recognisable=words(Recognisable),
        p0_consent=words(ConsentStatus),
        p0_assurance=words(Assurance),
        environment=words(Environment),
    ),
    "hands-off": lambda: product(
        benign(),
        p0_kind=FOUND,
        p0_recognisable=words(Recognisable),
        p0_touched=TOUCHED,
        operations=OPERATIONS,
    ),
    "hands-off-unseen": lambda: product(benign(), un_touched=TOUCHED, operations=OPERATIONS),
    "nudity": lambda: product(
        benign(),
        stage=words(Stage),
        p0_kind=FOUND,
        p0_exposure=words(Exposure),
        un_exposure=words(Exposure),
        checks=words(Checks),
    ),
    "intent": lambda: product(
        benign("input"), p0_intent=words(Intent), un_intent=words(Intent), operations=OPERATIONS
    ),
    "minor": lambda: product(
        benign(),
        stage=words(Stage),
        p0_kind=["face", "body"],
        p0_age=words(Age),
        p0_consent=["verified", "revoked"],
        p0_exposure=["none", "suggestive"],
        p0_exposure_change=words(ExposureChange),
        p0_intent=words(Intent),
    ),
    "minor-unseen": lambda: product(
        benign(),
        stage=words(Stage),
        un_exposure=words(Exposure),
        un_exposure_change=words(ExposureChange),
        un_intent=words(Intent),
        un_touched=[[], ["body"]],
    ),
    "minor-alone": lambda: product(
        benign("output", 0),
        stage=words(Stage),
        un_exposure=words(Exposure),
        un_exposure_change=words(ExposureChange),
        un_intent=words(Intent),
    ),
    "foreign": lambda: product(
        benign(),
        stage=words(Stage),
        p0_kind=FOUND,
        p0_recognisable=words(Recognisable),
        p0_consent=["verified", "absent"],
        p0_identity_kept=words(IdentityKept),
    ),
    "photo": lambda: product(
        benign("input"),
        p0_kind=FOUND,
        p0_recognisable=words(Recognisable),
        p0_photo=words(PhotoBinding),
        operations=OPERATIONS,
    ),
    "swap": lambda: product(
        benign("input", 2),
        p0_kind=FOUND,
        p1_kind=FOUND,
        p0_granted=[["tone"], ["face_swap"]],
        p1_granted=[["tone"], ["face_swap"]],
        p1_consent=["verified", "absent"],
        operations=[["tone"], ["face_swap"]],
    ),
}


def disagreements(points: Iterator[Facts]) -> tuple[int, list, set[str]]:
    """How many points there were, where the two floors differ, and which rules ever fired."""
    count, wrong, fired = 0, [], set()
    for facts in points:
        count += 1
        ours = {(f.rule.value, f.person) for f in judge(facts)}
        theirs = {(rule, index) for index, text in enumerate(contexts(facts)) for rule in mirror(text)}
        fired |= {rule for rule, _ in ours}
        if ours != theirs:
            wrong.append((facts_to_json(facts), sorted(ours ^ theirs)))
    return count, wrong, fired


@pytest.mark.parametrize("part", sorted(SLICES))
def test_no_disagreement(part: str) -> None:
    """Over the full product of what the rule reads, both floors find the same for every person."""
    count, wrong, fired = disagreements(SLICES[part]())
    assert count > 50
    assert fired
    assert wrong == []


def at_random(number: int) -> Iterator[Facts]:
    """Points of the whole space, one to four persons each, by a fixed seed."""
    dice = random.Random(20260101)
    subset = lambda enum, most: sorted(dice.sample(words(enum), dice.randint(0, most)))  # noqa: E731
    person = lambda kind: {  # noqa: E731
        "kind": kind,
        "recognisable": dice.choice(words(Recognisable)),
        "consent": dice.choice(["verified", dice.choice(words(ConsentStatus))]),
        "assurance": dice.choice(words(Assurance)),
        "age": dice.choice(["adult", dice.choice(words(Age))]),
        "exposure": dice.choice(["none", dice.choice(words(Exposure))]),
        "exposure_change": dice.choice(["none", dice.choice(words(ExposureChange))]),
        "intent": dice.choice(["ordinary", dice.choice(words(Intent))]),
        "photo": dice.choice(words(PhotoBinding)),
        "granted": subset(Operation, 4),
        "touched": subset(Region, 2),
        "identity_kept": dice.choice(["same", dice.choice(words(IdentityKept))]),
        "named_person": dice.choice(words(NamedPerson)),
    }
    for _ in range(number):
        yield facts_from_json(
            {
                "stage": dice.choice(words(Stage)),
                "persons": [
                    *(person(dice.choice(FOUND)) for _ in range(dice.randint(0, 3))),
                    person("unseen"),
                ],
                "operations": subset(Operation, 4),
                "checks": dice.choice(["complete", dice.choice(words(Checks))]),
                "environment": dice.choice(words(Environment)),
            }
        )


def test_no_disagreement_at_random() -> None:
    """Nor anywhere else that chance looks, with every rule fired at least once."""
    count, wrong, fired = disagreements(at_random(800))
    assert count == 800
    assert fired == {rule.value for rule in FloorRule}
    assert wrong == []


def test_the_mirror_has_exactly_the_floors_rules() -> None:
    """Each rule once, none more, all of them forbids, and valid against the schema."""
    nodes = list(POLICIES.to_pst().static_policies.values())
    forbids = [node.annotations["id"] for node in nodes if node.effect == "forbid"]
    assert sorted(forbids) == sorted(rule.value for rule in FloorRule)
    assert len(nodes) == len(forbids) + 1
    assert cedarpy.validate_policies(MIRROR, SCHEMA).validation_passed


def test_the_mirror_is_nowhere_evaluated_in_the_package() -> None:
    """No module of the package reads floor.cedar."""
    package = Path(floor.__file__).parent.parent
    readers = [p.name for p in package.rglob("*.py") if '"floor.cedar"' in p.read_text(encoding="utf-8")]
    assert readers == []
