"""``consent-edit bench consent``: what verifying one person's consent costs, on people made up for it."""

from __future__ import annotations

import json
import os
import platform
import secrets
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Final, TypeVar

import numpy as np
import typer

from consent_edit.cli.terminal import AsJson
from consent_edit.consent.binding import Evidence
from consent_edit.consent.holder.wallet import Wallet
from consent_edit.consent.issuing.capture import Capture, CaptureQuality, CaptureSource
from consent_edit.consent.issuing.folder import trust_list
from consent_edit.consent.issuing.issue import Issuer
from consent_edit.consent.jwe import OpeningKey
from consent_edit.consent.keys import Algorithm, SigningKey
from consent_edit.consent.presentation import Presentation
from consent_edit.consent.query import ConsentQuery
from consent_edit.consent.status.lists import StatusLists, StatusValue
from consent_edit.consent.status.service import IssuerStatus, sign_status_list
from consent_edit.consent.trust import TrustList
from consent_edit.consent.verify import verify_presentation
from consent_edit.encoding import JsonValue
from consent_edit.errors import CheckFailed, InputError
from consent_edit.store.store import Store
from consent_edit.thresholds import load_thresholds
from consent_edit.vocabulary import Assurance, ConsentStatus, Environment, Operation, Purpose

_T = TypeVar("_T")

_SERVICE: Final = "https://bench.invalid"
_ISSUER: Final = "https://issuer.bench.invalid"
_STATUS: Final = "https://issuer.bench.invalid/status/1"
_PHOTO: Final = "sha256:" + "1" * 64
_DAY: Final = 86_400
_WARM_UP: Final = 20
"""People verified before the clock counts."""

_DIM: Final = 128
"""Components of a template: what both embedders of models.lock.toml give."""

_REVOKED_SHARE: Final = 0.01
_LOADS: Final = 5
_GOOD_PHOTO: Final = CaptureQuality(
    sharpness=2000.0, yaw=0.0, pitch=0.0, roll=0.0, brightness=128.0, clipped=0.0
)


@dataclass(frozen=True, slots=True)
class Spread:
    """Wall times of one step, in microseconds."""

    p50: float
    p95: float


@dataclass(frozen=True, slots=True)
class ConsentReport:
    """What ``bench consent --json`` prints; every run is of another person, and nothing is read twice.

    Attributes:
        machine: The kind of machine it was measured on.
        runs: Counted runs a figure.
        verify: Algorithm -> one person's credential and grant verified: two signatures, two status entries.
        open_sealed: A sealed presentation opened.
        commit_release: One release written to a store in a file: use, record, leaf, on disk.
        status_entries: Entries of the status list below.
        status_load_ms: Milliseconds in which that list is verified and inflated, once for all its entries.
    """

    machine: str
    runs: int
    verify: dict[str, Spread]
    open_sealed: Spread
    commit_release: Spread
    status_entries: int
    status_load_ms: float


class _Unused:
    """The record of a service that released nothing yet."""

    def uses(self, use_id: str) -> int:
        """None."""
        return 0

    def nonce_spent(self, nonce: str) -> bool:
        """None was."""
        return False


_UNUSED: Final = _Unused()


@dataclass(frozen=True, slots=True)
class _World:
    """An issuer whom a service trusts, and people who granted that service something."""

    trust: TrustList
    status_key: SigningKey
    statuses: StatusLists
    people: tuple[Presentation, ...]
    query: ConsentQuery

    @classmethod
    def make(cls, algorithm: Algorithm, people: int, now: int) -> _World:
        """Enrol so many, each with a key of her own, and have each sign one grant."""
        status_key = SigningKey.generate(algorithm)
        status = IssuerStatus(_STATUS, status_key)
        issuer = Issuer(name=_ISSUER, key=SigningKey.generate(algorithm), status=status)
        anchor = SigningKey.generate(algorithm)
        entries = [issuer.trust_entries(now=now, lifetime=400 * _DAY)]
        claims = trust_list(entries, environment=Environment.PRODUCTION, now=now, lifetime=_DAY)
        return cls(
            trust=TrustList.load(claims.sign(anchor), anchor=anchor.public, now=now),
            status_key=status_key,
            statuses=StatusLists({_STATUS: status.source(lambda: now)}),
            people=tuple(_granted(issuer, algorithm, seed, now) for seed in range(people)),
            query=_query(now),
        )

    def verify(self, presentation: Presentation) -> None:
        """Verify one person's presentation.

        Raises:
            CheckFailed: it did not verify, so that its time says nothing.
        """
        result = verify_presentation(
            presentation, trust=self.trust, statuses=self.statuses, query=self.query, record=_UNUSED
        )
        if result.status is not ConsentStatus.VERIFIED or len(result.templates) != len(self.query.models):
            raise CheckFailed(f"the bench's own presentation came to {result.status}", code="check.bench")


def bench_consent(runs: int, entries: int) -> ConsentReport:
    """Measure; every figure comes from this one run.

    Args:
        runs: Counted runs a figure, each of another person.
        entries: Entries of the status list that is loaded, a multiple of 8.

    Raises:
        InputError: no run or no entry asked for.
        CheckFailed: what was measured did not verify.
    """
    if runs < 1 or entries < 8 or entries % 8:
        raise InputError("at least one run, and entries in eights, are needed", code="input.runs")
    now = int(time.time())
    worlds = {algorithm: _World.make(algorithm, runs + _WARM_UP, now) for algorithm in Algorithm}
    es256, service = worlds[Algorithm.ES256], OpeningKey.generate()
    sealed = [person.seal(service.public) for person in es256.people]
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(Path(folder) / "log.sqlite")
        release = _releases(store, now)
        written = _spread(release, range(runs + _WARM_UP))
        store.close()
    return ConsentReport(
        machine=_machine(),
        runs=runs,
        verify={algorithm.value: _spread(world.verify, world.people) for algorithm, world in worlds.items()},
        open_sealed=_spread(lambda text: Presentation.opened(text, (service,)), sealed),
        commit_release=written,
        status_entries=entries,
        status_load_ms=_status_load(es256, entries),
    )


def consent(
    runs: Annotated[int, typer.Option(min=1, max=3900, help="Counted runs, each of another person.")] = 500,
    entries: Annotated[
        int, typer.Option(min=8, max=8_000_000, help="Entries of the status list that is loaded.")
    ] = 1_000_000,
    as_json: AsJson = False,
) -> None:
    """Measure the verification of consent on people made up for it."""
    report = bench_consent(runs, entries)
    if as_json:
        typer.echo(json.dumps(asdict(report)))
        return
    rows = {
        **{f"verify one person, {name}": spread for name, spread in report.verify.items()},
        "open a sealed presentation": report.open_sealed,
        "write one release": report.commit_release,
    }
    typer.echo(report.machine)
    for name, spread in rows.items():
        typer.echo(f"{name:28} p50 {spread.p50:8.0f} us   p95 {spread.p95:8.0f} us")
    typer.echo(f"load {report.status_entries} status entries {report.status_load_ms:11.1f} ms")


def _granted(issuer: Issuer, algorithm: Algorithm, seed: int, now: int) -> Presentation:
    """Somebody enrolled, and her grant for one photo."""
    wallet, thresholds = Wallet(SigningKey.generate(algorithm)), load_thresholds()
    random = np.random.default_rng(seed)
    vectors = {role: random.standard_normal((1, _DIM)) for role in thresholds.enrolment}
    capture = Capture(
        digest=_PHOTO,
        embeddings={role: (row / np.linalg.norm(row)).astype(np.float32) for role, row in vectors.items()},
        faces=1,
        face_width=200.0,
        detection=0.95,
        quality=_GOOD_PHOTO,
        source=CaptureSource.OWN,
    )
    enrolment = issuer.enrol(
        [capture],
        holder=wallet.holder,
        models=dict.fromkeys(vectors, "a" * 64),
        thresholds=thresholds,
        evidence=Evidence(loa=Assurance.SUBSTANTIAL, method="none: a bench", liveness="supervised_session"),
        now=now,
        birthdate=date(1990, 5, 17),
    )
    wallet.accept(enrolment)
    held = wallet.grant(
        audience=_SERVICE,
        grantee="bench",
        operations=(Operation.TONE, Operation.BACKGROUND),
        purpose=Purpose.PERSONAL,
        now=now,
        images=(_PHOTO,),
    )
    return held.presentation()


def _query(now: int) -> ConsentQuery:
    """What the service is about to do to her photo."""
    return ConsentQuery(
        audience=_SERVICE,
        grantee="bench",
        operations=frozenset({Operation.TONE}),
        purpose=Purpose.PERSONAL,
        photos=frozenset({_PHOTO}),
        now=now,
        models=dict.fromkeys(load_thresholds().enrolment, "a" * 64),
    )


def _releases(store: Store, now: int) -> Callable[[int], object]:
    """Writes a release of the usual size at each call."""
    filler = "x" * 2000

    def release(number: int) -> object:
        decision = secrets.token_hex(16)
        record: dict[str, JsonValue] = {"decision_id": decision, "stage": "output", "facts": filler}
        leaf: dict[str, JsonValue] = {"v": 1, "time": now, "decision": decision, "commitments": filler[:600]}
        return store.commit_release(grants=[(f"bench.{number}", 3)], record=record, leaf=leaf, now=now)

    return release


def _status_load(world: _World, entries: int) -> float:
    """Median over fresh caches of taking in one large list, milliseconds."""
    revoked = np.flatnonzero(np.random.default_rng(0).random(entries) < _REVOKED_SHARE)
    token = sign_status_list(_STATUS, world.status_key, revoked.tolist(), now=world.query.now, size=entries)
    times = []
    for _ in range(_LOADS):
        fresh = StatusLists({_STATUS: lambda _: token})
        started = time.perf_counter_ns()
        value = fresh.read(_STATUS, entries - 1, world.query.now, world.trust)
        times.append((time.perf_counter_ns() - started) / 1e6)
        if value is StatusValue.UNAVAILABLE:
            raise CheckFailed("the bench's own status list cannot be read", code="check.bench")
    return round(float(np.median(times)), 1)


def _spread(call: Callable[[_T], object], items: Sequence[_T]) -> Spread:
    """Wall times over all items but the first, which warm up."""
    for item in items[:_WARM_UP]:
        call(item)
    times = []
    for item in items[_WARM_UP:]:
        started = time.perf_counter_ns()
        call(item)
        times.append((time.perf_counter_ns() - started) / 1000)
    p50, p95 = np.percentile(times, [50, 95])
    return Spread(p50=round(float(p50), 1), p95=round(float(p95), 1))


def _machine() -> str:
    """Kind of processor and Python: what a figure can be compared by."""
    kind = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        kind = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), kind)
    except OSError:
        pass  # no such file on this system; the architecture has to do
    return f"{kind}, {os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}"
