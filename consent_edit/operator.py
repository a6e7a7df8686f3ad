"""The operator: who runs the editor, under which trust, policy and keys; and what of it was current when."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from consent_edit.consent.jwe import OpeningKey
from consent_edit.consent.status.lists import StatusLists
from consent_edit.consent.trust import TrustList
from consent_edit.errors import ArgumentRejected, VerificationFailed
from consent_edit.perception.operator.models import OperatorModels
from consent_edit.policy.bundle import PolicyBundle
from consent_edit.policy.decision import Decision
from consent_edit.policy.policy_file import PolicyFile, in_force
from consent_edit.policy.restriction import Restriction, distinct
from consent_edit.store.store import Store
from consent_edit.thresholds import Thresholds, load_thresholds


def unix_now() -> int:
    """Seconds since 1970, whole."""
    return int(time.time())


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was in force at one moment; a release needs the meet of two of them (G6).

    Attributes:
        policy: The operator's, narrowed by the jurisdictions.
        restrictions: Plug-ins that may refuse as well.
        jurisdictions: Codes of what narrows the policy, each once.
        shadows: Policies that are asked beside the live one and decide nothing; narrowed when asked, so that
            one that does not go with a jurisdiction stops no edit.
    """

    trust: TrustList
    policy: PolicyBundle
    thresholds: Thresholds
    restrictions: tuple[Restriction, ...] = ()
    jurisdictions: tuple[str, ...] = ()
    shadows: tuple[PolicyBundle, ...] = ()

    def within(self, jurisdictions: Iterable[str]) -> Snapshot:
        """The same, narrowed by more jurisdictions.

        Raises:
            PolicyInvalid: there is no such jurisdiction, or a rule of its is called like one of the policy's.
        """
        added = tuple(dict.fromkeys(code for code in jurisdictions if code not in self.jurisdictions))
        return replace(
            self,
            policy=self.policy.within(added),
            jurisdictions=(*self.jurisdictions, *added),
        )


@dataclass(slots=True, kw_only=True)
class Operator:
    """Everything about an operator that an edit needs.

    Trust list, policy and restrictions can be replaced while edits run (:meth:`replace`): an edit that was
    admitted under the old ones leaves only if the old and the new ones both allow it.

    Attributes:
        audience: The audience that grants must name: this service.
        policy: The rules in force; a :class:`PolicyFile` is read again whenever it changes.
        jurisdictions: Codes of what narrows every policy here, such as ``eu``.
        restrictions: Plug-ins of the operator's that may refuse as well.
        shadows: Policies to watch before they are switched on: every record says what they would have done.
        statuses: Status lists, filled on schedule by the host, never during an edit.
        store: Log, decision records and use counts.
        receipt_key: Signs receipts.
        opening_keys: Open presentations sealed to this service, the newest first.
        thresholds: Operating thresholds; the pinned ones, or tighter.
        models: Models of the operator's own, added beside the must-run ones; their embedders join the
            thresholds here, once: another set needs another operator.
        clock: Unix time in whole seconds.
    """

    audience: str
    trust: TrustList
    policy: PolicyBundle | PolicyFile
    statuses: StatusLists
    store: Store
    receipt_key: Ed25519PrivateKey
    opening_keys: tuple[OpeningKey, ...] = field(default=(), repr=False)
    thresholds: Thresholds = field(default_factory=load_thresholds)
    models: OperatorModels = field(default_factory=OperatorModels)
    clock: Callable[[], int] = unix_now
    jurisdictions: tuple[str, ...] = ()
    restrictions: tuple[Restriction, ...] = ()
    shadows: tuple[PolicyBundle, ...] = ()
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __post_init__(self) -> None:
        """INVARIANT: the restrictions can be asked together.

        Raises:
            ArgumentRejected: ``input.restriction``.
        """
        self.restrictions = distinct(self.restrictions)
        self.thresholds = self.models.added_to(self.thresholds)

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse other models later: neither the thresholds nor the running checks would know of them."""
        if name == "models" and hasattr(self, "models"):
            raise ArgumentRejected(
                "an operator's models are given once", remedy="make another Operator and ConsentEditor"
            )
        object.__setattr__(self, name, value)

    def snapshot(self) -> Snapshot:
        """What is in force now.

        Raises:
            PolicyInvalid: a jurisdiction is not known here, or does not go with the policy.
        """
        with self._lock:
            policy, jurisdictions = self.policy, self.jurisdictions
            held = (self.trust, self.thresholds, self.restrictions, self.shadows)
        trust, thresholds, restrictions, shadows = held
        bare = Snapshot(trust, in_force(policy), thresholds, restrictions=restrictions, shadows=shadows)
        return bare.within(jurisdictions)

    def decision(self, decision_id: str) -> Decision:
        """The exact decision behind a refusal or a release: for the operator and the person depicted only.

        Raises:
            StoreUnavailable: the store cannot be read, or holds no such decision.
            InputError: its record is malformed.
        """
        return Decision.from_record(self.store.decision(decision_id).get("decision"))

    def replace(
        self,
        *,
        trust: TrustList | None = None,
        policy: PolicyBundle | PolicyFile | None = None,
        restrictions: Iterable[Restriction] | None = None,
    ) -> None:
        """Put a new trust list, policy or set of restrictions in force for every decision from now on.

        Args:
            trust: Not older than the one in force.
            policy: Instead of the one in force.
            restrictions: Instead of all those in force; none at all when empty.

        Raises:
            ArgumentRejected: ``input.restriction``: they cannot be asked together. Nothing is replaced.
            VerificationFailed: ``verification.rollback``: the trust list is older. Nothing is replaced.
        """
        asked = None if restrictions is None else distinct(restrictions)
        with self._lock:
            if trust is not None and trust.iat < self.trust.iat:
                raise VerificationFailed(
                    "the trust list is older than the one in force",
                    code="verification.rollback",
                    remedy="sign a new trust list; an old one could bring a removed issuer back",
                )
            self.trust = trust or self.trust
            self.policy = policy or self.policy
            self.restrictions = self.restrictions if asked is None else asked
