"""CORS: preflights answered by a bucket's rules, and the headers on answers to pages of other origins.

Source: Amazon S3 User Guide, "How does Amazon S3 evaluate the CORS configuration on a bucket?"
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from maru.components.aws_s3.api.reach import Reach
from maru.components.aws_s3.errors import refusal
from maru.components.aws_s3.model.cors import headers_for
from maru.contracts.aws_service import BODY, HEADERS, STATUS, AwsCall, AwsOperation, Members
from maru.core.errors import MaruError

_SETTING = "CORSConfiguration"


class Cors:
    """Preflights, and the wrapping of every other operation."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        return {"Options": AwsOperation(self.preflight)}

    async def preflight(self, call: AwsCall) -> Members:
        """OPTIONS: may a page of that origin ask this?"""
        origin, method = call.headers.get("origin"), call.headers.get("access-control-request-method")
        if not origin:
            raise refusal("BadRequest", "Insufficient information. Origin request header needed.")
        if method not in ("GET", "PUT", "HEAD", "POST", "DELETE"):
            raise refusal("BadRequest", f"Invalid Access-Control-Request-Method: {method or 'null'}")
        bucket = self._reach.find(str(call.parameters.get("Bucket") or ""))
        setting = bucket.setting(_SETTING) if bucket is not None else None
        kind = "OBJECT" if call.parameters.get("Key") else "BUCKET"
        if setting is None:
            raise refusal(
                "AccessForbidden",
                "CORSResponse: CORS is not enabled for this bucket.",
                Method=method,
                ResourceType=kind,
            )
        asked = call.headers.get("access-control-request-headers", "")
        wanted = [header.strip() for header in asked.split(",") if header.strip()]
        headers = headers_for(setting["CORSRules"], origin, method, wanted, is_preflight=True)
        if headers is None:
            raise refusal("AccessForbidden", Method=method, ResourceType=kind)
        return {STATUS: 200, BODY: b"", HEADERS: dict(headers)}

    def around(self, operation: AwsOperation) -> AwsOperation:
        """The operation, with CORS headers on what it answers to a request that names its origin."""
        perform = operation.perform

        async def performed(call: AwsCall) -> Members:
            if "origin" not in call.headers:
                return await perform(call)
            return await self._with_headers(call, perform)

        return replace(operation, perform=performed)

    async def _with_headers(self, call: AwsCall, perform: Callable[[AwsCall], Awaitable[Members]]) -> Members:
        headers = self._headers(call)
        try:
            answer = await perform(call)
        except MaruError as error:
            error.details["headers"] = {**error.details.get("headers", {}), **headers}
            raise
        if headers:
            answer[HEADERS] = {**answer.get(HEADERS, {}), **headers}
        return answer

    def _headers(self, call: AwsCall) -> Mapping[str, str]:
        bucket = self._reach.find(str(call.parameters.get("Bucket") or ""))
        setting = bucket.setting(_SETTING) if bucket is not None else None
        if setting is None:
            return {}
        return headers_for(setting["CORSRules"], call.headers["origin"], call.method) or {}
