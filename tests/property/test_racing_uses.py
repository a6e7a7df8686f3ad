"""However many threads, processes and nodes race, a cap is never passed and a nonce counts once."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from consent_edit.errors import ConsentInvalid, VerificationFailed
from consent_edit.evidence.proofs import check_inclusion
from consent_edit.store.merkle import leaf_hash
from consent_edit.store.store import Store
from consent_edit.store.vault import SubjectEntry
from consent_edit.store.vault_key import VaultKey
from consent_edit.vocabulary import ConsentStatus

NOW = 1_800_000_000
KEY = VaultKey.of(b"k" * 32)
CAP = 20
WAIT_MS = 60_000  # on a busy machine a loser must lose by the cap, not by the clock
PROCESSES = 4
ATTEMPTS = 10


def opened(where: str) -> Store:
    return Store.open(where, vault_key=KEY, busy_timeout_ms=WAIT_MS)


def release(store: Store, name: str, **more):
    """One release under the cap."""
    return store.commit_release(
        grants=(("grant", CAP),),
        record={"decision_id": name, "stage": "output"},
        leaf={"v": 1, "decision": name},
        now=NOW,
        **more,
    )


def outcome(act: Callable[[], object]) -> str:
    """``won``, or the status of the consent that did not hold."""
    try:
        act()
    except ConsentInvalid as error:
        return error.status.value
    return "won"


def raised(store: Store, value: int) -> str:
    """The code of the error that raising the mark gave, or nothing."""
    try:
        store.raise_mark("m", value)
    except VerificationFailed as error:
        return error.code
    return ""


def race(runners: int, run: Callable[[int], list[str]]) -> list[str]:
    """What came of ``run`` in so many threads that start together; an error in one is an error here."""
    start = threading.Barrier(runners)

    def runner(number: int) -> list[str]:
        start.wait(60)
        return run(number)

    with ThreadPoolExecutor(runners) as pool:
        return [one for outcomes in pool.map(runner, range(runners)) for one in outcomes]


def check_one_sequence(store: Store, size: int) -> None:
    """Each use has a leaf of its own, and all are in one tree."""
    state = store.log_state()
    assert (state.size, store.uses("grant")) == (size, size)
    assert len({store.leaf(index) for index in range(size)}) == size
    hashes = [leaf_hash(store.leaf(index)) for index in range(size)]
    root = bytes.fromhex(state.root)
    for index in range(size):
        path = [bytes.fromhex(node) for node in store.inclusion_proof(index, size)]
        check_inclusion(hashes[index], index, size, path, root)


def test_eight_threads_racing_for_twenty_uses(where):
    """Eight threads that share a store and try forty times under a cap of 20 get exactly 20 releases."""
    store = opened(where)
    outcomes = race(
        8,
        lambda number: [outcome(lambda: release(store, f"d-{number}-{n}")) for n in range(5)],  # noqa: B023
    )
    assert sorted(outcomes) == [ConsentStatus.EXHAUSTED] * 20 + ["won"] * 20
    check_one_sequence(store, CAP)


def test_eight_threads_with_stores_of_their_own(where):
    """Eight threads with a store each, as nodes have, get exactly 20 releases between them."""
    stores = [opened(where) for _ in range(8)]
    outcomes = race(
        8,
        lambda number: [outcome(lambda: release(stores[number], f"d-{number}-{n}")) for n in range(5)],  # noqa: B023
    )
    assert sorted(outcomes) == [ConsentStatus.EXHAUSTED] * 20 + ["won"] * 20
    check_one_sequence(stores[0], CAP)
    for store in stores:
        store.close()


def process(where: str, number: int, start, results) -> None:
    """One racing process: it opens the store for itself, waits for the others, and tries."""
    store = opened(where)
    start.wait(60)
    results.put([outcome(lambda n=n: release(store, f"p-{number}-{n}")) for n in range(ATTEMPTS)])
    store.close()


def test_four_processes_racing_for_twenty_uses(where):
    """Four processes that lay out the store together and try forty times get exactly 20 releases."""
    spawn = multiprocessing.get_context("spawn")
    start, results = spawn.Barrier(PROCESSES), spawn.Queue()
    racers = [
        spawn.Process(target=process, args=(where, number, start, results)) for number in range(PROCESSES)
    ]
    for racer in racers:
        racer.start()
    outcomes = [one for _ in racers for one in results.get(timeout=120)]
    for racer in racers:
        racer.join(60)
        assert racer.exitcode == 0
    assert sorted(outcomes) == [ConsentStatus.EXHAUSTED] * 20 + ["won"] * 20
    check_one_sequence(opened(where), CAP)


def test_one_nonce_for_eight_racing_releases(where):
    """Of eight releases that race with one nonce exactly one commits, and one use is counted."""
    stores = [opened(where) for _ in range(8)]
    outcomes = race(
        8,
        lambda number: [
            outcome(lambda: release(stores[number], f"d-{number}", nonces=[("nonce", NOW + 600)]))
        ],
    )
    assert sorted(outcomes) == [ConsentStatus.REPLAYED] * 7 + ["won"]
    check_one_sequence(stores[0], 1)


def test_one_issued_nonce_for_eight_racing_wallets(where):
    """Of eight that race to spend an issued nonce exactly one succeeds."""
    stores = [opened(where) for _ in range(8)]
    nonce = stores[0].issue_nonce(NOW, 60)
    outcomes = race(8, lambda number: [outcome(lambda: stores[number].spend_nonce(nonce, NOW))])
    assert sorted(outcomes) == [ConsentStatus.REPLAYED] * 7 + ["won"]


def test_mark_raised_by_racing_nodes(where):
    """However raises of a mark race, it ends at the highest, and no lower one passes it."""
    stores = [opened(where) for _ in range(4)]

    def raising(number: int) -> list[str]:
        return [raised(stores[number], value) for value in range(number, 40, 4)]

    assert set(race(4, raising)) <= {"", "verification.rollback"}
    assert raised(stores[0], 38) == "verification.rollback"
    assert raised(stores[0], 39) == ""


def test_erasure_racing_with_releases(where):
    """Entries written while a person is erased are either gone or open; the log keeps a leaf for each."""
    store = opened(where)

    def run(number: int) -> list[str]:
        if number == 0:
            return [str(store.erase_subject("ada")) for _ in range(5)]
        names = [f"d-{number}-{n}" for n in range(4)]
        return [
            outcome(lambda name=name: release(store, name, subjects=[SubjectEntry("ada", {})]))
            for name in names
        ]

    outcomes = race(4, run)
    erased = sum(int(one) for one in outcomes if one.isdigit())
    assert outcomes.count("won") == 12
    assert erased + len(store.subject_entries("ada")) == 12
    check_one_sequence(store, 12)


def test_racing_makers_of_one_store(tmp_path):
    """Eight that open a new file together, key file and all, end with one store and one key."""
    path = Path(tmp_path / "new.db")
    outcomes = race(8, lambda _: [next(iter(Store.open(path, busy_timeout_ms=WAIT_MS).vault._known))])
    assert len(set(outcomes)) == 1
