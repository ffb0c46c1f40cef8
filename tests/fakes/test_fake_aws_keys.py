"""The fake KMS passes the suite of the real one."""

from __future__ import annotations

import pytest

from maru.contracts.aws_access import Circumstances
from tests.components.aws_kms.conftest import user
from tests.fakes.aws_keys import FakeAwsKeys
from tests.fakes.clock import START
from tests.suites.aws_keys import AwsKeysSuite, KeysUnderTest


class TestFakeAwsKeys(AwsKeysSuite):
    @pytest.fixture
    def keys(self) -> KeysUnderTest:
        fake = FakeAwsKeys()
        fake.denied.add(user("eve").arn)

        async def disable() -> None:
            fake.disabled.add(fake.arn)

        return KeysUnderTest(fake, "alias/fake", user("alice"), user("eve"), Circumstances(START), disable)
