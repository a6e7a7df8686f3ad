"""The register: sealed, searched exactly, and never guessed at."""

from __future__ import annotations

import numpy as np
import pytest
from enrolment_world import MODELS, NOW, Town, face, photo, unit

from consent_edit.consent.keys import SigningKey
from consent_edit.consent.match import Probe
from consent_edit.consent.templates import FaceTemplate
from consent_edit.enrolment.audit import vault_name
from consent_edit.errors import EnrolmentRefused, StoreUnavailable

HER = face(1)
TEMPLATES = [FaceTemplate.of(vector, model=role, sha256=MODELS[role]) for role, vector in HER.items()]


def test_damaged_entry_stops_the_search() -> None:
    """With one entry that cannot be read nobody could say who is missing: nobody is enrolled."""
    town = Town.make()
    town.store.vault.put(vault_name("A" * 43), "enrolment", b"{}")
    with pytest.raises(StoreUnavailable, match="damaged"):
        town.enrol([photo(HER)], SigningKey.generate())


@pytest.mark.parametrize(
    "views",
    [
        np.zeros((2, 128), np.float32),
        np.full((2, 128), np.nan, np.float32),
        unit(1),
        unit(1, 64)[None, :],
        2 * HER["face-embedding"][None, :],
    ],
)
def test_probe_that_is_no_embedding(views: np.ndarray) -> None:
    """What is of another shape or no unit vector is accepted against nothing."""
    register = Town.make().desk.register
    probe = Probe({"face-embedding": views, "face-embedding-second": HER["face-embedding-second"][None, :]})
    found = register.compare(probe, TEMPLATES, MODELS)
    assert not found.accepted and found.scores["face-embedding"] == -1


def test_one_role_of_two_rejects() -> None:
    """Every role that can be compared must accept; one that rejects is enough."""
    register = Town.make().desk.register
    half = photo({**HER, "face-embedding-second": unit(77)})
    assert not register.compare(Probe(half.embeddings), TEMPLATES, MODELS).accepted
    assert register.compare(Probe(photo(HER).embeddings), TEMPLATES, MODELS).accepted


def test_view_clearly_below_the_threshold() -> None:
    """As in matching, a photo that one view contradicts is not accepted on the median of the others."""
    register, role = Town.make().desk.register, "face-embedding"
    steady = photo(HER).embeddings
    rows = np.stack([steady[role][0], steady[role][1], unit(5)])
    assert float(np.median(rows @ HER[role])) > 0.9
    assert not register.compare(Probe({**steady, role: rows}), TEMPLATES, MODELS).accepted


def test_other_weight_files_compare_with_nothing() -> None:
    """Embeddings of another weight file are other numbers: neither accepted nor scored."""
    found = Town.make().desk.register.compare(Probe(photo(HER).embeddings), TEMPLATES, {})
    assert not found.accepted and not found.scores


def test_claims_of_different_people_do_not_meet() -> None:
    """Two desks enrol two people at the same time."""
    town = Town.make()
    register = town.desk.register
    probes = [Probe(photo(face(2)).embeddings)]
    with register.claim(["A" * 43], TEMPLATES, [], MODELS, NOW):
        with register.claim(["B" * 43], TEMPLATES, probes, MODELS, NOW):
            assert len(list(town.store.vault.all("enrolment-claim"))) == 2
        with pytest.raises(EnrolmentRefused), register.claim(["A" * 43], TEMPLATES, probes, MODELS, NOW):
            pass
    assert not list(town.store.vault.all("enrolment-claim"))


def test_claim_from_a_clock_ahead() -> None:
    """A claim of a later time is somebody's still: it is not swept away."""
    town = Town.make()
    register = town.desk.register
    with register.claim(["A" * 43], TEMPLATES, [], MODELS, NOW + 60), pytest.raises(EnrolmentRefused):
        town.enrol([photo(HER)], SigningKey.generate())
