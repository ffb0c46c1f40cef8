"""What every AwsKeys keeps: data keys that come back from their sealed form, under their context only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from maru.contracts.aws_access import AwsCaller, Circumstances
from maru.contracts.aws_keys import AwsKeys
from maru.core.errors import MaruError


@dataclass(frozen=True)
class KeysUnderTest:
    """caller: who may use `key`; stranger: who may not. disable: of `key`, for good."""

    keys: AwsKeys
    key: str
    caller: AwsCaller
    stranger: AwsCaller
    circumstances: Circumstances
    disable: Callable[[], Awaitable[None]]


class AwsKeysSuite:
    """A test class derives from it and has a fixture `keys` of KeysUnderTest."""

    async def test_a_data_key_comes_back(self, keys: KeysUnderTest) -> None:
        made = await keys.keys.generate_data_key(keys.caller, keys.circumstances, keys.key, {"a": "1"})
        assert len(made.plain) == 32
        assert made.plain not in made.sealed
        opened = await keys.keys.decrypt(keys.caller, keys.circumstances, made.sealed, {"a": "1"})
        assert opened == made.plain

    async def test_every_data_key_is_another(self, keys: KeysUnderTest) -> None:
        plain = {
            (await keys.keys.generate_data_key(keys.caller, keys.circumstances, keys.key, {})).plain for _ in range(3)
        }
        assert len(plain) == 3

    async def test_another_context_or_byte_opens_nothing(self, keys: KeysUnderTest) -> None:
        made = await keys.keys.generate_data_key(keys.caller, keys.circumstances, keys.key, {"a": "1"})
        changed = made.sealed[:-1] + bytes([made.sealed[-1] ^ 1])
        for sealed, context in ((made.sealed, {"a": "2"}), (made.sealed, {}), (changed, {"a": "1"})):
            code = await self.code(keys.keys.decrypt(keys.caller, keys.circumstances, sealed, context))
            assert code == "InvalidCiphertextException"

    async def test_who_may_not_is_denied(self, keys: KeysUnderTest) -> None:
        made = await keys.keys.generate_data_key(keys.caller, keys.circumstances, keys.key, {})
        for tried in (
            keys.keys.generate_data_key(keys.stranger, keys.circumstances, keys.key, {}),
            keys.keys.decrypt(keys.stranger, keys.circumstances, made.sealed, {}),
        ):
            assert await self.code(tried) == "AccessDeniedException"

    async def test_a_key_that_is_not_there_is_not_found(self, keys: KeysUnderTest) -> None:
        tried = keys.keys.generate_data_key(keys.caller, keys.circumstances, "alias/none", {})
        assert await self.code(tried) == "NotFoundException"

    async def test_a_disabled_key_opens_nothing(self, keys: KeysUnderTest) -> None:
        made = await keys.keys.generate_data_key(keys.caller, keys.circumstances, keys.key, {})
        await keys.disable()
        for tried in (
            keys.keys.generate_data_key(keys.caller, keys.circumstances, keys.key, {}),
            keys.keys.decrypt(keys.caller, keys.circumstances, made.sealed, {}),
        ):
            assert await self.code(tried) == "DisabledException"

    async def code(self, tried: Awaitable[object]) -> str:
        with pytest.raises(MaruError) as failure:
            await tried
        return str(failure.value.details["code"])
