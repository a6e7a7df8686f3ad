"""A process killed while it appends loses no entry it acknowledged, and never forks the log."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

from consent_edit.evidence.proofs import check_consistency
from consent_edit.store.sqlite import Store

ROOT = Path(__file__).resolve().parents[3]
KILLS = 10

WRITER = textwrap.dedent(
    """
    import sys
    from consent_edit.store.sqlite import Store
    store, run = Store.open(sys.argv[1]), sys.argv[2]
    number = 0
    while True:
        entry = store.commit_release(
            grants=(("grant", None),),
            record={"decision_id": f"{run}-{number}", "stage": "output"},
            leaf={"v": 1, "decision": f"{run}-{number}"},
            now=1_800_000_000,
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
        assert store.uses("grant") == state.size
        for index, size, root, name in acknowledged if run == KILLS - 1 else now:
            assert store.leaf(int(index)) == f'{{"decision":"{name}","v":1}}'.encode()
            assert store.decision(name)["stage"] == "output"
            path_nodes = [bytes.fromhex(node) for node in store.consistency_proof(int(size), state.size)]
            check_consistency(
                int(size), state.size, path_nodes, bytes.fromhex(root), bytes.fromhex(state.root)
            )
        store.close()
    assert len(acknowledged) >= KILLS
