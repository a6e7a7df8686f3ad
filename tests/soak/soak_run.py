"""A soak of the engine: many edits, faults at random points, and an account of what became of each.

    python tests/soak/soak_run.py --requests 10000 [--seed N]

Nothing may be released that was not checked, no admitted edit may end without a record, and a use is counted
for a release and for nothing else. Exits 1 where one of these does not hold.
"""

from __future__ import annotations

import argparse
import os
import random
import secrets
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from engine_worlds import EngineWorld
from fake_perception import picture
from light_pipeline import expected

from consent_edit.consent.holder.wallet import HeldGrant
from consent_edit.errors import ConsentEditError, EditRefused
from consent_edit.evidence.keys import PRIVATE_KEY_FILE, load_receipt_key
from consent_edit.evidence.proofs import check_inclusion
from consent_edit.evidence.verify import verify_receipt
from consent_edit.pipelines.engine.process import EngineDeadlines, EngineProcess
from consent_edit.request import EditResult
from consent_edit.store.merkle import leaf_hash
from consent_edit.store.store import Store

WEIGHTS = {
    "released": 70.0,
    "refused": 10.0,
    "stranger": 6.0,
    "cancelled": 3.0,
    "raise-before": 2.0,
    "raise-running": 3.0,
    "store-busy": 2.0,
    "store-gone": 2.0,
    "blind-before": 1.5,
    "blind-running": 1.5,
}
"""How often each kind of request comes; faults that end the engine come as often as ``--kills`` says."""

REFUSED = {"refused", "stranger", "blind-before", "blind-running"}
"""Kinds that end in a decision to refuse; ``blind`` is perception that was killed or hung."""

GRANTS = 12

DEADLY = ("kill-before", "kill-running", "kill-inside-commit", "kill-after-commit", "from-outside")
HANGS = ("hang-running",)


@dataclass
class Account:
    """What was asked, and what came of it.

    Attributes:
        released: Every result, with the picture it must show.
        uses: Of each grant: edits that were released, and those of which nobody heard how they ended.
    """

    ends: Counter[str] = field(default_factory=Counter)
    released: list[tuple[EditResult, str]] = field(default_factory=list)
    uses: dict[str, list[int]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


def soak(folder: Path, *, requests: int, seed: int, kills: float, hangs: float, deadline: float) -> Account:
    """Run it.

    Args:
        kills: Share of the requests with which the engine is killed.
        hangs: Share of those with which it hangs.
        deadline: Seconds after which a hanging engine is ended.
    """
    chance, account = random.Random(seed), Account()
    world = EngineWorld.make(folder)
    grants = [world.grant() for _ in range(GRANTS)]
    account.uses = {grant.jti: [0, 0] for grant in grants}
    weights = {
        **WEIGHTS,
        **dict.fromkeys(DEADLY, 100 * kills / len(DEADLY)),
        **dict.fromkeys(HANGS, 100 * hangs / len(HANGS)),
    }
    deadlines = EngineDeadlines(edit=deadline, silence=30.0)
    with world.published(), EngineProcess(world.setup(), deadlines=deadlines) as engine:
        for number in range(requests):
            kind = chance.choices(list(weights), list(weights.values()))[0]
            ask(world, engine, chance, number, kind, chance.choice(grants), account)
            if sys.stderr.isatty():
                sys.stderr.write(f"\r{number + 1} of {requests}, engine {engine.starts}")
    settle(world, grants, account)
    return account


def ask(
    world: EngineWorld,
    engine: EngineProcess,
    chance: random.Random,
    number: int,
    kind: str,
    grant: HeldGrant,
    account: Account,
) -> None:
    """One request, and what came of it."""
    shown = chance.randrange(10_000) + (10_000 if kind == "stranger" else 0)
    consents = () if kind == "refused" else (grant.presentation(),)
    slow = kind in {"cancelled", "from-outside"}
    request = world.request(
        f"{'slowly ' if slow else ''}x {kind} {number}",
        shown,
        presentations=consents,
        settings={"num_inference_steps": 8 if slow else 1},
    )
    steps: list[int] = []
    stop = chance.randrange(1, 8)
    if kind == "from-outside":
        threading.Timer(chance.uniform(0, 0.5), os.kill, (engine.pid, signal.SIGKILL)).start()
    try:
        result = engine.edit(
            request,
            cancelled=lambda: kind == "cancelled" and len(steps) >= stop,
            progress=lambda step, _: steps.append(step),
        )
    except ConsentEditError as error:
        account.ends[error.code] += 1
        lost = error.code == "check.engine-lost"
        account.uses[grant.jti][1] += lost and kind != "refused"
        must = EditRefused if kind in REFUSED else ConsentEditError
        if not isinstance(error, must) or kind == "released":
            told = error.code in {"check.engine-lost", "check.engine-down"}
            account.wrong.append(f"{number} {kind}: {error.code}") if not told else None
        return
    account.ends["released"] += 1
    account.uses[grant.jti][0] += 1
    account.released.append((result, expected(picture(shown))))
    if kind not in {"released", "cancelled", "from-outside"}:
        account.wrong.append(f"{number} {kind}: released")


def settle(world: EngineWorld, grants: list[HeldGrant], account: Account) -> None:
    """Hold the account against the operator's log, once the engine is gone and its successor would start."""
    store = world.store()
    store.journal.close_lost(int(time.time()))
    wrong = account.wrong
    if store.journal.open():
        wrong.append(f"{store.journal.open()} admissions without a closing record")
    kept = {one.decision_id: one for one in store.decisions()}
    if len(kept) != store.log_state().size:
        wrong.append("a leaf without its record, or two records of one name")
    _check_released(world, account, kept)
    _check_uses(world, grants, account, store)
    _check_log(store, wrong)
    releases = sum(one.record["event"] == "release" for one in kept.values())
    unheard = releases - len(account.released)
    if not 0 <= unheard <= account.ends["check.engine-lost"] + account.ends["check.pipeline-failed"]:
        wrong.append(f"{unheard} releases in the log that nobody was given")
    store.close()


def _check_released(world: EngineWorld, account: Account, kept: dict) -> None:
    key = [load_receipt_key(world.operator / PRIVATE_KEY_FILE).public_key()]
    checked, forbidden = world.lines("checked.txt"), world.lines("forbidden.txt")
    for result, digest in account.released:
        examined = verify_receipt(
            result.receipt.encode(), key, result.released
        )  # raises where it does not hold
        pixels = examined.receipt.output.pixels_digest
        record = kept.get(result.decision_id)
        if record is None or record.record["event"] != "release":
            account.wrong.append(f"{result.decision_id}: released without a record")
        if pixels != digest or pixels not in checked or pixels in forbidden:
            account.wrong.append(f"{result.decision_id}: released and not what was checked")


def _check_uses(world: EngineWorld, grants: list[HeldGrant], account: Account, store: Store) -> None:
    """Uses are counted with releases: none for what was refused, and as many as the log has."""
    counted = 0
    for grant in grants:
        uses = world.uses(store, grant)
        released, unheard = account.uses[grant.jti]
        counted += uses
        if not released <= uses <= released + unheard:
            account.wrong.append(f"{grant.jti}: {uses} uses, {released} released, {unheard} unheard of")
    releases = sum(one.record["event"] == "release" for one in store.decisions())
    if counted != releases:
        account.wrong.append(f"{counted} uses for {releases} releases")


def _check_log(store: Store, wrong: list[str]) -> None:
    """The log is one tree, and every leaf is in it."""
    state = store.log_state()
    root = bytes.fromhex(state.root)
    every = max(1, state.size // 200)
    for index in range(0, state.size, every):
        path = [bytes.fromhex(node) for node in store.inclusion_proof(index, state.size)]
        try:
            check_inclusion(leaf_hash(store.leaf(index)), index, state.size, path, root)
        except ConsentEditError as error:
            wrong.append(f"leaf {index}: {error.code}")


def main() -> int:
    """The command."""
    said = argparse.ArgumentParser(description=__doc__)
    said.add_argument("--requests", type=int, default=int(os.environ.get("SOAK_REQUESTS", "10000")))
    said.add_argument("--seed", type=int, default=secrets.randbits(32))
    said.add_argument("--kills", type=float, default=0.01)
    said.add_argument("--hangs", type=float, default=0.001)
    asked = said.parse_args()
    sys.stdout.write(f"seed {asked.seed}\n")
    sys.stdout.flush()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        account = soak(
            Path(folder), requests=asked.requests, seed=asked.seed, kills=asked.kills, hangs=asked.hangs,
            deadline=10.0,
        )  # fmt: skip
    for end, count in account.ends.most_common():
        sys.stdout.write(f"{count:7} {end}\n")
    for line in account.wrong:
        sys.stdout.write(f"WRONG {line}\n")
    sys.stdout.write(f"{asked.requests} requests in {time.monotonic() - begun:.0f} s\n")
    return 1 if account.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
