"""Turns a loaded Pillow picture of any taken mode into upright sRGB, transparency laid on white.

What is transparent shows whatever is behind it, so one background is fixed, white, and exactly the
picture on white is checked and sent on.
"""

from __future__ import annotations

import io
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from consent_edit.errors import ImageRejected

_ORIENTATION: Final = 0x0112
_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF 2.3, tag Orientation: what undoes each value; 1 and values outside the standard turn nothing."""

_WITH_ALPHA: Final = frozenset({"LA", "La", "PA", "RGBA", "RGBa"})
_SIXTEEN_BIT: Final = frozenset({"I;16", "I;16L", "I;16B", "I;16N"})
_PROFILE_MODES: Final = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}


def to_upright_srgb(image: Image.Image, *, grey_bits: int = 8) -> NDArray[np.uint8]:
    """Upright sRGB pixels of a loaded picture: profile applied, alpha on white, EXIF turn applied.

    Args:
        image: A loaded picture; not changed.
        grey_bits: Bits a sample the file gave a grey picture, which scale its transparent level.

    Returns:
        (height, width, 3) uint8.

    Raises:
        ImageRejected: ``input.mode``, ``input.icc`` or ``input.exif``.
    """
    colour, alpha = _split(image, grey_bits)
    upright = _flatten(_apply_profile(colour, image.info.get("icc_profile") or b""), alpha)
    turn = _TURNS.get(_orientation(image.info.get("exif") or b""))
    if turn is not None:
        upright = upright.transpose(turn)
    return np.asarray(upright, dtype=np.uint8)


def _split(image: Image.Image, grey_bits: int) -> tuple[Image.Image, Image.Image | None]:
    """Colour (L, RGB or CMYK) and alpha (L) of a picture; no alpha when it is opaque."""
    key = image.info.get("transparency")
    mode = image.mode
    if mode in _WITH_ALPHA or (mode == "P" and key is not None):
        rgba = (image.convert("LA") if mode == "La" else image).convert("RGBA")
        return rgba.convert("L" if mode in {"LA", "La"} else "RGB"), rgba.getchannel("A")
    if mode in _SIXTEEN_BIT:
        deep = np.asarray(image)
        return Image.fromarray((deep >> 8).astype(np.uint8)), None if key is None else _keyed(deep != key)
    if mode in {"1", "L"}:
        grey, top = image.convert("L"), 1 if mode == "1" else 2**grey_bits - 1
        return grey, None if key is None else _keyed(np.asarray(grey) != key * 255 // top)
    if mode == "RGB":
        return image, None if key is None else _keyed((np.asarray(image) != key).any(axis=2))
    if mode in {"P", "RGBX", "YCbCr"}:
        return image.convert("RGB"), None
    if mode == "CMYK":
        return image, None
    raise ImageRejected(
        f"pixels of the kind {mode!r} are not taken",
        code="input.mode",
        remedy="convert the picture to 8-bit RGB",
    )


def _keyed(opaque: NDArray[np.bool_]) -> Image.Image:
    """An alpha channel from a mask of what is opaque."""
    return Image.fromarray(np.where(opaque, 255, 0).astype(np.uint8))


def _apply_profile(colour: Image.Image, profile: bytes) -> Image.Image:
    """Colour taken to sRGB; without a profile, pixels are sRGB already (CMYK by Pillow's plain formula).

    A profile that cannot be applied refuses the picture: guessing would show another picture than the
    one the person depicted saw when granting.
    """
    if not profile:
        return colour if colour.mode == "RGB" else colour.convert("RGB")
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = _PROFILE_MODES[source.profile.xcolor_space]
        if colour.mode == "L" and mode == "RGB":
            colour = colour.convert("RGB")
        if colour.mode != mode:
            raise ValueError("profile of another colour space")
        turned = ImageCms.profileToProfile(colour, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
        if turned is None:
            raise ValueError("no picture came back")
    except Exception as error:  # whatever lcms or Pillow finds wrong, the profile is at fault
        raise ImageRejected(
            "the colour profile is damaged or does not fit the picture",
            code="input.icc",
            remedy="convert the picture to sRGB, or save it without its profile",
        ) from error
    return turned


def _flatten(colour: Image.Image, alpha: Image.Image | None) -> Image.Image:
    """The picture laid on white."""
    if alpha is None:
        return colour
    white = Image.new("RGB", colour.size, (255, 255, 255))
    white.paste(colour, mask=alpha)
    return white


def _orientation(exif: bytes) -> int:
    """EXIF's Orientation; 1 when there is none.

    Only EXIF counts: Pillow would also take XMP's, which browsers do not show.
    """
    if not exif:
        return 1
    try:
        tags = Image.Exif()
        tags.load(exif)
        value = tags.get(_ORIENTATION, 1)
    except Exception as error:  # whatever Pillow finds wrong, the metadata is at fault
        raise ImageRejected(
            "the EXIF metadata is damaged, so which way up the picture goes is unknown",
            code="input.exif",
            remedy="save the picture upright and without metadata",
        ) from error
    return value if isinstance(value, int) else 1
