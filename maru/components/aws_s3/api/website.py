"""Websites: pages for browsers out of a bucket, its index and error documents, its redirects.

Requests are anonymous; what they may read, the bucket's policy and ACLs say.
Source: Amazon S3 User Guide, "Hosting a static website using Amazon S3".
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from maru.components.aws_s3.api.gets import Gets
from maru.components.aws_s3.api.reach import Reach
from maru.components.aws_s3.errors import code_of, refusal
from maru.components.aws_s3.model import website
from maru.components.aws_s3.model.bucket import Bucket
from maru.contracts.aws_service import BODY, HEADERS, STATUS, AwsCall, AwsOperation, Members
from maru.core.document import Value
from maru.core.errors import MaruError

_HTML = "text/html; charset=utf-8"


class Website:
    """The website endpoint."""

    def __init__(self, reach: Reach, gets: Gets) -> None:
        self._reach = reach
        self._gets = gets

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        return {"GetWebsite": AwsOperation(self.get), "HeadWebsite": AwsOperation(self.get)}

    async def get(self, call: AwsCall) -> Members:
        """A page, a redirect, or an error's page."""
        path = str(call.parameters.get("Key") or "")
        try:
            bucket, setting = self._site(call)
        except MaruError as error:
            return _failed(call, error)
        everything = setting.get("RedirectAllRequestsTo")
        if everything is not None:
            return _moved(301, website.location_of(everything, path))
        redirect = website.redirect_of(setting, path)
        if redirect is not None:
            return _moved(*redirect)
        suffix = setting["IndexDocument"]["Suffix"]
        try:
            return await self._page(call, bucket, website.key_of(path, suffix))
        except MaruError as error:
            if path and not path.endswith("/") and await self._is_there(call, bucket, f"{path}/{suffix}"):
                return _moved(302, website.location_of({}, path + "/"))
            return await self._error(call, bucket, setting, error)

    def _site(self, call: AwsCall) -> tuple[Bucket, Value]:
        bucket = self._reach.bucket(call)
        setting = bucket.setting("WebsiteConfiguration")
        if setting is None:
            raise refusal("NoSuchWebsiteConfiguration", BucketName=bucket.name)
        return bucket, setting

    async def _page(self, call: AwsCall, bucket: Bucket, key: str, status: int = 200) -> Members:
        parameters: Members = {"Bucket": bucket.name, "Key": key}
        if status == 200:
            parameters |= _conditions(call)
        answer = await self._gets.get(replace(call, parameters=parameters))
        if answer.get("WebsiteRedirectLocation"):
            return _moved(301, str(answer["WebsiteRedirectLocation"]))
        headers = {
            "Content-Type": str(answer.get("ContentType") or "binary/octet-stream"),
            "Content-Length": str(answer["ContentLength"]),
            "ETag": str(answer["ETag"]),
            "Last-Modified": answer["LastModified"].strftime("%a, %d %b %Y %H:%M:%S GMT"),
        }
        for name, header in (
            ("CacheControl", "Cache-Control"),
            ("ContentDisposition", "Content-Disposition"),
            ("ContentEncoding", "Content-Encoding"),
            ("ContentLanguage", "Content-Language"),
            ("ContentRange", "Content-Range"),
        ):
            if answer.get(name):
                headers[header] = str(answer[name])
        shown = answer.get(STATUS, status) if status == 200 else status
        body = b"" if call.method == "HEAD" else answer["Body"]
        return {STATUS: shown, HEADERS: headers | answer.get(HEADERS, {}), BODY: body}

    async def _is_there(self, call: AwsCall, bucket: Bucket, key: str) -> bool:
        try:
            await self._gets.find(replace(call, parameters={"Bucket": bucket.name, "Key": key}), bucket)
        except MaruError:
            return False
        return True

    async def _error(self, call: AwsCall, bucket: Bucket, setting: Value, error: MaruError) -> Members:
        status = int(error.details.get("status", 500))
        if status == 304:
            return {STATUS: 304, HEADERS: error.details.get("headers", {}), BODY: b""}
        redirect = website.redirect_of(setting, str(call.parameters.get("Key") or ""), status)
        if redirect is not None:
            return _moved(*redirect)
        document = (setting.get("ErrorDocument") or {}).get("Key")
        if document and status // 100 == 4:
            try:
                return await self._page(call, bucket, document, status)
            except MaruError:
                return _failed(call, error)
        return _failed(call, error)


def _conditions(call: AwsCall) -> Members:
    headers = call.headers
    asked = {
        "Range": headers.get("range"),
        "IfMatch": headers.get("if-match"),
        "IfNoneMatch": headers.get("if-none-match"),
    }
    return {name: value for name, value in asked.items() if value}


def _moved(status: int, location: str) -> Members:
    return {STATUS: status, HEADERS: {"Location": location, "Content-Length": "0"}, BODY: b""}


def _failed(call: AwsCall, error: MaruError) -> Members:
    status = int(error.details.get("status", 500))
    facts = {**error.details.get("members", {}), "RequestId": call.request_id, "HostId": call.request_id}
    page = website.error_page(status, code_of(error), error.what, facts)
    headers = {"Content-Type": _HTML, "Content-Length": str(len(page))}
    return {STATUS: status, HEADERS: headers, BODY: b"" if call.method == "HEAD" else page}
