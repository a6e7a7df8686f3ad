"""``consent-edit bench policy``: what one decision costs, beside the bare calls of the policy engine."""

from __future__ import annotations

import json
import os
import platform
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Final

import cedarpy
import typer

from consent_edit.cli.policy_names import named_policy
from consent_edit.cli.terminal import AsJson
from consent_edit.errors import CheckFailed
from consent_edit.policy.bundle import PolicyBundle
from consent_edit.policy.context import contexts
from consent_edit.policy.decision import decide, meet
from consent_edit.policy.engine import schema_text
from consent_edit.policy.facts import Facts
from consent_edit.policy.testing import benign, vary
from consent_edit.vocabulary import (
    ConsentStatus,
    Exposure,
    ExposureChange,
    IdentityKept,
    Intent,
    Operation,
    Stage,
)

_SEED: Final = 20261202
_WARM_UP: Final = 20
_CROWD: Final = 10
_REFUSED_SHARE: Final = 0.3
"""Of the pictures drawn, those with somebody in them on whom a finding falls."""

_BARE: Final = {
    "principal": {"type": "Requester", "id": "requester"},
    "action": {"type": "Action", "id": "edit"},
    "resource": {"type": "Person", "id": "depicted"},
}


@dataclass(frozen=True, slots=True)
class Spread:
    """Wall times of one kind of run, in microseconds."""

    p50: float
    p95: float


@dataclass(frozen=True, slots=True)
class Crowd:
    """One number of people. Every run is of another picture.

    Attributes:
        people: Faces in the picture; ``unseen`` is one more.
        decision: Floor, operator's rules for everybody, meet and reasons, with no verdict known before.
        remembered: The same in a service that has been running, and remembers verdicts.
        release: What a release asks: two decisions, of admission and now, and their meet; remembered.
        engine: Bare calls of the engine, one a person, over the whole context and schema; nothing else.
    """

    people: int
    decision: Spread
    remembered: Spread
    release: Spread
    engine: Spread


@dataclass(frozen=True, slots=True)
class PolicyReport:
    """What ``bench policy --json`` prints."""

    machine: str
    policy: str
    runs: int
    refused: float
    crowds: tuple[Crowd, ...]


def _picture(dice: random.Random, people: int) -> Facts:
    """One picture of consenting people; in some, something is found on one of them."""
    base = benign(dice.choice(list(Stage)[1:]).value, people)
    who = f"persons.{dice.randrange(people)}"
    ordinary = {
        f"persons.{index}.{name}": dice.choice(words)
        for index in range(people)
        for name, words in {
            "assurance": ("substantial", "high", "low"),
            "photo": ("exact", "none"),
            "kind": ("face", "face", "face", "body"),
            "recognisable": ("yes", "yes", "no"),
            "exposure": ("none", "none", "suggestive"),
        }.items()
    }
    findings = (
        {f"{who}.consent": dice.choice(list(ConsentStatus)).value},
        {f"{who}.exposure": dice.choice(list(Exposure)).value},
        {f"{who}.exposure_change": dice.choice(list(ExposureChange)).value},
        {f"{who}.intent": dice.choice(list(Intent)).value},
        {f"{who}.identity_kept": dice.choice(list(IdentityKept)).value},
        {"operations": [dice.choice(list(Operation)).value]},
    )
    found = dice.choice(findings) if dice.random() < _REFUSED_SHARE else {}
    return vary(base, {**ordinary, **found})


def _spread(call: Callable[[int], object], runs: int) -> Spread:
    """Time every run apart; the first ones are not counted."""
    times: list[float] = []
    for number in range(_WARM_UP + runs):
        started = time.perf_counter()
        call(number)
        times.append((time.perf_counter() - started) * 1e6)
    counted = sorted(times[_WARM_UP:])
    return Spread(round(counted[len(counted) // 2], 1), round(counted[int(len(counted) * 0.95)], 1))


def _crowd(bundle: PolicyBundle, pictures: Sequence[Facts], runs: int) -> Crowd:
    fresh = [PolicyBundle.from_text(bundle.text, name=bundle.name) for _ in pictures]
    other = PolicyBundle.from_text(bundle.text + "\n", name=bundle.name)
    policies = cedarpy.PolicySet.from_str(bundle.text)
    schema = cedarpy.Schema.from_str(schema_text())
    entities = cedarpy.Entities.from_json_str("[]", schema)
    asked = [contexts(facts) for facts in pictures]

    def bare(number: int) -> None:
        for context in asked[number]:
            answer = cedarpy.is_authorized({**_BARE, "context": context}, policies, entities, schema=schema)
            if answer.diagnostics.errors:
                raise CheckFailed("the engine reported an error", code="check.policy-engine-failed")

    def release(number: int) -> None:
        meet(decide(pictures[number], bundle), decide(pictures[number], other))

    return Crowd(
        people=len(pictures[0].persons) - 1,
        decision=_spread(lambda number: decide(pictures[number], fresh[number]), runs),
        remembered=_spread(lambda number: decide(pictures[number], bundle), runs),
        release=_spread(release, runs),
        engine=_spread(bare, runs),
    )


def bench_policy(bundle: PolicyBundle, runs: int) -> PolicyReport:
    """Measure decisions on pictures drawn from a fixed seed.

    Args:
        bundle: The policy to decide with.
        runs: Counted runs a figure.
    """
    dice = random.Random(_SEED)  # noqa: S311 - pictures to measure on, no secret
    drawn = [[_picture(dice, people) for _ in range(_WARM_UP + runs)] for people in (1, _CROWD)]
    refused = [not decide(facts, bundle).allowed for facts in drawn[0]]
    return PolicyReport(
        machine=f"{os.cpu_count()} CPUs, {platform.machine()}, Python {platform.python_version()}",
        policy=bundle.name,
        runs=runs,
        refused=round(sum(refused) / len(refused), 3),
        crowds=tuple(_crowd(bundle, pictures, runs) for pictures in drawn),
    )


def policy(
    *,
    policy: Annotated[str, typer.Option(help="A shipped policy's name, or a path.")] = "default",
    runs: Annotated[int, typer.Option(min=1, max=10_000, help="Counted runs a figure.")] = 300,
    as_json: AsJson = False,
) -> None:
    """Measure a whole decision for one person and for ten, beside the bare calls of the engine."""
    report = bench_policy(named_policy(policy), runs)
    if as_json:
        typer.echo(json.dumps(asdict(report)))
        return
    typer.echo(f"{report.policy}; {report.runs} pictures a figure, {report.refused:.0%} refused")
    for crowd in report.crowds:
        for name in ("decision", "remembered", "release", "engine"):
            spread = getattr(crowd, name)
            label = {"decision": "decision", "remembered": "decision, verdicts remembered"}.get(name, name)
            label = {"release": "two decisions and their meet", "engine": "bare engine"}.get(name, label)
            typer.echo(f"{crowd.people:3} people  {label:32} p50 {spread.p50:8.1f}  p95 {spread.p95:8.1f} us")
