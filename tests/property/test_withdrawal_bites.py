"""No order of granting, using, withdrawing, rotating and mirroring lets an edit through too late (G6)."""

from __future__ import annotations

from dataclasses import replace

from consent_world import STATUS_URI, ConsentWorld, face, resign_trust
from hypothesis import HealthCheck, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from consent_edit.consent.issuing.issue import RetiredKey
from consent_edit.consent.keys import Algorithm, SigningKey
from consent_edit.consent.query import use_id
from consent_edit.consent.status.lists import MAX_TTL, StatusLists
from consent_edit.errors import ConsentInvalid, InputError
from consent_edit.store.store import Store
from consent_edit.vocabulary import ConsentStatus

KEYS = st.sampled_from(list(Algorithm))
PAUSES = st.sampled_from([0, 1, 30, 59, 60, 61, 90])


class Withdrawals(RuleBasedStateMachine):
    """One issuer, its mirrored status list, a verifier that sees the mirror and whatever anybody pushes."""

    people = Bundle("people")
    grants = Bundle("grants")

    @initialize(target=grants, algorithm=KEYS, uses=st.sampled_from([0, 2]))
    def begin(self, algorithm, uses):
        self.world = ConsentWorld.make(algorithm=algorithm)
        self.store = Store.open(":memory:")
        self.mirrored = self.world.issuer.status.token(self.world.clock())
        self.seen = [self.mirrored]
        self.world.statuses = StatusLists({STATUS_URI: lambda _: self.mirrored})
        self.ended = {}  # status entry -> when it was flipped
        self.released = {}
        self.held = []
        return self._granted(self.world.person(), uses)

    @rule(target=people, who=st.integers(1, 3))
    def enrol(self, who):
        return self.world.person(face(who))

    @rule(target=grants, person=people, uses=st.sampled_from([0, 1, 2]))
    def grant(self, person, uses):
        return self._granted(person, uses)

    def _granted(self, person, uses):
        held = person, person.grant(max_uses=uses), uses
        self.held.append(held)
        return held

    @rule(held=grants)
    def use(self, held):
        """Release under a grant where it verifies."""
        person, grant, cap = held
        result = self.world.verify(grant.presentation(), uses=self.store.uses)
        event(f"used: {result.status}")
        if result.status is ConsentStatus.VERIFIED:
            name, count = use_id(person.wallet.subject, grant.jti), self.store.log_state().size
            self.store.commit_release(
                grants=[(name, cap or None)],
                record={"decision_id": f"d-{count}", "stage": "output"},
                leaf={"v": 1},
                now=self.world.clock(),
            )
            self.released[name] = (self.released.get(name, (0, cap))[0] + 1, cap)

    @invariant()
    def nothing_withdrawn_verifies_after_the_ttl(self):
        """Every grant there is, at every moment: a release later than withdrawal + ttl is impossible."""
        now = self.world.clock()
        for person, grant, _ in self.held:
            ended = [self.ended[e] for e in (grant.entry.idx, person.enrolment.entry.idx) if e in self.ended]
            if ended and self.world.verify(grant.presentation()).status is ConsentStatus.VERIFIED:
                event("verified within the ttl after withdrawal")
                assert now < min(ended) + MAX_TTL

    @rule(held=grants, seconds=PAUSES)
    def withdraw(self, held, seconds):
        person, grant, _ = held
        person.withdraw(grant)
        self.ended.setdefault(grant.entry.idx, self.world.clock())
        self.wait(seconds)

    @rule(held=consumes(grants), seconds=PAUSES)
    def revoke(self, held, seconds):
        entry = held[0].enrolment.entry.idx
        self.world.issuer.revoke(entry)
        self.ended.setdefault(entry, self.world.clock())
        self.wait(seconds)

    @rule(seconds=PAUSES)
    def wait(self, seconds):
        self.world.clock.now += seconds

    @rule()
    def publish(self):
        self.mirrored = self.world.issuer.status.token(self.world.clock())
        self.seen.append(self.mirrored)

    @rule(data=st.data())
    def mirror_serves_an_older_list(self, data):
        self.mirrored = data.draw(st.sampled_from(self.seen))

    @rule(data=st.data())
    def somebody_pushes_an_older_list(self, data):
        try:
            self.world.statuses.push(data.draw(st.sampled_from(self.seen)), self.world.clock())
        except ConsentInvalid as refused:
            assert refused.status is ConsentStatus.STATUS_UNAVAILABLE

    @rule()
    def verifier_restarts(self):
        """What it knew is gone; only what the mirror serves is left."""
        self.world.statuses = StatusLists({STATUS_URI: lambda _: self.mirrored})

    @rule(algorithm=KEYS)
    def issuer_rotates(self, algorithm):
        issuer, now = self.world.issuer, self.world.clock()
        retired = (*issuer.retired, RetiredKey(issuer.key.public, now + 180 * 86_400))[-3:]
        self.world.issuer = replace(issuer, key=SigningKey.generate(algorithm), retired=retired)
        resign_trust(self.world)

    @rule(algorithm=KEYS)
    def status_service_rotates(self, algorithm):
        try:
            self.world.issuer.status.rotate(SigningKey.generate(algorithm), self.world.clock())
        except InputError:  # a trust list names so many keys and no more
            event("too many status keys")
        resign_trust(self.world)

    @invariant()
    def caps_hold(self):
        for count, cap in self.released.values():
            assert not cap or count <= cap


Withdrawals.TestCase.settings = settings(
    max_examples=50,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestWithdrawals = Withdrawals.TestCase
