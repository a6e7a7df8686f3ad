"""An operator's folder with records in its log as the gate writes them, for tests of what reads them."""

from __future__ import annotations

import json
from pathlib import Path

from consent_edit import operator_folder
from consent_edit.consent.issuing.folder import trust_list
from consent_edit.consent.keys import SigningKey
from consent_edit.enrolment.office import create_office
from consent_edit.evidence.log import Event
from consent_edit.operator import unix_now
from consent_edit.policy.bundle import PolicyBundle
from consent_edit.policy.decision import decide
from consent_edit.policy.shadow import overheard
from consent_edit.policy.testing import benign, vary
from consent_edit.recording import record_of
from consent_edit.vocabulary import Environment

ANCHOR = SigningKey.generate()
NOW = unix_now()
DAY = 86_400
OPEN = '@id("open") @reason("Everything else.") permit (principal, action == Action::"edit", resource);\n'
NO_TONE = PolicyBundle.from_text(
    f'{OPEN}@id("no-tone") @reason("No tone \u202e here.")'
    ' forbid (principal, action == Action::"edit", resource)'
    ' when { context.operations.contains(Operation::"tone") };',
    name="next",
)
DEFAULT = PolicyBundle.shipped("default")
REVOKED = vary(benign("input"), {"persons.0.consent": "revoked"})


def made(folder: Path, **more) -> Path:
    """An operator's folder."""
    issuer = create_office(folder / "issuer", name="https://i.example", status_uri="https://i.example/s")
    entries = [issuer.trust_entries(now=NOW, lifetime=900)]
    claims = trust_list(entries, environment=Environment.PRODUCTION, now=NOW, lifetime=9_000)
    operator_folder.create(
        folder / "op",
        audience="https://service.example",
        trust_list=claims.sign(ANCHOR),
        anchor=json.dumps(ANCHOR.public.export()),
        status_uris=(),
        **more,
    )
    return folder / "op"


def write(folder, *entries, start=0, now=NOW - DAY):
    """Keep records in the folder's log, a minute apart."""
    store = operator_folder.open_store(folder)
    for number, entry in enumerate(entries, start):
        record = {"decision_id": f"d-{number}", "salts": {}, **entry}
        store.commit_refusal(record=record, leaf={"v": 1, "decision": f"d-{number}"}, now=now + 60 * number)
    store.close()


def kept(event, facts, live=DEFAULT, shadows=(NO_TONE,), law=()):
    """A record as the gate writes it."""
    decision = decide(facts, live)
    return record_of(event, decision, overheard(shadows, law, decision))


def released():
    return kept(Event.RELEASE, benign()) | {"admitted": decide(benign("input"), DEFAULT).to_record()}
