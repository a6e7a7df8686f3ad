"""A process killed while it appends loses no entry it acknowledged, and never forks the log."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import textwrap
import time

from store_world import KEY, NOW, ROOT, Place, release

from consent_edit.evidence.proofs import check_consistency
from consent_edit.store.store import Store

KILLS = 10

WRITER = textwrap.dedent(
    """
    import sys
    from consent_edit.store.store import Store
    from consent_edit.store.vault import SubjectEntry
    store, run = Store.open(sys.argv[1]), sys.argv[2]
    number = 0
    while True:
        entry = store.commit_release(
            grants=(("grant", None),),
            record={"decision_id": f"{run}-{number}", "stage": "output"},
            leaf={"v": 1, "decision": f"{run}-{number}"},
            now=1_800_000_000,
            nonces=[(f"{run}-{number}", 1_800_000_600)],
            subjects=[SubjectEntry("ada", {"salt": run})],
        )
        sys.stdout.write(f"{entry.index} {entry.size} {entry.root} {run}-{number}\\n")
        sys.stdout.flush()
        number += 1
    """
)


def test_kill_nine_loses_no_acknowledged_entry(tmp_path):
    """After each of ten kills, all that was acknowledged is there and the log goes on from it."""
    path, chance, acknowledged = tmp_path / "s.db", random.Random(4), []
    for run in range(KILLS):
        command = [sys.executable, "-c", WRITER, str(path), f"run{run}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as writer:
            first = writer.stdout.readline()
            time.sleep(chance.uniform(0, 0.15))
            writer.send_signal(signal.SIGKILL)
            rest = writer.stdout.read()
        lines = (first + rest).split("\n")
        now = [line.split() for line in lines[:-1]]
        acknowledged += now
        store = Store.open(path)
        state = store.log_state()
        assert store.uses("grant") == len(store.subject_entries("ada")) == state.size
        for index, size, root, name in acknowledged if run == KILLS - 1 else now:
            assert store.leaf(int(index)) == f'{{"decision":"{name}","v":1}}'.encode()
            assert store.decision(name)["stage"] == "output"
            assert store.nonce_spent(name)
            path_nodes = [bytes.fromhex(node) for node in store.consistency_proof(int(size), state.size)]
            check_consistency(
                int(size), state.size, path_nodes, bytes.fromhex(root), bytes.fromhex(state.root)
            )
        store.close()
    assert len(acknowledged) >= KILLS


DYING = textwrap.dedent(
    """
    import os, signal, sys
    from consent_edit.store import ledger
    from consent_edit.store.store import Store
    from consent_edit.store.vault import SubjectEntry
    from consent_edit.store.vault_key import VaultKey
    whole = ledger.append
    def append(*arguments):
        whole(*arguments)
        sys.stdout.write("written")
        sys.stdout.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    ledger.append = append
    Store.open(sys.argv[1], vault_key=VaultKey.of(b"k" * 32)).commit_release(
        grants=(("grant", 5),), record={"decision_id": "d", "stage": "output"}, leaf={"v": 1},
        now=1_800_000_000, nonces=[("n", 1_800_000_600)], subjects=[SubjectEntry("ada", {})],
    )
    """
)


def test_kill_nine_before_the_commit_leaves_nothing(place):
    """A process killed after its last statement and before its commit leaves no use, nonce, entry or leaf."""
    place = Place(place.where, KEY)
    place.open().close()
    command = [sys.executable, "-c", DYING, str(place.where)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120, check=False)
    assert (done.stdout, done.returncode) == ("written", -signal.SIGKILL), done.stderr
    store = place.open()
    assert (store.uses("grant"), store.log_state().size, store.nonce_spent("n")) == (0, 0, False)
    assert store.subject_entries("ada") == ()
    assert release(store, "d", grants=(("grant", 5),), nonces=[("n", NOW + 600)]).index == 0
