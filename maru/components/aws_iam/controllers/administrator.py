"""The first key: made at the first start, for the root user of the first account.

An AWS account begins with its root user alone, and so does a platform: no user that nobody made is in any
list. The key is in `aws-credentials.json` for `maru env`; the file is written anew if it is missing or is not
what the store has.
Source: AWS Account Management reference, "Root user".
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from maru.components.aws_iam.api.access_keys import make_key
from maru.components.aws_iam.api.book import Book, ensure_namespace
from maru.components.aws_iam.api.credentials import secret_of
from maru.core.clock import rfc3339
from maru.core.identity.files import read_blocking, write_private_blocking
from maru.core.log import Log
from maru.kinds.aws import ROOT_ACCOUNT, namespace_of

FILE = "aws-credentials.json"


async def ensure_administrator(book: Book, data_dir: Path) -> None:
    """The first account has its namespace, and its root user a key that the file tells of."""
    path = data_dir / FILE
    await ensure_namespace(book.client, namespace_of(ROOT_ACCOUNT))
    if not book.setting(ROOT_ACCOUNT).root_created_at:
        await book.set_setting(ROOT_ACCOUNT, {"rootCreatedAt": rfc3339(book.tools.clock.now())})
    told = _read(await asyncio.to_thread(read_blocking, path))
    keys = [key for key in book.keys.list(ROOT_ACCOUNT) if not key.fields.user and key.fields.status == "Active"]
    key = next((key for key in keys if key.fields.id == told.get("accessKeyId")), keys[0] if keys else None)
    if key is None:
        key, secret = await make_key(book, ROOT_ACCOUNT, "")
        Log("aws_iam").info("the root user has a key", account=ROOT_ACCOUNT, access_key=key.fields.id)
    else:
        secret = secret_of(book, key)
    want = {"accessKeyId": key.fields.id, "secretAccessKey": secret, "account": ROOT_ACCOUNT}
    if told != want:
        await asyncio.to_thread(write_private_blocking, path, msgspec.json.encode(want))


def _read(content: bytes | None) -> dict[str, str]:
    try:
        return msgspec.json.decode(content or b"{}", type=dict[str, str])
    except msgspec.DecodeError:
        return {}
