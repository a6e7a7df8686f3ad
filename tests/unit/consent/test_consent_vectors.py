"""The project's own published vectors, as anybody's verifier would be tried on them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from consent_edit.consent.jose import verify_compact
from consent_edit.consent.keys import PublicJwk
from consent_edit.consent.query import ConsentQuery
from consent_edit.consent.status.lists import StatusLists
from consent_edit.consent.trust import TrustList
from consent_edit.consent.verify import Presentation, verify_presentation
from consent_edit.errors import ConsentInvalid
from consent_edit.vocabulary import Operation, Purpose


@dataclass(frozen=True)
class _Record:
    """What was released before, as a vector says it."""

    released: int
    spent: frozenset[str]

    def uses(self, _: str) -> int:
        return self.released

    def nonce_spent(self, nonce: str) -> bool:
        return nonce in self.spent


FOLDER = Path(__file__).resolve().parents[2] / "vectors" / "consent"
PRESENTATIONS = json.loads((FOLDER / "presentation_test.json").read_text())
TOKENS = json.loads((FOLDER / "jws_test.json").read_text())


@pytest.mark.parametrize("case", PRESENTATIONS["tests"], ids=lambda case: case["name"])
def test_presentation_vector(case: dict[str, object]) -> None:
    """Each published presentation comes to its published status."""
    now, asked = PRESENTATIONS["now"], case["query"]
    trust = TrustList.load(
        PRESENTATIONS["trust_list"], anchor=PublicJwk.parse(PRESENTATIONS["anchor"]), now=now
    )
    query = ConsentQuery(
        audience=asked["audience"],
        grantee=asked["grantee"],
        operations=frozenset(map(Operation, asked["operations"])),
        purpose=Purpose(asked["purpose"]),
        photos=frozenset(asked["photos"]),
        now=now,
        proven=asked["proven"],
        nonce=asked["nonce"],
        models=PRESENTATIONS["models"],
    )
    result = verify_presentation(
        Presentation(case["credential"], case["grant"], tuple(case["cosigned"])),
        trust=trust,
        statuses=StatusLists(
            {uri: lambda _, t=token: t for uri, token in PRESENTATIONS["status_lists"].items()}
        ),
        query=query,
        record=_Record(asked["uses"], frozenset(asked["spent"])),
    )
    assert result.status == case["status"], result.detail
    assert (case["result"] == "valid") == (result.status == "verified")


@pytest.mark.parametrize("case", TOKENS["tests"], ids=lambda case: case["name"])
def test_token_vector(case: dict[str, object]) -> None:
    """Each published token verifies exactly if it is said to."""
    try:
        verify_compact(case["jws"], TOKENS["public"], typ=TOKENS["typ"])
        held = True
    except ConsentInvalid:
        held = False
    assert held == (case["result"] == "valid")


def test_the_vectors_cover_every_numbered_check() -> None:
    """Each check has a vector, and every vector a name and number of its own."""
    cases = PRESENTATIONS["tests"]
    assert {flag for case in cases for flag in case["flags"]} == set(PRESENTATIONS["notes"])
    assert len(PRESENTATIONS["notes"]) == 24
    assert [case["tcId"] for case in cases] == list(range(1, len(cases) + 1))
    assert len({case["name"] for case in cases}) == len(cases)
    assert sum(case["result"] == "valid" for case in cases) >= 10


@pytest.mark.parametrize("vectors", [PRESENTATIONS, TOKENS], ids=["presentations", "tokens"])
def test_every_flag_is_explained_and_used(vectors: dict[str, object]) -> None:
    """Flags name a bug type and its effect; none is unexplained."""
    used = {flag for case in vectors["tests"] for flag in case["flags"]}
    assert used <= set(vectors["notes"])
    assert all(note["bugType"] and note["effect"] for note in vectors["notes"].values())
    assert len(used) >= 7
