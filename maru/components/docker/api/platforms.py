"""The platform a request means, for stores that keep one of each image: another one is not there.

Source: Docker Engine API v1.50, `platform` of ImageInspect, ImageHistory, ImagePush, ImageGet and ImageLoad;
moby api/server/httputils/form.go, DecodePlatform.
"""

from __future__ import annotations

import msgspec

from maru.components.docker.api.edge import said
from maru.contracts.image_store import Image
from maru.core.errors import Invalid, NotFound
from maru.core.front.message import Request
from maru.wire.oci.manifest import Platform


def platform_asked(request: Request) -> Platform | None:
    """None when the request names none. Raises Invalid."""
    text = request.query_get("platform")
    if not text:
        return None
    try:
        platform = msgspec.json.decode(text, type=Platform)
    except msgspec.MsgspecError as error:
        raise said(Invalid, f"failed to parse platform: {error}") from error
    if not platform.os or not platform.architecture:
        raise said(Invalid, "both OS and Architecture must be provided")
    return platform


def check_platform(image: Image, reference: str, wanted: Platform | None) -> None:
    """Raises NotFound when another platform than the image's was asked for."""
    has = Platform(image.architecture, image.os)
    if wanted is not None and (wanted.os, wanted.architecture) != (has.os, has.architecture):
        words = f"but its platform ({has}) does not match the specified platform ({wanted})"
        raise said(NotFound, f"image with reference {reference} was found {words}")
