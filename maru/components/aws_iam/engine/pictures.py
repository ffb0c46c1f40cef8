"""QR codes, as authenticator apps read them. Source: ISO/IEC 18004, drawn by segno."""

from __future__ import annotations

from io import BytesIO

PIXELS_PER_MODULE = 4


def qr_code(text: str) -> bytes:
    """A PNG of `text`."""
    import segno  # only when a device is made

    picture = BytesIO()
    segno.make(text).save(picture, kind="png", scale=PIXELS_PER_MODULE)
    return picture.getvalue()
