"""The contact sheet: one picture that shows what each step came to."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from consent_edit.demo.steps import STEPS, StepResult

_COLUMNS: Final = 4
_CELL: Final = 300
_CAPTION: Final = 120
_GREEN: Final = (28, 120, 60)
_RED: Final = (170, 30, 30)
_GREY: Final = (110, 110, 110)
_NOTICE: Final = "Nobody in these pictures gave consent. The consent shown here is simulated."


def contact_sheet(results: Sequence[StepResult]) -> Image.Image:
    """Lay the steps out: a released picture in green, a refused one in red with the boxes needing consent."""
    rows = -(-len(results) // _COLUMNS)
    sheet = Image.new("RGB", (_COLUMNS * _CELL, 40 + rows * (_CELL + _CAPTION)), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((12, 10), _NOTICE, fill="black", font=ImageFont.load_default(18))
    for index, result in enumerate(results):
        left = (index % _COLUMNS) * _CELL
        top = 40 + (index // _COLUMNS) * (_CELL + _CAPTION)
        sheet.paste(_thumbnail(result), (left + 6, top + 6))
        _caption(draw, result, left + 8, top + _CELL)
    return sheet


def _thumbnail(result: StepResult) -> Image.Image:
    picture = Image.fromarray(result.shown.pixels).copy()
    draw = ImageDraw.Draw(picture)
    colour = _GREEN if result.outcome == "released" else _RED
    width = max(3, picture.width // 90)
    for x, y, w, h in result.boxes if result.boxes_in_input else ():
        draw.rectangle((x, y, x + w, y + h), outline=_RED, width=width)
    draw.rectangle((0, 0, picture.width - 1, picture.height - 1), outline=colour, width=width)
    picture.thumbnail((_CELL - 12, _CELL - 12))
    return picture


def _caption(draw: ImageDraw.ImageDraw, result: StepResult, left: int, top: int) -> None:
    colour = _GREEN if result.outcome == "released" else _RED
    draw.text((left, top), f"{result.name}: {result.outcome}", fill=colour, font=ImageFont.load_default(17))
    story = textwrap.wrap(STEPS[result.name].__doc__ or "", 44)
    shown = result.codes[:4]
    more = [f"and {len(result.codes) - len(shown)} more"] if len(result.codes) > len(shown) else []
    small = ImageFont.load_default(13)
    for line, text in enumerate(story[:2]):
        draw.text((left, top + 22 + 15 * line), text, fill=_GREY, font=small)
    for line, text in enumerate((*shown, *more)):
        draw.text((left, top + 24 + 15 * (len(story[:2]) + line)), text, fill="black", font=small)
