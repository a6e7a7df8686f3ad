"""The log tells no personal data and no reason that the requester may not know."""

from __future__ import annotations

import pytest

from consent_edit.errors import CheckFailed, StoreUnavailable
from consent_edit.evidence.log import (
    Depicted,
    Event,
    commitment,
    draft_leaf,
    log_refusal,
    log_release,
    public_codes,
)
from consent_edit.store.store import Store

NOW = 1_800_000_000
DIGEST = "sha256:" + "a" * 64


def draft(**changes):
    values = {
        "event": Event.REFUSAL,
        "time": NOW,
        "decision_id": "d-1",
        "codes": ("floor.consent-required", "consent.revoked", "consent.absent"),
        "subjects": {"input": DIGEST, "grant.0": "urn:grant:private"},
        "checks": [{"name": "exposure", "models": [{"sha256": "0" * 64}, {"sha256": "0" * 64}]}],
        "policy_digest": DIGEST,
        "floor_digest": DIGEST,
    }
    return draft_leaf(**(values | changes))


def test_consent_codes_are_masked():
    """Whether somebody withdrew or never consented reads the same in the log."""
    assert draft().leaf.codes == ("floor.consent-required", "consent.required")
    assert public_codes(["consent.expired"]) == public_codes(["consent.revoked", "consent.absent"])


def test_leaf_holds_commitments_and_the_record_their_salts():
    """Grant id and input digest are nowhere in the leaf, and open only with the private record's salts."""
    store, drafted = Store.open(":memory:"), draft()
    entry = log_refusal(
        store, people=(), record={"stage": "input", "codes": ["consent.revoked"]}, draft=drafted
    )
    leaf = store.leaf(entry.index)
    assert b"private" not in leaf
    assert b"revoked" not in leaf
    assert DIGEST.encode() not in leaf.replace(b'"floor":"' + DIGEST.encode(), b"").replace(
        b'"policy":"' + DIGEST.encode(), b""
    )
    record = store.decision("d-1")
    opened = commitment("grant.0", "urn:grant:private", record["salts"]["grant.0"])
    assert opened == drafted.leaf.commitments["grant.0"]
    for salt in drafted.salts.values():
        assert salt.encode() not in leaf


def test_what_is_kept_of_a_person_opens_her_commitment_and_dies_with_her_key():
    """Each depicted person keeps her own grant's salt and the pictures'; erased, nobody can open the leaf."""
    store = Store.open(":memory:")
    drafted = draft(
        event=Event.RELEASE,
        subjects={"input": DIGEST, "grant.0": "urn:grant:hers", "grant.1": "urn:grant:his"},
    )
    people = [Depicted("her-key", "grant.0", {"grant": "a"}), Depicted("his-key", "grant.1", {"grant": "b"})]
    log_release(
        store, grants=(), nonces=(), people=people, record={"stage": "output", "codes": []}, draft=drafted
    )
    assert store.decision("d-1")["salts"] == {}
    (entry,) = store.subject_entries("her-key")
    salts = entry["data"]["salts"]
    assert (entry["decision_id"], set(salts)) == ("d-1", {"input", "grant.0"})
    assert commitment("grant.0", "urn:grant:hers", salts["grant.0"]) in store.leaf(0).decode()
    before = store.log_state()
    assert store.erase_subject("her-key") == 1
    assert store.subject_entries("her-key") == ()
    assert len(store.subject_entries("his-key")) == 1
    assert store.log_state() == before


def test_commitments_do_not_link():
    """The same photo refused twice leaves two commitments, and equal values in two fields differ."""
    assert draft().leaf.commitments["input"] != draft().leaf.commitments["input"]
    salt = "00" * 32
    assert commitment("input", DIGEST, salt) != commitment("output", DIGEST, salt)
    assert commitment("input", DIGEST, salt) == commitment("input", DIGEST, salt)


def test_models_are_named_once():
    """The leaf names each model file that ran, once."""
    assert draft().leaf.models == ("0" * 64,)


@pytest.mark.parametrize(
    "changes",
    [
        {"policy_digest": ""},
        {"decision_id": ""},
        {"time": -1},
        {"checks": [{"models": [{"sha256": "no hash"}]}]},
        {"checks": [{"models": ["x"]}]},
    ],
)
def test_leaf_of_a_wrong_form(changes):
    """A decision that cannot be logged properly is an error, so nothing is released on it."""
    with pytest.raises(CheckFailed) as caught:
        draft(**changes)
    assert caught.value.code == "check.record"


def test_refusal_that_cannot_be_written():
    """A closed store raises rather than forget the refusal."""
    store = Store.open(":memory:")
    log_refusal(store, people=(), record={"stage": "input"}, draft=draft())
    with pytest.raises(StoreUnavailable):
        log_refusal(store, people=(), record={"stage": "input"}, draft=draft())
