"""The keys that KMS gives other services pass the suite of the contract."""

from __future__ import annotations

import pytest

from maru.contracts.aws_access import Circumstances
from tests.components.aws_kms.conftest import ALICE, Kms, user
from tests.suites.aws_keys import AwsKeysSuite, KeysUnderTest


class TestServiceKeys(AwsKeysSuite):
    @pytest.fixture
    async def keys(self, kms: Kms) -> KeysUnderTest:
        key = await kms.key()
        await kms.call("CreateAlias", AliasName="alias/fake", TargetKeyId=key["KeyId"])
        eve = user("eve")
        kms.authorizer.identity[eve.arn] = []

        async def disable() -> None:
            await kms.call("DisableKey", KeyId=key["KeyId"])

        circumstances = Circumstances(kms.clock.now())
        return KeysUnderTest(kms.gives.keys, "alias/fake", ALICE, eve, circumstances, disable)
