"""Decision: what was decided, why and on what facts; and the meet of several decisions.

A decision cannot be made to allow against its own reasons: ``allowed`` is not a field but the absence of
codes, and building a decision without codes re-runs the floor on its facts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from types import MappingProxyType
from typing import Final

from consent_edit.encoding import JsonValue
from consent_edit.policy.codes import CONSENT_REQUIRED, RuleText, family, ordered
from consent_edit.policy.explain import remedies, sentences
from consent_edit.policy.facts import Facts
from consent_edit.policy.floor import judge
from consent_edit.policy.record import (
    facts_from_json,
    facts_to_json,
    malformed,
    mapping,
    sequence,
    text,
)
from consent_edit.vocabulary import Stage

RECORD_VERSION: Final = 2
MAX_PARTS: Final = 16
"""Decisions that a recorded meet is of, at most; ours are of two."""
MAX_RESTRICTIONS: Final = 64
"""Restrictions in a record, at most: a decision taken again asks every one."""
_VERSION_1: Final[Mapping[str, JsonValue]] = {"policy": "", "mirror_digest": "", "restrictions": ()}
"""What records of version 1 lacked."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason code for one person.

    Attributes:
        code: A ``floor.*``, ``consent.*`` or ``policy.*`` code.
        person: Index into ``facts.persons``.
    """

    code: str
    person: int


def freeze(value: object) -> JsonValue:
    """A read-only copy of plain JSON, whatever it was typed as.

    Raises:
        InputError: something JSON cannot hold, such as NaN.
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise malformed("a number that is not finite")
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Mapping):
        return MappingProxyType({text(key): freeze(item) for key, item in value.items()})
    return tuple(freeze(item) for item in sequence(value))


def _thaw(value: JsonValue) -> JsonValue:
    """Plain dicts and lists again, as JSON writers want them."""
    if isinstance(value, Mapping):
        return {key: _thaw(item) for key, item in value.items()}
    return [_thaw(item) for item in value] if isinstance(value, tuple) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided at one stage. Equal facts, policy and checks give an equal decision (G9).

    Attributes:
        facts: What was decided on.
        codes: Exact reason codes, ordered and unique, for the operator and the person depicted; none when
            allowed.
        findings: The codes that fell on somebody, per person.
        public_codes: What the requester may read (G7): no consent code but ``consent.required``.
        public_persons: Indices of the persons whose consent the requester is told to ask for.
        policy: Name of the operator's bundle, and after a ``+`` of what narrowed it.
        policy_digest: Of the operator's bundle.
        floor_digest: Of floor.py, the facts and the vocabulary (digests.py).
        mirror_digest: Of floor.cedar.
        restrictions: Names of the operator's restrictions that were asked.
        effective_checks: The checks as they ran: model hashes, thresholds, self-tests; as handed in.
        texts: What the operator's rules among the codes say.
        fault: For the operator when deciding failed: an exception's class name; never data of a person.
        met: The decisions this one is the meet of; empty when it was taken alone.
    """

    facts: Facts
    codes: tuple[str, ...]
    findings: tuple[Finding, ...]
    public_codes: tuple[str, ...]
    public_persons: tuple[int, ...]
    policy: str
    policy_digest: str
    floor_digest: str
    mirror_digest: str
    restrictions: tuple[str, ...] = ()
    effective_checks: tuple[Mapping[str, JsonValue], ...] = ()
    texts: tuple[RuleText, ...] = ()
    fault: str = ""
    met: tuple[Decision, ...] = ()

    def __post_init__(self) -> None:
        """INVARIANT: see each numbered line; ``ValueError`` when one is broken."""
        # 1. Codes are of known families, ordered and unique; every finding is among them.
        if self.codes != ordered(self.codes) or not {f.code for f in self.findings} <= set(self.codes):
            raise ValueError("a decision's codes must be ordered, unique and hold every finding")
        # 2. Without codes the floor, re-run on these very facts, must be silent.
        if not self.codes and judge(self.facts):
            raise ValueError("a decision cannot allow what the floor refuses")
        # 3. A meet holds every code of what it is the meet of.
        if any(not set(part.codes) <= set(self.codes) for part in self.met):
            raise ValueError("a meet cannot drop a code")
        # 4. The requester reads something exactly when the edit is refused, and no exact consent code.
        if bool(self.public_codes) != bool(self.codes) or any(
            family(code) == "consent" and code != CONSENT_REQUIRED for code in self.public_codes
        ):
            raise ValueError("public codes must exist for a refusal and give nobody away")

    @property
    def allowed(self) -> bool:
        """Whether the edit may go on: exactly when there is no code against it."""
        return not self.codes

    @property
    def stage(self) -> Stage:
        """The stage that was decided on."""
        return self.facts.stage

    @property
    def reasons(self) -> tuple[str, ...]:
        """One English sentence a code."""
        return sentences(self.codes, "en", self.texts)

    @property
    def remedies(self) -> tuple[str, ...]:
        """What would help, in English, each once."""
        return remedies(self.codes, "en", self.texts)

    def to_record(self) -> dict[str, JsonValue]:
        """The decision as plain JSON: words, codes and digests, nothing biometric, no prompt.

        Returns:
            An object that :meth:`from_record` reads back to an equal decision. ``reasons`` and ``remedies``
            are for the reader; reading back words them anew.
        """
        return {
            "v": RECORD_VERSION,
            "allowed": self.allowed,
            "stage": self.stage.value,
            "codes": list(self.codes),
            "reasons": list(self.reasons),
            "remedies": list(self.remedies),
            "findings": [{"code": found.code, "person": found.person} for found in self.findings],
            "facts": facts_to_json(self.facts),
            "public_codes": list(self.public_codes),
            "public_persons": list(self.public_persons),
            "policy": self.policy,
            "policy_digest": self.policy_digest,
            "floor_digest": self.floor_digest,
            "mirror_digest": self.mirror_digest,
            "restrictions": list(self.restrictions),
            "effective_checks": [_thaw(check) for check in self.effective_checks],
            "texts": [asdict(rule) for rule in self.texts],
            "fault": self.fault,
            "met": [part.to_record() for part in self.met],
        }

    @classmethod
    def from_record(cls, record: object) -> Decision:
        """Read a decision back.

        Raises:
            InputError: the record is malformed, of another version, or says what its own content belies.
        """
        if isinstance(record, Mapping) and _version(record) == 1:
            record = {**_VERSION_1, **record, "v": RECORD_VERSION}
        data = mapping(record, _RECORD_KEYS)
        if _version(data) != RECORD_VERSION:
            raise malformed("a version that this release does not read")
        try:
            decision = cls(
                facts=facts_from_json(data["facts"]),
                codes=_strings(data["codes"]),
                findings=tuple(_finding(item) for item in sequence(data["findings"])),
                public_codes=_strings(data["public_codes"]),
                public_persons=tuple(_index(item) for item in sequence(data["public_persons"])),
                policy=text(data["policy"]),
                policy_digest=text(data["policy_digest"]),
                floor_digest=text(data["floor_digest"]),
                mirror_digest=text(data["mirror_digest"]),
                restrictions=_strings(data["restrictions"]),
                effective_checks=freeze_checks(sequence(data["effective_checks"])),
                texts=tuple(_rule_text(item) for item in sequence(data["texts"])),
                fault=text(data["fault"]),
                met=tuple(cls.from_record(part) for part in sequence(data["met"])),
            )
        except ValueError as error:
            raise malformed(str(error)) from error
        if len(decision.met) > MAX_PARTS or any(part.met for part in decision.met):
            raise malformed("a meet of meets, or of too many")
        if len(decision.restrictions) > MAX_RESTRICTIONS:
            raise malformed("more restrictions than anybody asks")
        if data["allowed"] is not decision.allowed or data["stage"] != decision.stage.value:
            raise malformed("its summary does not follow from its content")
        return decision


_RECORD_KEYS: Final = frozenset({"v", "allowed", "stage", "reasons", "remedies"}) | {
    field.name for field in fields(Decision)
}
_FINDING_KEYS: Final = frozenset({"code", "person"})
_RULE_TEXT_KEYS: Final = frozenset(field.name for field in fields(RuleText))


def freeze_checks(checks: Sequence[object]) -> tuple[Mapping[str, JsonValue], ...]:
    """Read-only copies of the effective checks.

    Raises:
        InputError: one of them is no JSON object.
    """
    frozen = tuple(freeze(check) for check in checks)
    if not all(isinstance(check, Mapping) for check in frozen):
        raise malformed("an effective check that is no object")
    return tuple(check for check in frozen if isinstance(check, Mapping))


def _version(record: Mapping[str, object]) -> int:
    """The version that a record says it is of; 0 for what is no version."""
    version = record.get("v")
    return version if type(version) is int else 0


def _strings(value: object) -> tuple[str, ...]:
    return tuple(text(item) for item in sequence(value))


def _index(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise malformed("no whole number where one is expected")
    return value


def _finding(value: object) -> Finding:
    data = mapping(value, _FINDING_KEYS)
    return Finding(text(data["code"]), _index(data["person"]))


def _rule_text(value: object) -> RuleText:
    return RuleText(**{key: text(item) for key, item in mapping(value, _RULE_TEXT_KEYS).items()})


def meet(first: Decision, second: Decision) -> Decision:
    """The decision that allows only what both allow: the policy at admission and the one at release (G6).

    Args:
        first: Decided under the older snapshot.
        second: Decided under the current one. Its facts and digests are the ones the meet shows; both
            decisions, whole, are in ``met``.

    Raises:
        ValueError: the two are not about the same picture: another stage or another number of persons.
    """
    if first.stage is not second.stage or len(first.facts.persons) != len(second.facts.persons):
        raise ValueError("a meet is of two decisions about one picture at one stage")
    checks = [check for check in first.effective_checks if check not in second.effective_checks]
    return Decision(
        facts=second.facts,
        codes=ordered((*first.codes, *second.codes)),
        findings=tuple(dict.fromkeys((*first.findings, *second.findings))),
        public_codes=ordered((*first.public_codes, *second.public_codes)),
        public_persons=tuple(sorted({*first.public_persons, *second.public_persons})),
        policy=second.policy,
        policy_digest=second.policy_digest,
        floor_digest=second.floor_digest,
        mirror_digest=second.mirror_digest,
        restrictions=tuple(dict.fromkeys((*first.restrictions, *second.restrictions))),
        effective_checks=(*second.effective_checks, *checks),
        texts=tuple(dict.fromkeys((*first.texts, *second.texts))),
        fault=second.fault or first.fault,
        met=(*(first.met or (first,)), *(second.met or (second,))),
    )
