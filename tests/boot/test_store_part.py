"""The platform's store is opened with a key that is not in its folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from maru.boot.parts import store as store_part
from maru.core.clock import SystemClock
from maru.core.document import Key
from maru.core.errors import Broken
from maru.core.site import Site
from maru.core.store.interface import Change

WORD = b"open-sesame"
SECRET = Change(
    Key("secrets", "default", "a"),
    {"metadata": {"name": "a", "namespace": "default"}, "stringData": {"word": WORD.decode()}},
)


async def test_platform_keeps_its_key_outside_of_the_store_and_does_not_make_another(tmp_path: Path) -> None:
    needs = store_part.Needs(Site(tmp_path, "node"), SystemClock())
    async with store_part.open(needs) as gives:
        await gives.store.write([SECRET])
        sealed = gives.sealer.seal(b"x", b"y")
    assert all(WORD not in path.read_bytes() for path in (tmp_path / "store").iterdir())
    key = tmp_path / "access" / "root.key"
    content = key.read_bytes()
    assert key.stat().st_mode & 0o777 == 0o600
    key.unlink()
    with pytest.raises(Broken, match=r"root\.key.*missing.*restore it"):
        async with store_part.open(needs):
            pass
    assert not key.exists()
    key.write_bytes(content)
    async with store_part.open(needs) as gives:
        assert gives.store.get(SECRET.key) is not None
        assert gives.sealer.open(sealed, b"y") == b"x"
