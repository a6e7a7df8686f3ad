"""The reviewed path: what is shown to a reviewer, what is signed, and what of it counts."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from enrolment_world import DAY, LIMITS, NAME, NOW, face, photo
from PIL import Image

from consent_edit.consent.binding import LIVENESS_CAPS
from consent_edit.consent.jose import sign_compact, unverified
from consent_edit.consent.keys import SigningKey
from consent_edit.consent.trust import CLOCK_SKEW
from consent_edit.enrolment.review import (
    MAX_NOTE,
    REVIEW_TYP,
    Finding,
    ReviewCase,
    ShownPhoto,
    SignedReview,
    accepted_review,
    decide,
    prepare,
    signed_review,
)
from consent_edit.enrolment.review_page import page, write_page
from consent_edit.errors import ConsentInvalid, EnrolmentRefused, InputError
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.vocabulary import ConsentStatus

REVIEWER, STRANGER = SigningKey.generate(), SigningKey.generate()
KEY = "K" * 43
ROLES = tuple(LIMITS.enrolment)


def shown(shade: int, seed: int = 0, size: int = 40, **changes: object) -> ShownPhoto:
    """A picture of that shade that shows person 1."""
    image = CanonicalImage.of(np.full((size, size, 3), shade, np.uint8))
    return ShownPhoto(image, photo(face(1), seed=seed, **{"digest": image.digest, **changes}))


DOCUMENT, CAPTURE = shown(10), shown(20, seed=1)


def case(**changes: object) -> ReviewCase:
    """One document, one capture, one key."""
    asked: dict[str, object] = {"issuer": NAME, "keys": (KEY,), "roles": ROLES, "now": NOW, **changes}
    return prepare(DOCUMENT, [CAPTURE], **asked)  # type: ignore[arg-type]


def decision(of: ReviewCase | None = None, by: SigningKey = REVIEWER, **changes: object) -> str:
    """An acceptance."""
    asked: dict[str, object] = {"accepted": True, "liveness": "supervised_session", "now": NOW, **changes}
    return decide(of or case(), by, **asked)  # type: ignore[arg-type]


def check(token: str, **changes: object) -> SignedReview:
    """The desk's question about the capture and the key."""
    asked: dict[str, object] = {
        "issuer": NAME,
        "photos": {CAPTURE.image.digest},
        "keys": (KEY,),
        "spent": lambda _: False,
        "now": NOW,
        **changes,
    }
    reviewers = asked.pop("reviewers", (STRANGER.public, REVIEWER.public))
    signed = signed_review(token, reviewers)  # type: ignore[arg-type]
    accepted_review(signed, **asked)  # type: ignore[arg-type]
    return signed


def test_accepted() -> None:
    """A listed reviewer's acceptance holds, and says who signed, what was found and until when."""
    found = check(decision(finding=Finding.SAME_PERSON, note="passport seen"))
    assert found.reviewer == REVIEWER.public.thumbprint
    assert found.decision.finding is Finding.SAME_PERSON and found.decision.note == "passport seen"
    assert found.spending == (found.decision.case.id, NOW + DAY + CLOCK_SKEW)


def test_reviewer_not_listed() -> None:
    """Whoever's key does not stand in the folder decides nothing; nor does anybody when none does."""
    for reviewers in ((), (STRANGER.public,)):
        with pytest.raises(ConsentInvalid) as error:
            check(decision(), reviewers=reviewers)
        assert error.value.status is ConsentStatus.SIGNATURE_INVALID


def test_token_that_is_no_decision() -> None:
    """Another type of token, or other claims, signed by a reviewer, are no decision."""
    claims = dict(unverified(decision())[1])
    for token in (
        sign_compact(claims, REVIEWER, typ="consent-grant+jwt"),
        sign_compact({**claims, "more": 1}, REVIEWER, typ=REVIEW_TYP),
        "",
    ):
        with pytest.raises(ConsentInvalid):
            check(token)


def test_reviewer_refused() -> None:
    """A signed refusal enrols nobody."""
    with pytest.raises(EnrolmentRefused, match="did not accept"):
        check(decision(accepted=False))


@pytest.mark.parametrize("now", [NOW + DAY, NOW + 100 * DAY, NOW - 61])
def test_review_of_another_day(now: int) -> None:
    """A decision counts for a day."""
    with pytest.raises(EnrolmentRefused, match="last day"):
        check(decision(), now=now)
    check(decision(), now=NOW + DAY - 1)


def test_review_of_other_photos() -> None:
    """One photo more, less or exchanged, and the decision is not about them."""
    other = shown(30).image.digest
    for photos in (set(), {other}, {CAPTURE.image.digest, other}, {DOCUMENT.image.digest}):
        with pytest.raises(EnrolmentRefused, match="other photos"):
            check(decision(), photos=photos)


def test_review_for_other_keys() -> None:
    """The photos of a reviewed person are not enrolled under somebody else's key."""
    for keys in ((), ("T" * 43,), (KEY, "T" * 43)):
        with pytest.raises(EnrolmentRefused, match="other keys"):
            check(decision(), keys=keys)


def test_review_used_before() -> None:
    """The decision's name is asked after, and one that was used is refused."""
    asked: list[str] = []
    with pytest.raises(ConsentInvalid) as error:
        check(decision(one := case()), spent=lambda name: not asked.append(name))  # type: ignore[func-returns-value]
    assert error.value.status is ConsentStatus.REPLAYED and asked == [one.id]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"liveness": ""}, "how it is known"),
        ({"liveness": "supervised session"}, "how it is known"),
        ({"note": "x" * (MAX_NOTE + 1)}, "note"),
        ({"now": NOW + DAY}, "too old"),
        ({"now": NOW - 1}, "too old"),
    ],
)
def test_decision_not_signed(changes: dict[str, object], says: str) -> None:
    """No decision without a liveness of the table, with an endless note, or on a case of another day."""
    with pytest.raises(InputError, match=says):
        decision(**changes)
    for name in LIVENESS_CAPS:
        assert check(decision(liveness=name)).decision.liveness == name


@pytest.mark.parametrize(
    ("document", "captures", "keys"),
    [
        (DOCUMENT, [], (KEY,)),
        (DOCUMENT, [CAPTURE] * 6, (KEY,)),
        (DOCUMENT, [CAPTURE], ()),
        (shown(10, faces=2), [CAPTURE], (KEY,)),
        (DOCUMENT, [shown(20, faces=0)], (KEY,)),
        (DOCUMENT, [ShownPhoto(shown(30).image, CAPTURE.capture)], (KEY,)),
        (shown(10, embeddings={}), [CAPTURE], (KEY,)),
        (DOCUMENT, [shown(20, embeddings={r: np.full((1, 128), np.nan) for r in ROLES})], (KEY,)),
        (DOCUMENT, [shown(20, embeddings=dict(face(1)))], (KEY,)),
    ],
    ids=["none", "six", "no-key", "two-faces", "no-face", "another", "unread", "nan", "one-row"],
)
def test_case_not_prepared(document: ShownPhoto, captures: list[ShownPhoto], keys: tuple[str, ...]) -> None:
    """Each picture shows one face that every embedder read, and is the one that was observed."""
    with pytest.raises(EnrolmentRefused):
        prepare(document, captures, issuer=NAME, keys=keys, roles=ROLES, now=NOW)


def test_case_says_how_alike_the_faces_are() -> None:
    """Scores per capture and embedder, in hundredths; low for another person."""
    stranger = shown(30)
    stranger = replace(stranger, capture=replace(stranger.capture, embeddings=photo(face(2)).embeddings))
    found = prepare(DOCUMENT, [CAPTURE, stranger], issuer=NAME, keys=(KEY,), roles=ROLES, now=NOW)
    same, other = found.scores
    assert set(same) == set(ROLES) and min(same.values()) > 90 and max(other.values()) < 40
    assert found.document == DOCUMENT.image.digest and found.photos[0] == CAPTURE.image.digest


def test_page_for_the_reviewer(tmp_path: Path) -> None:
    """Both pictures, the scores and nothing that runs or is fetched; the file is its owner's alone."""
    one = case()
    path = write_page(one, DOCUMENT, [CAPTURE], tmp_path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert "DELETE" in path.name and list(tmp_path.iterdir()) == [path]
    text = path.read_text()
    assert (
        one.id in text
        and "<script" not in text
        and "http" not in text.replace("http-equiv", "").replace(NAME, "")
    )
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', text)
    (style,) = re.findall(r"<style>(.*?)</style>", text)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'"
    pictures = re.findall(r"data:image/jpeg;base64,([^']+)'", text)
    shades = [Image.open(io.BytesIO(base64.b64decode(picture))).getpixel((5, 5))[0] for picture in pictures]
    assert shades == pytest.approx([10, 20], abs=2)
    with pytest.raises(InputError):
        write_page(one, DOCUMENT, [CAPTURE], tmp_path)


def test_page_escapes_what_it_shows() -> None:
    """Nothing that came from outside is written into the page as markup."""
    hostile = case().model_copy(update={"id": "<script>x</script>"})
    assert "<script" not in page(hostile, DOCUMENT, [CAPTURE])


def test_large_pictures_are_shown_small() -> None:
    """A page stays small enough to open: pictures are shown at 1024 pixels at most."""
    large = shown(40, size=1500)
    one = prepare(large, [CAPTURE], issuer=NAME, keys=(KEY,), roles=ROLES, now=NOW)
    picture = re.findall(r"base64,([^']+)'", page(one, large, [CAPTURE]))[0]
    assert Image.open(io.BytesIO(base64.b64decode(picture))).size == (1024, 1024)
