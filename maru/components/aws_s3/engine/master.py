"""The key that SSE-S3 derives from: made once, kept in the index under the platform's seal."""

from __future__ import annotations

import secrets

from maru.components.aws_s3.engine.index import Index, Rows
from maru.contracts.sealer import Sealer

_CONTEXT = b"aws_s3/master"
KEY_BYTES = 32


async def master_key(index: Index, sealer: Sealer) -> bytes:
    """32 bytes; always the same for one index. Raises Broken when it was tampered with."""

    def ensure(rows: Rows) -> bytes:
        row = rows.execute("SELECT value FROM facts WHERE name = 'master'").fetchone()
        if row is not None:
            return bytes(row[0])
        sealed = sealer.seal(secrets.token_bytes(KEY_BYTES), _CONTEXT)
        rows.execute("INSERT INTO facts VALUES ('master', ?)", (sealed,))
        return sealed

    return sealer.open(await index.change(ensure), _CONTEXT)
