"""Shadows: policies that are asked beside the live one before they are switched on; they decide nothing.

What they say is for the operator's records. However one raises, dawdles or rambles, the edit goes its way:
here nothing is raised, and what is written down of all of them is bounded.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from consent_edit.encoding import JsonValue, canonical_json
from consent_edit.policy.bundle import PolicyBundle
from consent_edit.policy.codes import ordered
from consent_edit.policy.decision import Decision, again

Overheard: TypeAlias = Sequence[Mapping[str, JsonValue]]
"""One note a shadow: ``{policy, digest, allowed, codes}``, or ``{policy, fault}`` where it gave no answer."""

MAX_SHADOWS: Final = 8
"""More are not asked."""

BUDGET_S: Final = 2.0
"""Seconds for all of them together; once they are over, no further one is asked."""

_MAX_NOTE_BYTES: Final = 8 * 1024
_MAX_NAME: Final = 200


def overheard(
    shadows: Sequence[PolicyBundle], jurisdictions: Sequence[str], *decisions: Decision
) -> Overheard:
    """What every shadow would have decided, on the very facts of one edit's decisions.

    Args:
        shadows: In the order in which they are noted.
        jurisdictions: What narrows them, as it narrows the live policy.
        decisions: All of an edit so far, as at admission and at release; a shadow allows the edit when it
            allows each. What restrictions said in them, they say again.

    Returns:
        The notes. Never an exception.
    """
    try:
        notes = []
        started = time.monotonic()
        for shadow in tuple(shadows)[:MAX_SHADOWS]:
            late = time.monotonic() - started > BUDGET_S
            notes.append(_fault(shadow, "TimeoutError") if late else _note(shadow, jurisdictions, decisions))
        if len(shadows) > MAX_SHADOWS:
            notes.append({"policy": "", "fault": f"more than {MAX_SHADOWS} shadows"})
        return notes
    except Exception as error:  # noqa: BLE001 - a shadow never changes what is decided
        return [{"policy": "", "fault": type(error).__name__}]


def _note(
    shadow: PolicyBundle, jurisdictions: Sequence[str], decisions: Sequence[Decision]
) -> Mapping[str, JsonValue]:
    try:
        whole = shadow.within(jurisdictions)
        said = [again(decision, whole) for decision in decisions]
        for one in said:
            if one.fault:
                return _fault(shadow, one.fault)
        codes = ordered(code for one in said for code in one.codes)
        note: dict[str, JsonValue] = {
            "policy": whole.name,
            "digest": whole.digest,
            "allowed": not codes,
            "codes": list(codes),
        }
        too_long = len(canonical_json(note)) > _MAX_NOTE_BYTES
        return _fault(shadow, "too long to be noted") if too_long else note
    except Exception as error:  # noqa: BLE001 - as above
        return _fault(shadow, type(error).__name__)


def _fault(shadow: object, fault: str) -> Mapping[str, JsonValue]:
    name = str(getattr(shadow, "name", ""))[:_MAX_NAME].encode("utf-8", "replace").decode("utf-8")
    return {"policy": name, "fault": fault}
