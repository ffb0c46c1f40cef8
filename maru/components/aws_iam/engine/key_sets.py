"""The public keys of OpenID Connect providers, fetched over HTTPS and remembered for a while.

Source: OpenID Connect Discovery 1.0, section 4; RFC 7517.
"""

from __future__ import annotations

from maru.components.aws_iam.errors import coded
from maru.core.clock import Clock
from maru.core.document import Value

FETCH_S = 5.0
KEEP_S = 300.0
BYTES_MAX = 256 * 1024
KEPT_MAX = 100


class KeySets:
    """See the module."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[str, tuple[float, Value]] = {}

    async def fetch(self, url: str) -> Value:
        """The JWKS of the provider at `url` (without https://). Raises InvalidIdentityToken."""
        kept = self._kept.get(url)
        now_s = self._clock.monotonic_s()
        if kept is not None and now_s - kept[0] < KEEP_S:
            return kept[1]
        import aiohttp  # only where a provider outside of Maru is asked

        try:
            timeout = aiohttp.ClientTimeout(total=FETCH_S)
            async with aiohttp.ClientSession(timeout=timeout) as session:
                found = await _json(session, f"https://{url}/.well-known/openid-configuration")
                keys = await _json(session, str(found["jwks_uri"]))
        except (aiohttp.ClientError, TimeoutError, ValueError, KeyError) as error:
            raise coded(
                "InvalidIdentityToken",
                "Couldn't retrieve verification key from your identity provider, please reference "
                "AssumeRoleWithWebIdentity documentation for requirements",
            ) from error
        if len(self._kept) >= KEPT_MAX:
            self._kept.clear()
        self._kept[url] = (now_s, keys)
        return keys


async def _json(session: object, url: str) -> Value:
    import aiohttp
    import msgspec

    assert isinstance(session, aiohttp.ClientSession)
    if not url.startswith("https://"):
        raise ValueError("a provider's keys are served over HTTPS")
    async with session.get(url, allow_redirects=False) as answer:
        answer.raise_for_status()
        body = await answer.content.read(BYTES_MAX)
    value = msgspec.json.decode(body)
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value
