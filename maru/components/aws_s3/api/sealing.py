"""Encryption of objects: which kind a request or a bucket asks for, and the data key it gives.

SSE-S3 derives from a key that is sealed at rest; SSE-KMS asks the key service as the caller would, with the
context that AWS uses; SSE-C takes the customer's key and keeps no more than a check of it.
Source: Amazon S3 User Guide, "Protecting data with encryption"; KMS Developer Guide, "S3 encryption context".
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from maru.components.aws_s3.errors import bad_argument, refusal
from maru.components.aws_s3.model.bucket import Bucket
from maru.components.aws_s3.model.entry import Encryption
from maru.components.aws_s3.model.names import arn_of
from maru.contracts.aws_access import AwsCaller
from maru.contracts.aws_keys import AwsKeys
from maru.contracts.aws_service import AwsCall
from maru.core.document import Value
from maru.core.errors import Denied, MaruError

_CONTEXT = "aws:s3:arn"
_ALGORITHM = "x-amz-server-side-encryption-customer-algorithm"
_KEY = "x-amz-server-side-encryption-customer-key"
_INCOMPATIBLE = "Server Side Encryption with Customer provided key is incompatible with the encryption method specified"
_NEEDS_KMS = (
    "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms"
)
_NOT_ASKED = (
    "The multipart upload initiate did not request encryption. Please resend the request without sending "
    "encryption parameters."
)
_ONLY_AES = "The Encryption request you specified is not valid. Supported value: AES256."
_CONTEXT_FORM = (
    "The header 'x-amz-server-side-encryption-context' shall be Base64-encoded UTF-8 string holding JSON which "
    "represents a string-string map"
)
_WITH_KEY = "Requests specifying Server Side Encryption with Customer provided keys must provide"


@dataclass(frozen=True, slots=True)
class Seal:
    """How an object is to be encrypted, and the key (32 bytes) to do it with."""

    encryption: Encryption
    data_key: bytes


class Sealing:
    """master: 32 bytes, for SSE-S3. keys: the key service, where there is one."""

    def __init__(self, master: bytes, keys: Sequence[AwsKeys]) -> None:
        self._master = master
        self._keys = keys

    def own(self) -> Seal:
        """SSE-S3, which S3 writes its own objects with."""
        return Seal(Encryption(), self._master)

    async def for_write(self, call: AwsCall, bucket: Bucket, key: str) -> Seal:
        """What the request asks for, or the bucket's default."""
        customer = _customer_key(call.parameters)
        kind, key_id = call.parameters.get("ServerSideEncryption"), call.parameters.get("SSEKMSKeyId")
        if customer is not None:
            if kind is not None:
                raise bad_argument(_INCOMPATIBLE, "x-amz-server-side-encryption", kind)
            md5 = base64.b64encode(hashlib.md5(customer, usedforsecurity=False).digest()).decode()
            return Seal(Encryption("customer", customer_md5=md5, check=_check(customer)), customer)
        if kind is None and key_id is not None:
            raise bad_argument(_NEEDS_KMS, "x-amz-server-side-encryption", "")
        default = _default(bucket)
        if kind is None:
            kind, key_id = default.get("SSEAlgorithm", "AES256"), default.get("KMSMasterKeyID")
        if kind == "AES256":
            if call.parameters.get("SSEKMSKeyId") is not None:
                raise bad_argument(_NEEDS_KMS, "x-amz-server-side-encryption", kind)
            return Seal(Encryption(), self._master)
        if kind not in ("aws:kms", "aws:kms:dsse"):
            text = "The encryption method specified is not supported"
            raise bad_argument(text, "x-amz-server-side-encryption", kind)
        return await self._under_key(call, bucket, key, (kind, key_id or "alias/aws/s3"))

    async def for_part(self, call: AwsCall, encryption: Encryption, bucket: Bucket) -> bytes:
        """The data key of an upload that has begun; a part brings a customer's key again."""
        if encryption.kind == "customer":
            customer = _customer_key(call.parameters)
            if customer is None:
                text = (
                    "The multipart upload initiate requested encryption. Subsequent part requests must include the "
                    "appropriate encryption parameters."
                )
                raise refusal("InvalidRequest", text)
            if not hmac.compare_digest(_check(customer), encryption.check):
                text = "The provided encryption parameters did not match the ones used originally."
                raise refusal("InvalidRequest", text)
            return customer
        if call.parameters.get("SSECustomerKey") is not None:
            raise refusal("InvalidRequest", _NOT_ASKED)
        return await self.data_key(call, encryption, bucket)

    async def for_read(self, call: AwsCall, encryption: Encryption, bucket: Bucket, prefix: str = "") -> bytes:
        """The data key of an object that is read. prefix: CopySource for the source of a copy."""
        customer = _customer_key(call.parameters, prefix)
        if encryption.kind != "customer":
            if customer is not None:
                raise refusal("InvalidRequest", "The encryption parameters are not applicable to this object.")
            return await self.data_key(call, encryption, bucket)
        if customer is None:
            text = (
                "The object was stored using a form of Server Side Encryption. The correct parameters must be "
                "provided to retrieve the object."
            )
            raise refusal("InvalidRequest", text)
        if not hmac.compare_digest(_check(customer), encryption.check):
            raise refusal("AccessDenied", f"{_WITH_KEY} the correct secret key.")
        return customer

    async def data_key(self, call: AwsCall, encryption: Encryption, bucket: Bucket) -> bytes:
        """Of SSE-S3 and SSE-KMS."""
        if encryption.kind == "AES256":
            return self._master
        try:
            return await self._service().decrypt(
                _via(call, bucket), call.circumstances, encryption.sealed, encryption.context
            )
        except MaruError as error:
            raise _of_keys(error) from error

    def check_head(self, call: AwsCall, encryption: Encryption) -> None:
        """A HEAD shows what is encrypted with a customer's key only to who brings it."""
        customer = _customer_key(call.parameters)
        if encryption.kind == "customer" and customer is None:
            text = (
                "The object was stored using a form of Server Side Encryption. The correct parameters must be "
                "provided to retrieve the object."
            )
            raise refusal("InvalidRequest", text)
        if encryption.kind == "customer" and not hmac.compare_digest(_check(customer or b""), encryption.check):
            raise refusal("AccessDenied", f"{_WITH_KEY} the correct secret key.")
        if encryption.kind != "customer" and customer is not None:
            raise refusal("InvalidRequest", "The encryption parameters are not applicable to this object.")

    async def _under_key(self, call: AwsCall, bucket: Bucket, key: str, asked: tuple[str, str]) -> Seal:
        kind, key_id = asked
        wants = call.parameters.get("BucketKeyEnabled")
        has_bucket_key = bool(_rule(bucket).get("BucketKeyEnabled")) if wants is None else bool(wants)
        has_bucket_key = has_bucket_key and kind == "aws:kms"
        context = {_CONTEXT: arn_of(bucket.name, None if has_bucket_key else key)}
        context = _context_of(call.parameters.get("SSEKMSEncryptionContext")) | context
        try:
            made = await self._service().generate_data_key(_via(call, bucket), call.circumstances, key_id, context)
        except MaruError as error:
            raise _of_keys(error, key_id) from error
        encryption = Encryption(
            kind, key_arn=made.key_arn, sealed=made.sealed, context=context, has_bucket_key=has_bucket_key
        )
        return Seal(encryption, made.plain)

    def _service(self) -> AwsKeys:
        if not self._keys:
            raise refusal("NotImplemented", "There is no key service on this platform.")
        return self._keys[-1]


def told(encryption: Encryption) -> Value:
    """The members that answers show of it."""
    if encryption.kind == "customer":
        return {"SSECustomerAlgorithm": "AES256", "SSECustomerKeyMD5": encryption.customer_md5}
    members: Value = {"ServerSideEncryption": encryption.kind}
    if encryption.kind != "AES256":
        members["SSEKMSKeyId"] = encryption.key_arn
        if encryption.has_bucket_key:
            members["BucketKeyEnabled"] = True
    return members


def _default(bucket: Bucket) -> Mapping[str, str]:
    return _rule(bucket).get("ApplyServerSideEncryptionByDefault") or {}  # type: ignore[return-value] # members of S3's


def _rule(bucket: Bucket) -> Mapping[str, object]:
    setting = bucket.setting("ServerSideEncryptionConfiguration")
    return setting["Rules"][0] if setting else {}


def _customer_key(parameters: Mapping[str, object], prefix: str = "") -> bytes | None:
    algorithm, key, md5 = (parameters.get(f"{prefix}SSECustomer{name}") for name in ("Algorithm", "Key", "KeyMD5"))
    if algorithm is None and key is None and md5 is None:
        return None
    if algorithm is None:
        raise bad_argument(f"{_WITH_KEY} a valid encryption algorithm.", _ALGORITHM, "null")
    if algorithm != "AES256":
        raise refusal(
            "InvalidEncryptionAlgorithmError",
            _ONLY_AES,
            ArgumentName=_ALGORITHM,
            ArgumentValue=algorithm,
        )
    if key is None:
        raise bad_argument(f"{_WITH_KEY} an appropriate secret key.", _KEY, "null")
    if md5 is None:
        raise bad_argument(f"{_WITH_KEY} the client calculated MD5 of the secret key.", f"{_KEY}-MD5", "null")
    try:
        plain = base64.b64decode(str(key), validate=True)
    except binascii.Error:
        plain = b""
    if len(plain) != 32:
        raise bad_argument("The secret key was invalid for the specified algorithm.", _KEY, "")
    if base64.b64encode(hashlib.md5(plain, usedforsecurity=False).digest()).decode() != md5:
        text = "The calculated MD5 hash of the key did not match the hash that was provided."
        raise bad_argument(text, f"{_KEY}-MD5", md5)
    return plain


def _check(customer: bytes) -> str:
    return hmac.new(customer, b"a customer's key", "sha256").hexdigest()


def _context_of(text: object) -> dict[str, str]:
    if text is None:
        return {}
    try:
        return msgspec.json.decode(base64.b64decode(str(text)), type=dict[str, str])
    except (msgspec.MsgspecError, binascii.Error, UnicodeDecodeError) as error:
        raise bad_argument(_CONTEXT_FORM, "x-amz-server-side-encryption-context", "") from error


def _via(call: AwsCall, bucket: Bucket) -> AwsCaller:
    return replace(call.caller, via=f"s3.{bucket.spec.region}.amazonaws.com")


def _of_keys(error: MaruError, key_id: str = "") -> MaruError:
    """A refusal of the key service as S3 passes it on."""
    code = str(error.details.get("code", "InternalFailure"))
    if isinstance(error, Denied):
        return refusal("AccessDenied", error.what)
    text = (
        f"Invalid keyId '{key_id}'"
        if code == "NotFoundException" and key_id and not key_id.startswith("arn:")
        else error.what
    )
    passed = refusal("InvalidRequest", text)
    passed.details["code"] = f"KMS.{code}"
    return passed
