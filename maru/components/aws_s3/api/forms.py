"""PostObject: a browser's form puts an object, as far as the policy in it allows, for whoever signed it.

Source: Amazon S3 API reference, "POST Object", "Authenticating requests in browser-based uploads".
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Mapping
from datetime import datetime
from urllib.parse import quote
from xml.etree.ElementTree import ParseError
from xml.sax.saxutils import escape

from msgspec.structs import replace

from maru.components.aws_s3.api.puts import Puts, require_write
from maru.components.aws_s3.api.reach import Reach
from maru.components.aws_s3.errors import bad_argument, refusal
from maru.components.aws_s3.model import draft_headers, forms
from maru.components.aws_s3.model.forms import Form, SizeRange
from maru.components.aws_s3.model.tag_xml import tags_of_xml
from maru.contracts.aws_access import ANONYMOUS, AwsCaller, AwsCredentials
from maru.contracts.aws_service import BODY, HEADERS, STATUS, AwsCall, AwsOperation, Members
from maru.core.errors import MaruError, Unauthenticated

_PARAMETERS = {
    "acl": "ACL",
    "cache-control": "CacheControl",
    "content-disposition": "ContentDisposition",
    "content-encoding": "ContentEncoding",
    "content-language": "ContentLanguage",
    "content-type": "ContentType",
    "x-amz-storage-class": "StorageClass",
    "x-amz-website-redirect-location": "WebsiteRedirectLocation",
    "x-amz-server-side-encryption": "ServerSideEncryption",
    "x-amz-server-side-encryption-aws-kms-key-id": "SSEKMSKeyId",
    "x-amz-server-side-encryption-context": "SSEKMSEncryptionContext",
    "x-amz-server-side-encryption-customer-algorithm": "SSECustomerAlgorithm",
    "x-amz-server-side-encryption-customer-key": "SSECustomerKey",
    "x-amz-server-side-encryption-customer-key-md5": "SSECustomerKeyMD5",
    "content-md5": "ContentMD5",
    "x-amz-object-lock-mode": "ObjectLockMode",
    "x-amz-object-lock-legal-hold": "ObjectLockLegalHoldStatus",
    "x-amz-checksum-algorithm": "ChecksumAlgorithm",
}
_META = "x-amz-meta-"
_RETAIN_UNTIL = "x-amz-object-lock-retain-until-date"


class Forms:
    """Form uploads."""

    def __init__(self, reach: Reach, puts: Puts, credentials: AwsCredentials) -> None:
        self._reach = reach
        self._puts = puts
        self._credentials = credentials

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        return {"PostObject": AwsOperation(self.post)}

    async def post(self, call: AwsCall) -> Members:
        """POST of a form to a bucket."""
        bucket = self._reach.bucket(call)
        boundary = forms.boundary_of(call.headers.get("content-type", ""))
        if call.body is None:
            raise refusal("MalformedPOSTRequest")
        form = await forms.read_form(call.body, boundary)
        if "key" not in form.fields:
            raise _lacking("key")
        caller, sizes = self._signer(call, form, bucket.name)
        key = form.fields["key"].replace("${filename}", form.file_name)
        parameters = _parameters(form, bucket.name, key)
        headers = {"expires": form.fields["expires"]} if "expires" in form.fields else {}
        put = replace(call, parameters=parameters, caller=caller, headers=headers, body=None)
        place = self._reach.place(put, bucket)
        require_write(self._reach, put, bucket, key)
        answer = await self._puts.store(put, bucket, place, forms.within(form.file, sizes))
        return _told(call, form, bucket.name, key, answer)

    def _signer(self, call: AwsCall, form: Form, bucket: str) -> tuple[AwsCaller, SizeRange]:
        """Who signed the policy, and the sizes it allows; nobody and any size without one."""
        fields = form.fields
        text = fields.get("policy")
        if text is None:
            if "x-amz-signature" in fields or "signature" in fields:
                raise bad_argument("Bucket POST must contain a field named 'policy'.", "policy", "")
            return ANONYMOUS, SizeRange()
        access_key, signature, key_of = _claimed(fields)
        try:
            credential = self._credentials.find(access_key, fields.get("x-amz-security-token", ""))
        except Unauthenticated as error:
            code = str(error.details.get("code", ""))
            if code == "ExpiredToken":
                raise refusal("ExpiredToken") from error
            raise refusal("InvalidAccessKeyId", AWSAccessKeyId=access_key) from error
        if not hmac.compare_digest(key_of(credential.secret, text), signature):
            raise refusal("SignatureDoesNotMatch", AWSAccessKeyId=access_key, SignatureProvided=signature)
        policy = forms.checked_policy(text, self._reach.depot.now())
        return credential.caller, forms.check_conditions(policy, fields, bucket)


def _claimed(fields: Mapping[str, str]) -> tuple[str, str, Callable[[str, str], str]]:
    """The access key, the signature, and how it comes from a secret and the policy's text."""
    if "x-amz-signature" in fields:
        if fields.get("x-amz-algorithm") != "AWS4-HMAC-SHA256":
            raise bad_argument('X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"', "x-amz-algorithm", "")
        scope = fields.get("x-amz-credential", "").split("/")
        if len(scope) != 5 or scope[4] != "aws4_request":
            raise refusal("AuthorizationQueryParametersError")

        def four(secret: str, text: str) -> str:
            key = ("AWS4" + secret).encode()
            for part in scope[1:]:
                key = hmac.digest(key, part.encode(), "sha256")
            return hmac.digest(key, text.encode(), "sha256").hex()

        return scope[0], fields["x-amz-signature"], four
    if "awsaccesskeyid" not in fields:
        raise _lacking("AWSAccessKeyId")
    if "signature" not in fields:
        raise _lacking("Signature")

    def two(secret: str, text: str) -> str:
        return base64.b64encode(hmac.digest(secret.encode(), text.encode(), "sha1")).decode()

    return fields["awsaccesskeyid"], fields["signature"], two


def _lacking(field: str) -> MaruError:
    text = (
        f"Bucket POST must contain a field named '{field}'.  If it is specified, please check the order of the fields."
    )
    return bad_argument(text, field, "")


def _parameters(form: Form, bucket: str, key: str) -> Members:
    fields = form.fields
    parameters: Members = {"Bucket": bucket, "Key": key}
    parameters |= {name: fields[field] for field, name in _PARAMETERS.items() if field in fields}
    parameters["Metadata"] = {
        field.removeprefix(_META): value for field, value in fields.items() if field.startswith(_META)
    }
    for name in draft_headers.ALGORITHMS:
        if f"x-amz-checksum-{name.lower()}" in fields:
            parameters[f"Checksum{name}"] = fields[f"x-amz-checksum-{name.lower()}"]
    if _RETAIN_UNTIL in fields:
        try:
            parameters["ObjectLockRetainUntilDate"] = datetime.fromisoformat(fields[_RETAIN_UNTIL])
        except ValueError as error:
            text = "The retain until date must be provided in ISO 8601 format"
            raise bad_argument(text, _RETAIN_UNTIL, fields[_RETAIN_UNTIL]) from error
    if "tagging" in fields:
        try:
            parameters["Tagging"] = tags_of_xml(fields["tagging"])
        except ParseError as error:
            raise refusal("MalformedXML") from error
    return parameters


def _told(call: AwsCall, form: Form, bucket: str, key: str, answer: Members) -> Members:
    etag = str(answer["ETag"])
    location = f"http://{call.host or 's3.amazonaws.com'}/{bucket}/{quote(key, safe='~')}"
    headers = {"ETag": etag, "Location": location}
    for name, header in (("VersionId", "x-amz-version-id"), ("ServerSideEncryption", "x-amz-server-side-encryption")):
        if answer.get(name):
            headers[header] = str(answer[name])
    redirect = form.fields.get("success_action_redirect") or form.fields.get("redirect")
    if redirect and redirect.startswith(("http://", "https://")):
        joint = "&" if "?" in redirect else "?"
        query = f"bucket={quote(bucket, safe='')}&key={quote(key, safe='')}&etag={quote(etag, safe='')}"
        return {STATUS: 303, HEADERS: headers | {"Location": f"{redirect}{joint}{query}"}, BODY: b""}
    wanted = form.fields.get("success_action_status")
    if wanted != "201":
        return {STATUS: 200 if wanted == "200" else 204, HEADERS: headers, BODY: b""}
    page = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<PostResponse><Location>{escape(location)}</Location><Bucket>{escape(bucket)}</Bucket>"
        f"<Key>{escape(key)}</Key><ETag>{escape(etag)}</ETag></PostResponse>"
    ).encode()
    return {STATUS: 201, HEADERS: headers | {"Content-Type": "application/xml"}, BODY: page}
