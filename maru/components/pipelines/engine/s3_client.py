"""S3 as plugins use it: objects put, in parts where they are large, listed, read and deleted, with signed requests.

Source: Amazon S3 API reference (PutObject, CreateMultipartUpload, UploadPart, ListObjectsV2); Signature Version 4.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape, unescape
from typing import Protocol
from urllib.parse import quote, urlsplit

import aiohttp

from maru.components.pipelines.engine.ground import Ground
from maru.components.pipelines.engine.sessions import Sessions
from maru.core.errors import Invalid, Unavailable
from maru.core.site import PORT_AWS
from maru.wire.aws.signature import Claim, Signed, canonical_request, sign, signing_key, string_to_sign

DEADLINE_S = 300.0
PART_BYTES = 16 << 20
_CONTENT = re.compile(r"<Contents>(.*?)</Contents>", re.DOTALL)


class S3Options(Protocol):
    """What the input and the output of S3 share. endpoint: "" for this platform's own, or Amazon's with a region."""

    @property
    def bucket(self) -> str: ...

    @property
    def region(self) -> str: ...

    @property
    def endpoint(self) -> str: ...

    @property
    def access_key_id(self) -> str: ...

    @property
    def secret_access_key(self) -> str: ...

    @property
    def session_token(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Found:
    """One object of a listing. modified: as S3 writes it."""

    key: str
    size_bytes: int
    modified: str
    etag: str


class S3:
    """Requests to one bucket, path style."""

    def __init__(self, options: S3Options, ground: Ground, what: str) -> None:
        environment = ground.environment
        self._access_key = options.access_key_id or environment.get("AWS_ACCESS_KEY_ID", "")
        self._secret = options.secret_access_key or environment.get("AWS_SECRET_ACCESS_KEY", "")
        self._token = options.session_token or environment.get("AWS_SESSION_TOKEN", "")
        if not (self._access_key and self._secret):
            raise Invalid(what=what, why="there are no credentials", fix="access_key_id and secret_access_key")
        own = f"http://{ground.site.listen}:{ground.site.port(PORT_AWS)}"
        self._endpoint = (options.endpoint or environment.get("AWS_ENDPOINT_URL") or own).rstrip("/")
        self._region, self._bucket = options.region, options.bucket
        self._sessions = Sessions(True, DEADLINE_S, ground)
        self._ground = ground

    async def put(self, key: str, content: bytes, headers: Mapping[str, str], parts_over: int) -> None:
        """One object, in parts where it has more than `parts_over` bytes. Raises Unavailable."""
        if len(content) <= parts_over:
            await self._ask("PUT", key, "", content, headers)
            return
        begun, _ = await self._ask("POST", key, "uploads=", b"", headers)
        upload = unescape(_inside(begun.decode(), "UploadId"))
        tags = []
        for number, first in enumerate(range(0, len(content), PART_BYTES), 1):
            part = content[first : first + PART_BYTES]
            query = f"partNumber={number}&uploadId={quote(upload, safe='')}"
            _, answered = await self._ask("PUT", key, query, part, {})
            tags.append((number, answered.get("etag", "")))
        parts = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{escape(tag)}</ETag></Part>" for n, tag in tags)
        body = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
        await self._ask("POST", key, f"uploadId={quote(upload, safe='')}", body, {})

    async def get(self, key: str) -> bytes:
        """An object's content. Raises Unavailable."""
        return (await self._ask("GET", key, "", b"", {}))[0]

    async def delete(self, key: str) -> None:
        """Raises Unavailable."""
        await self._ask("DELETE", key, "", b"", {})

    async def list(self, prefix: str, after: str) -> Sequence[Found]:
        """Up to 1,000 objects whose keys come after `after`. Raises Unavailable."""
        pairs = [("list-type", "2"), ("prefix", prefix), ("start-after", after)]
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in sorted(pairs) if value)
        body, _ = await self._ask("GET", "", query, b"", {})
        return [
            Found(unescape(_inside(each, "Key")), int(_inside(each, "Size")), _inside(each, "LastModified"),
                  unescape(_inside(each, "ETag")))
            for each in _CONTENT.findall(body.decode())
        ]  # fmt: skip

    async def _ask(
        self, method: str, key: str, query: str, content: bytes, more: Mapping[str, str]
    ) -> tuple[bytes, Mapping[str, str]]:
        """Body and headers of the answer."""
        path = f"/{quote(self._bucket, safe='')}" + (f"/{quote(key, safe='/~')}" if key else "")
        base = urlsplit(self._endpoint)
        digest = hashlib.sha256(content).hexdigest()
        now = self._ground.now()
        stamp = now.strftime("%Y%m%dT%H%M%SZ")
        headers = {name.lower(): value for name, value in more.items()}
        headers |= {"host": base.netloc, "x-amz-date": stamp, "x-amz-content-sha256": digest}
        if self._token:
            headers["x-amz-security-token"] = self._token
        claim = Claim(self._access_key, stamp[:8], self._region, "s3", tuple(sorted(headers)), "", stamp)
        text = string_to_sign(claim, canonical_request(Signed(method, base.path + path, query, headers), claim, digest))
        signature = sign(signing_key(self._secret, claim.date, self._region, "s3"), text)
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self._access_key}/{claim.scope}, "
            f"SignedHeaders={';'.join(claim.signed_headers)}, Signature={signature}"
        )
        # The path is signed as it is sent: nothing may quote it anew.
        from yarl import URL

        url = URL(f"{self._endpoint}{path}" + (f"?{query}" if query else ""), encoded=True)
        try:
            async with self._sessions.get().request(method, url, data=content or None, headers=headers) as answer:
                body = await answer.read()
                if answer.status >= 300:
                    why = f"HTTP {answer.status}: {body[:300].decode(errors='replace')}"
                    raise Unavailable(
                        what=f"s3://{self._bucket}/{key}", why=why, fix="look at the bucket and the credentials"
                    )
                return body, {name.lower(): value for name, value in answer.headers.items()}
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(what=self._endpoint, why=str(error) or type(error).__name__, fix="start it") from error


def _inside(text: str, name: str) -> str:
    match = re.search(rf"<{name}>(.*?)</{name}>", text, re.DOTALL)
    return match[1] if match is not None else ""
