"""Who is asking, and whose key is this. Source: STS API reference, GetCallerIdentity, GetAccessKeyInfo."""

from __future__ import annotations

from collections.abc import Mapping

from maru.components.aws_iam.errors import validation
from maru.components.aws_iam.model.identifiers import account_of_key
from maru.contracts.aws_access import Question
from maru.contracts.aws_service import AwsCall, AwsOperation, Members


class Identity:
    """See the module."""

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        return {
            "GetCallerIdentity": AwsOperation(self.caller),
            "GetAccessKeyInfo": AwsOperation(self.key_info, lambda call: (Question("sts:GetAccessKeyInfo"),)),
        }

    async def caller(self, call: AwsCall) -> Members:
        return {"UserId": call.caller.user_id, "Account": call.account, "Arn": call.caller.arn}

    async def key_info(self, call: AwsCall) -> Members:
        wanted = call.parameters["AccessKeyId"]
        account = account_of_key(wanted)
        if not account:
            raise validation("Invalid type for Access Key ID.")
        return {"Account": account}
