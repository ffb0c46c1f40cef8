"""PutObject: headers to a draft, the body to the disk, both to the index in one change.

Source: Amazon S3 API reference, PutObject.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from msgspec import structs

from maru.components.aws_s3.api.reach import Reach, Subject
from maru.components.aws_s3.api.sealing import Sealing, told
from maru.components.aws_s3.engine.contents import Written
from maru.components.aws_s3.engine.digests import Digests
from maru.components.aws_s3.engine.versions import Draft, Place
from maru.components.aws_s3.errors import bad_argument, refusal
from maru.components.aws_s3.model import acl, draft_headers, lifecycle, locks
from maru.components.aws_s3.model.bucket import Bucket
from maru.components.aws_s3.model.conditions import check_write, check_write_headers
from maru.components.aws_s3.model.entry import About, Encryption
from maru.contracts.aws_access import Fact
from maru.contracts.aws_service import AwsCall, AwsOperation, Members

PUT_BYTES_MAX = 5 * 1024**3


@dataclass(frozen=True, slots=True)
class Taken:
    """A body that was taken in. checksums: all that were computed; etag: of the plain bytes."""

    written: Written
    etag: str
    checksums: dict[str, str]


class Puts:
    """Writes of whole objects; the form upload uses `store` too."""

    def __init__(self, reach: Reach, sealing: Sealing) -> None:
        self._reach = reach
        self._sealing = sealing

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        return {"PutObject": AwsOperation(self.put)}

    async def put(self, call: AwsCall) -> Members:
        """PutObject."""
        bucket = self._reach.bucket(call)
        place = self._reach.place(call, bucket)
        check_write_headers(call.parameters)
        if call.parameters.get("WriteOffsetBytes") is not None:
            raise refusal("NotImplemented", Header="x-amz-write-offset-bytes")
        require_write(self._reach, call, bucket, place.key)
        if call.body_bytes > PUT_BYTES_MAX:
            raise refusal("EntityTooLarge", ProposedSize=call.body_bytes, MaxSizeAllowed=PUT_BYTES_MAX)
        return await self.store(call, bucket, place, body_of(call))

    async def store(self, call: AwsCall, bucket: Bucket, place: Place, pieces: AsyncIterator[bytes]) -> Members:
        """Take in the body and put the object there; access was asked before."""
        about = about_of_request(self._reach, call, bucket)
        seal = await self._sealing.for_write(call, bucket, place.key)
        taken = await take_in(self._reach, call, pieces, seal.data_key)
        segment = taken.written.segment
        about = _with_content(about, taken, seal.encryption)
        etag = taken.etag if seal.encryption.kind == "AES256" else self._reach.ids.uid().replace("-", "")
        draft = Draft(
            segment.size_bytes, etag, about, self._reach.depot.now_ms(), fresh=((segment, taken.written.inline),)
        )
        version_id = await self._reach.depot.put(
            place, bucket.spec.versioning, draft, lambda before: check_write(before, call.parameters)
        )
        rules = (bucket.setting(lifecycle.SETTING) or {}).get("Rules", ())
        thing = lifecycle.Thing(place.key, draft.size_bytes, about.tags, draft.modified_ms)
        expiration = lifecycle.expiration_of(rules, thing, self._reach.config.lifecycle_day_s) if rules else None
        answer: Members = {"ETag": f'"{etag}"', **told(seal.encryption), "ChecksumType": about.checksum_type or None}
        answer |= {f"Checksum{name}": value for name, value in about.checksums.items()}
        answer["Expiration"] = lifecycle.expiration_header(expiration)
        if bucket.spec.versioning:
            answer["VersionId"] = version_id
        return answer


def require_write(reach: Reach, call: AwsCall, bucket: Bucket, key: str) -> None:
    """What a write of an object must be allowed: s3:PutObject, and more for tags, ACLs and locks it brings."""
    parameters = call.parameters
    subject = Subject(bucket, key)
    facts: dict[str, Fact] = {}
    tags = draft_headers.tags_of_header(parameters.get("Tagging"))
    if tags:
        facts = {f"s3:RequestObjectTag/{name}": value for name, value in tags.items()}
        facts["s3:RequestObjectTagKeys"] = tuple(tags)
    reach.require(call, "s3:PutObject", subject, facts)
    if tags:
        reach.require(call, "s3:PutObjectTagging", subject, facts)
    if parameters.get("ACL") or acl.from_headers(parameters):
        reach.require(call, "s3:PutObjectAcl", subject)
    if parameters.get("ObjectLockMode"):
        reach.require(call, "s3:PutObjectRetention", subject)
    if parameters.get("ObjectLockLegalHoldStatus"):
        reach.require(call, "s3:PutObjectLegalHold", subject)


def about_of_request(reach: Reach, call: AwsCall, bucket: Bucket) -> About:
    """All a request tells about the object to come, but its content."""
    parameters = call.parameters
    owner = call.account if bucket.has_acls and call.account else bucket.account
    if bucket.ownership == "BucketOwnerPreferred" and parameters.get("ACL") == "bucket-owner-full-control":
        owner = bucket.account
    retention, hold = locks.of_request(parameters, bucket, reach.depot.now())
    return About(
        owner,
        headers=draft_headers.system_headers(parameters, call.headers),
        metadata=draft_headers.user_metadata(parameters),
        storage_class=draft_headers.storage_class(parameters),
        tags=draft_headers.tags_of_header(parameters.get("Tagging")),
        grants=grants_of_request(parameters, bucket, owner),
        retention=retention,
        legal_hold=hold,
        redirect=draft_headers.redirect_location(parameters),
    )


def grants_of_request(parameters: Mapping[str, object], bucket: Bucket, owner: str) -> acl.Grants | None:
    """The grants an object's request brings; None for the owner's alone. Raises as S3 where ACLs are off or blocked."""
    name = parameters.get("ACL")
    grants = acl.from_headers(parameters)
    if name is None and not grants:
        return None
    if name is not None and grants:
        raise refusal("InvalidRequest", "Specifying both Canned ACLs and Header Grants is not allowed")
    if name is not None and name not in acl.OBJECT_CANNED:
        raise bad_argument("", "x-amz-acl", name)
    if not bucket.has_acls:
        if name == "bucket-owner-full-control":
            return None
        raise refusal("AccessControlListNotSupported")
    grants = grants or acl.canned(str(name), owner, bucket.account)
    if acl.is_public(grants) and bucket.blocks("BlockPublicAcls"):
        raise refusal("AccessDenied")
    return grants


def body_of(call: AwsCall) -> AsyncIterator[bytes]:
    """The request's body."""
    if call.body is not None:
        return call.body
    given = call.parameters.get("Body")
    return _pieces(given if isinstance(given, bytes) else b"")


async def take_in(
    reach: Reach,
    call: AwsCall,
    pieces: AsyncIterator[bytes],
    data_key: bytes,
    usual: str = draft_headers.DEFAULT_ALGORITHM,
) -> Taken:
    """Write a body down and check it against what the request says of it.

    usual: the checksum that is computed where the request brings and asks for none; "" for none.
    """
    given = draft_headers.given_checksums(call.parameters)
    announced = draft_headers.announced_algorithm(call.parameters, call.headers)
    md5 = draft_headers.content_md5(call.parameters)
    algorithms = [*given] or [name for name in (announced or usual,) if name]
    digests = Digests(algorithms)
    written = await reach.depot.write(pieces, data_key, digests)
    computed = digests.checksums()
    try:
        if md5 is not None and md5 != digests.md5():
            computed_md5 = base64.b64encode(digests.md5()).decode()
            raise refusal("BadDigest", ExpectedDigest=md5.hex(), CalculatedDigest=computed_md5)
        for name, value in given.items():
            if computed[name] != value:
                raise refusal("BadDigest", f"The {name} you specified did not match the calculated checksum.")
    except BaseException:
        reach.depot.give_up(written)
        raise
    return Taken(written, digests.md5().hex(), computed)


def _with_content(about: About, taken: Taken, encryption: Encryption) -> About:
    return structs.replace(
        about,
        segments=(taken.written.segment,),
        checksums=taken.checksums,
        checksum_type="FULL_OBJECT" if taken.checksums else "",
        encryption=encryption,
    )


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    if content:
        yield content
