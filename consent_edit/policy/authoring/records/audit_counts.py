"""Tally: what an operator's records say, counted: decisions, reasons, and what each shadow would have done.

Records are read one by one, however many there are; one that is damaged is counted and named.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from consent_edit.encoding import parse_json
from consent_edit.policy.authoring.records.replay import MAX_RECORD_BYTES
from consent_edit.policy.codes import RuleText
from consent_edit.policy.explain import explain

MAX_NAMED: Final = 1000
"""Damaged records that are named; further ones are counted."""


class Became(StrEnum):
    """What became of a request."""

    WOULD_ADMIT = "assessed: would be admitted"
    WOULD_REFUSE = "assessed: would be refused"
    REFUSED = "refused"
    BROKE_OFF = "broken off"
    RELEASED = "released"


class _Kept(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class _Text(_Kept):
    code: str
    reason: str = ""


class _Decided(_Kept):
    """What is counted of a decision record."""

    allowed: bool
    stage: str
    codes: list[str]
    policy: str = ""
    policy_digest: str
    texts: list[_Text] = []

    @model_validator(mode="after")
    def _follows(self) -> _Decided:
        """INVARIANT: it was allowed exactly when there is no code against it."""
        if self.allowed is bool(self.codes):
            raise ValueError("its summary does not follow from its content")
        return self


class _Note(_Kept):
    """What a shadow said."""

    policy: str
    digest: str = ""
    allowed: bool = False
    codes: list[str] = []
    fault: str = ""


class _Entry(_Kept):
    """A private record."""

    event: Literal["assessment", "refusal", "release"] | None = None
    decision: _Decided
    admitted: _Decided | None = None
    broke_off: str = ""
    shadows: list[_Note] = []

    @property
    def became(self) -> Became:
        """What became of the request; records of earlier releases do not say the event."""
        if self.event == "assessment":
            return Became.WOULD_ADMIT if self.decision.allowed else Became.WOULD_REFUSE
        if self.event == "release" or (self.event is None and self.admitted is not None):
            return Became.RELEASED
        return Became.BROKE_OFF if self.broke_off else Became.REFUSED


@dataclass(slots=True)
class Shadow:
    """What one shadow would have done.

    Attributes:
        asked: How often it gave an answer.
        would_refuse: Requests it would have refused that the live policy allowed.
        refusing: Its codes for those.
        would_allow: Requests it would have allowed that the live policy refused.
        refused: The live codes of those.
        faults: How often it gave no answer, by what went wrong.
    """

    policy: str
    digest: str
    asked: int = 0
    would_refuse: int = 0
    would_allow: int = 0
    refusing: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Tally:
    """Everything counted.

    Attributes:
        became: By what became of it and the stage.
        reasons: By code; a request counts once for each of its codes.
        examples: By code, the name of the first record that has it.
        policies: Decisions by the policy's name and digest.
        others: Entries of the log that are no decision about an edit.
        damaged: How many records could not be read.
        damaged_ids: Their names, the first :data:`MAX_NAMED`.
    """

    became: Counter[tuple[Became, str]] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    policies: Counter[tuple[str, str]] = field(default_factory=Counter)
    shadows: dict[tuple[str, str], Shadow] = field(default_factory=dict)
    others: int = 0
    damaged: int = 0
    damaged_ids: list[str] = field(default_factory=list)
    _texts: dict[str, RuleText] = field(default_factory=dict)

    @property
    def decisions(self) -> int:
        """Decisions counted."""
        return sum(self.became.values())

    def sentence(self, code: str) -> str:
        """What a code says to people, in the words of the rule as it was recorded last."""
        return explain(code, texts=[self._texts[code]] if code in self._texts else ()).sentence

    def elsewhere(self, in_force: Callable[[str, str], bool]) -> int:
        """How many were decided under another policy; ``in_force`` tells by name and digest."""
        return sum(count for named, count in self.policies.items() if not in_force(*named))

    def add(self, name: str, data: bytes) -> None:
        """Count one record."""
        try:
            kept = parse_json(data, max_bytes=MAX_RECORD_BYTES)
            if isinstance(kept, dict) and "decision_id" in kept and "decision" not in kept:
                self.others += 1
                return
            self._count(name, _Entry.model_validate(kept))
        except (ValidationError, ValueError):
            self.damaged += 1
            if len(self.damaged_ids) < MAX_NAMED:
                self.damaged_ids.append(name)

    def _count(self, name: str, entry: _Entry) -> None:
        decision = entry.decision
        self.became[entry.became, decision.stage] += 1
        self.policies[decision.policy, decision.policy_digest] += 1
        for code in dict.fromkeys((*decision.codes, *filter(None, [entry.broke_off]))):
            self.reasons[code] += 1
            self.examples.setdefault(code, name)
        self._texts |= {said.code: RuleText(said.code, said.reason) for said in decision.texts}
        for note in entry.shadows:
            shadow = self.shadows.setdefault((note.policy, note.digest), Shadow(note.policy, note.digest))
            _compare(shadow, note, decision)


def _compare(shadow: Shadow, note: _Note, live: _Decided) -> None:
    if note.fault:
        shadow.faults[note.fault] += 1
        return
    shadow.asked += 1
    if live.allowed and not note.allowed:
        shadow.would_refuse += 1
        shadow.refusing.update(note.codes)
    if note.allowed and not live.allowed:
        shadow.would_allow += 1
        shadow.refused.update(live.codes)


def tally(records: Iterable[tuple[str, bytes]]) -> Tally:
    """Count an operator's records.

    Args:
        records: Name and JSON of each.
    """
    counted = Tally()
    for name, data in records:
        counted.add(name, data)
    return counted
