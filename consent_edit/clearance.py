"""Clearance: leave to run one call over one set of pixels, once; the one thing the pipeline runner takes."""

from __future__ import annotations

import secrets
import threading
from typing import Final, Never, final

from consent_edit.errors import CheckFailed
from consent_edit.operator import Snapshot
from consent_edit.policy.decision import Decision

SEAL: Final = object()
"""Shown by the gate and by nothing else."""


@final
class Clearance:
    """Leave to run one call over one set of pixels, once. Made by ``Gate.admit`` and by nothing else.

    It cannot be copied, pickled or built. In one Python process that is a guard rail, not a wall.

    Attributes:
        snapshot: What was in force at admission.
        decision: The admitting decision.
        decision_id: Name of the record that will end the edit.
    """

    __slots__ = ("_call_digest", "_lock", "_released", "_spent", "decision", "decision_id", "snapshot")

    def __init__(
        self, seal: object, call_digest: str, snapshot: Snapshot, decision: Decision, decision_id: str = ""
    ) -> None:
        if seal is not SEAL:
            raise CheckFailed("a clearance comes from the gate alone", code="check.clearance-forged")
        self._call_digest = call_digest
        self._lock = threading.Lock()
        self._spent = False
        self._released = False
        self.snapshot = snapshot
        self.decision = decision
        self.decision_id = decision_id

    def spend(self, call_digest: str) -> None:
        """Use the clearance for the run it was given for.

        Raises:
            CheckFailed: ``check.clearance-spent`` the second time, ``check.clearance-mismatch`` when the call
                or its pixels are not the ones that were admitted.
        """
        with self._lock:
            if self._spent:
                raise CheckFailed("the clearance was used before", code="check.clearance-spent")
            self._spent = True
        if not secrets.compare_digest(call_digest, self._call_digest):
            raise CheckFailed(
                "the call or its pixels changed after admission", code="check.clearance-mismatch"
            )

    def close(self) -> None:
        """Use the clearance for the one release that may be asked for.

        Raises:
            CheckFailed: ``check.clearance-unspent`` before a run, ``check.clearance-spent`` the second time.
        """
        with self._lock:
            if not self._spent:
                raise CheckFailed("nothing ran under this clearance", code="check.clearance-unspent")
            if self._released:
                raise CheckFailed("a release was asked for before", code="check.clearance-spent")
            self._released = True

    def __copy__(self) -> Never:
        raise CheckFailed("a clearance cannot be copied", code="check.clearance-forged")

    def __deepcopy__(self, memo: object) -> Never:
        raise CheckFailed("a clearance cannot be copied", code="check.clearance-forged")

    def __reduce__(self) -> Never:
        raise CheckFailed("a clearance cannot be pickled", code="check.clearance-forged")
