"""The page a reviewer looks at: the pictures side by side in one file that runs nothing."""

from __future__ import annotations

import base64
import hashlib
import html
import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from PIL import Image

from consent_edit.consent.issuing.capture import Capture
from consent_edit.consent.keys import write_private
from consent_edit.enrolment.review import ReviewCase, ShownPhoto
from consent_edit.intake.canonical import CanonicalImage

_SHOWN_SIDE: Final = 1024
_STYLE: Final = (
    "body{font-family:sans-serif;margin:2rem}div{display:flex;gap:1rem;flex-wrap:wrap}"
    "figure{margin:0}img{height:24rem;max-width:100%;object-fit:contain}"
)


def page(case: ReviewCase, document: ShownPhoto, captures: Sequence[ShownPhoto]) -> str:
    """One HTML page for the reviewer's eyes: the pictures side by side, the scores, no script, no address."""
    pictures = "".join(
        f"<figure><img alt='{html.escape(title)}' src='{_data_uri(photo.image)}'>"
        f"<figcaption>{html.escape(title)}{html.escape(told)}</figcaption></figure>"
        for title, told, photo in (
            ("Document", "", document),
            *(
                (f"Capture {number}", f": {_told(scores)}; {_measured(photo.capture)}", photo)
                for number, (photo, scores) in enumerate(zip(captures, case.scores, strict=True), start=1)
            ),
        )
    )
    made = datetime.fromtimestamp(case.made, UTC).strftime("%Y-%m-%d %H:%M UTC")
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode("utf-8")).digest()).decode("ascii")
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f"<title>Enrolment review</title><style>{_STYLE}</style></head><body>"
        "<h1>Is this one and the same person, and was that person there?</h1>"
        f"<p>Case {html.escape(case.id)}, prepared {made}. Scores say how alike two embedders find the faces "
        "(1 is the same picture); they decide nothing here. "
        "<strong>Delete this file after the review.</strong></p>"
        f"<p>{html.escape(_asked(case))}</p>"
        f"<div>{pictures}</div></body></html>\n"
    )


def write_page(case: ReviewCase, document: ShownPhoto, captures: Sequence[ShownPhoto], folder: Path) -> Path:
    """Write the page into a folder, readable by its owner alone, under a name that says what to do with it.

    Raises:
        InputError: it cannot be written, or is there already.
    """
    path = folder / f"review-{case.id[:12]}-DELETE-AFTER-REVIEW.html"
    write_private(path, page(case, document, captures).encode("utf-8"), new=True)
    return path


def _asked(case: ReviewCase) -> str:
    """For whom the decision will be good, beyond the pictures."""
    guardians = f"Her guardians will be: {', '.join(case.guardians)}." if case.guardians else "No guardian."
    return f"Asked by {case.issuer}, for the keys {', '.join(case.keys)}. {guardians}"


def _told(scores: Mapping[str, int]) -> str:
    return ", ".join(f"{role} {score / 100:.2f}" for role, score in scores.items())


def _measured(capture: Capture) -> str:
    quality = capture.quality
    return (
        f"face {capture.face_width:.0f} px, sharpness {quality.sharpness:.0f}, "
        f"turned {quality.yaw:.0f}°, {quality.pitch:.0f}°, {quality.roll:.0f}°"
    )


def _data_uri(image: CanonicalImage) -> str:
    """The picture as a JPEG small enough for a page, written anew: nothing of the file comes along."""
    picture = Image.fromarray(image.pixels)
    picture.thumbnail((_SHOWN_SIDE, _SHOWN_SIDE))
    with io.BytesIO() as memory:
        picture.save(memory, format="JPEG", quality=90)
        return f"data:image/jpeg;base64,{base64.b64encode(memory.getvalue()).decode('ascii')}"
