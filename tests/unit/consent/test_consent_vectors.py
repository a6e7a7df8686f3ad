"""The project's own published vectors, as anybody's verifier would be tried on them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from consent_edit.consent.jose import verify_compact
from consent_edit.consent.keys import PublicJwk
from consent_edit.consent.query import ConsentQuery
from consent_edit.consent.status import StatusLists
from consent_edit.consent.trust import TrustList
from consent_edit.consent.verify import Presentation, verify_presentation
from consent_edit.errors import ConsentInvalid
from consent_edit.vocabulary import Operation, Purpose

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
    )
    result = verify_presentation(
        Presentation(case["credential"], case["grant"]),
        trust=trust,
        statuses=StatusLists(
            {uri: lambda _, t=token: t for uri, token in PRESENTATIONS["status_lists"].items()}
        ),
        query=query,
        uses=lambda _: asked["uses"],
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


@pytest.mark.parametrize("vectors", [PRESENTATIONS, TOKENS], ids=["presentations", "tokens"])
def test_every_flag_is_explained_and_used(vectors: dict[str, object]) -> None:
    """Flags name a bug type and its effect; none is unexplained."""
    used = {flag for case in vectors["tests"] for flag in case["flags"]}
    assert used <= set(vectors["notes"])
    assert all(note["bugType"] and note["effect"] for note in vectors["notes"].values())
    assert len(used) >= 7
