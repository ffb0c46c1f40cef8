"""CopyObject and UploadPartCopy: the same content under another name.

It is shared where both stand under the same key, else read and written anew.

Source: Amazon S3 API reference, CopyObject and UploadPartCopy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from msgspec import structs

from maru.components.aws_s3.api.gets import Gets
from maru.components.aws_s3.api.lists import moment_of
from maru.components.aws_s3.api.multipart import part_number
from maru.components.aws_s3.api.puts import about_of_request, require_write, take_in
from maru.components.aws_s3.api.reach import Reach, Subject
from maru.components.aws_s3.api.sealing import Seal, Sealing, told
from maru.components.aws_s3.engine.depot import Found
from maru.components.aws_s3.engine.uploads import Part, PartFacts
from maru.components.aws_s3.engine.versions import Draft
from maru.components.aws_s3.errors import bad_argument, refusal
from maru.components.aws_s3.model import archives, draft_headers
from maru.components.aws_s3.model.bucket import Bucket
from maru.components.aws_s3.model.conditions import check_read, check_write, check_write_headers, copy_span_of
from maru.components.aws_s3.model.entry import About, Encryption
from maru.contracts.aws_service import AwsCall, AwsOperation, Members

COPY_BYTES_MAX = 5 * 1024**3
_SOURCE = "CopySource"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a copy comes from."""

    bucket: Bucket
    found: Found
    version_id: str


class Copies:
    """Copies within the service."""

    def __init__(self, reach: Reach, sealing: Sealing, gets: Gets) -> None:
        self._reach = reach
        self._sealing = sealing
        self._gets = gets

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        return {"CopyObject": AwsOperation(self.copy), "UploadPartCopy": AwsOperation(self.copy_part)}

    async def copy(self, call: AwsCall) -> Members:
        """CopyObject."""
        bucket = self._reach.bucket(call)
        place = self._reach.place(call, bucket)
        check_write_headers(call.parameters)
        source = await self._source(call)
        version = source.found.version
        check_read(version, call.parameters, _SOURCE, is_copy=True)
        if version.size_bytes > COPY_BYTES_MAX:
            text = "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120"
            raise refusal("InvalidRequest", text)
        require_write(self._reach, call, bucket, place.key)
        is_same = source.bucket.id == bucket.id and version.key == place.key
        if is_same and not source.version_id and not _changes(call, bucket, version.about):
            text = (
                "This copy request is illegal because it is trying to copy an object to itself without changing the "
                "object's metadata, storage class, website redirect location or encryption attributes."
            )
            raise refusal("InvalidRequest", text)
        seal = await self._sealing.for_write(call, bucket, place.key)
        about = self._about(call, bucket, source, seal.encryption)
        draft = await self._draft(call, source, seal, about)
        version_id = await self._reach.depot.put(
            place, bucket.spec.versioning, draft, lambda before: check_write(before, call.parameters)
        )
        result: Members = {"ETag": f'"{draft.etag}"', "LastModified": moment_of(draft.modified_ms)}
        result |= {f"Checksum{name}": value for name, value in draft.about.checksums.items()}
        result["ChecksumType"] = draft.about.checksum_type or None
        answer: Members = {"CopyObjectResult": result, **told(seal.encryption)}
        if source.bucket.spec.versioning:
            answer["CopySourceVersionId"] = version.id
        if bucket.spec.versioning:
            answer["VersionId"] = version_id
        return answer

    async def copy_part(self, call: AwsCall) -> Members:
        """UploadPartCopy."""
        bucket = self._reach.bucket(call)
        place = self._reach.place(call, bucket)
        self._reach.require(call, "s3:PutObject", Subject(bucket, place.key))
        upload = await self._reach.depot.find_upload(place, str(call.parameters["UploadId"]))
        number = part_number(call.parameters.get("PartNumber"))
        source = await self._source(call)
        version = source.found.version
        check_read(version, call.parameters, _SOURCE, is_copy=True)
        asked = call.parameters.get("CopySourceRange")
        start, end = copy_span_of(str(asked), version.size_bytes) if asked else (0, version.size_bytes)
        data_key = await self._sealing.for_part(call, upload.about.encryption, bucket)
        source_key = await self._sealing.for_read(call, version.about.encryption, source.bucket, _SOURCE)
        wanted = next(iter(upload.about.checksums), draft_headers.DEFAULT_ALGORITHM)
        pieces = self._reach.depot.read(source.found, source_key, start, end)
        taken = await take_in(self._reach, _bare(call), pieces, data_key, wanted)
        segment = taken.written.segment
        now_ms = self._reach.depot.now_ms()
        part = Part(number, segment.size_bytes, taken.etag, now_ms, PartFacts((segment,), taken.checksums))
        await self._reach.depot.put_part(upload, part, taken.written.inline)
        result: Members = {"ETag": f'"{part.etag}"', "LastModified": moment_of(now_ms)}
        if upload.about.checksums:
            result |= {f"Checksum{name}": value for name, value in taken.checksums.items()}
        answer: Members = {"CopyPartResult": result, **told(upload.about.encryption)}
        if source.bucket.spec.versioning:
            answer["CopySourceVersionId"] = version.id
        return answer

    async def _source(self, call: AwsCall) -> Source:
        name, key, version_id = source_of(str(call.parameters[_SOURCE]))
        parameters: Members = {"Bucket": name, "Key": key, "VersionId": version_id or None}
        parameters["ExpectedBucketOwner"] = call.parameters.get("ExpectedSourceBucketOwner")
        parameters["RequestPayer"] = call.parameters.get("RequestPayer")
        read = structs.replace(call, parameters=parameters, method="GET")
        bucket = self._reach.bucket(read)
        place = self._reach.place(read, bucket)
        found = await self._reach.depot.find(place, version_id or None)
        about = found.version.about if found is not None else None
        self._reach.require_version(read, "s3:GetObject", Subject(bucket, key, about))
        if found is None:
            raise self._reach.missing(read, bucket)
        if found.version.is_marker:
            if version_id:
                text = "The source of a copy request may not specifically refer to a delete marker by version id."
                raise refusal("InvalidRequest", text)
            raise refusal("NoSuchKey", Key=key)
        archives.check_readable(found.version, self._reach.depot.now(), is_copy=True)
        return Source(bucket, found, version_id)

    def _about(self, call: AwsCall, bucket: Bucket, source: Source, encryption: Encryption) -> About:
        had = source.found.version.about
        about = about_of_request(self._reach, call, bucket)
        directive, tagging = (
            str(call.parameters.get(name) or "COPY") for name in ("MetadataDirective", "TaggingDirective")
        )
        if directive not in ("COPY", "REPLACE"):
            raise bad_argument("Unknown metadata directive.", "x-amz-metadata-directive", directive)
        if tagging not in ("COPY", "REPLACE"):
            raise bad_argument("Unknown tagging directive.", "x-amz-tagging-directive", tagging)
        if directive == "COPY":
            about = structs.replace(about, headers=had.headers, metadata=had.metadata)
        if tagging == "COPY":
            about = structs.replace(about, tags=had.tags)
        return structs.replace(about, encryption=encryption)

    async def _draft(self, call: AwsCall, source: Source, seal: Seal, about: About) -> Draft:
        """The copy: content is shared where both stand under the same key and the checksum stays the same."""
        version, had = source.found.version, source.found.version.about
        now_ms = self._reach.depot.now_ms()
        asked = draft_headers.announced_algorithm(call.parameters, {})
        keeps_sums = had.checksum_type != "COMPOSITE" and (not asked or asked in had.checksums)
        is_shareable = had.encryption.kind == seal.encryption.kind == "AES256" and keeps_sums and not had.parts
        if is_shareable:
            about = structs.replace(
                about, segments=had.segments, checksums=had.checksums, checksum_type=had.checksum_type
            )
            return Draft(version.size_bytes, version.etag, about, now_ms)
        source_key = await self._sealing.for_read(call, had.encryption, source.bucket, _SOURCE)
        pieces = self._reach.depot.read(source.found, source_key, 0, version.size_bytes)
        usual = asked or next(iter(had.checksums), draft_headers.DEFAULT_ALGORITHM)
        taken = await take_in(self._reach, _bare(call), pieces, seal.data_key, usual)
        segment = taken.written.segment
        about = structs.replace(
            about,
            segments=(segment,),
            checksums=taken.checksums,
            checksum_type="FULL_OBJECT" if taken.checksums else "",
        )
        etag = taken.etag if seal.encryption.kind == "AES256" else self._reach.ids.uid().replace("-", "")
        return Draft(segment.size_bytes, etag, about, now_ms, fresh=((segment, taken.written.inline),))


def source_of(text: str) -> tuple[str, str, str]:
    """Bucket, key and version ("" for none) of a CopySource. Raises InvalidArgument."""
    path, _, query = text.partition("?")
    version_id = query.removeprefix("versionId=") if query.startswith("versionId=") else ""
    name, slash, key = unquote(path).removeprefix("/").partition("/")
    if not slash or not name or not key:
        raise bad_argument("Invalid copy source object key", "x-amz-copy-source", "x-amz-copy-source")
    return name, key, version_id


def _bare(call: AwsCall) -> AwsCall:
    """The call without what it says of a body, which here is another object's."""
    return structs.replace(
        call, parameters={"Bucket": call.parameters["Bucket"], "Key": call.parameters["Key"]}, headers={}
    )


def _changes(call: AwsCall, bucket: Bucket, had: About) -> bool:
    """Whether anything becomes different; a bucket's own encryption counts, and one that the copy would not have."""
    parameters = call.parameters
    if had.encryption.kind != "AES256" or bucket.setting("ServerSideEncryptionConfiguration") is not None:
        return True
    return parameters.get("MetadataDirective") == "REPLACE" or any(
        parameters.get(name) is not None
        for name in (
            "StorageClass",
            "WebsiteRedirectLocation",
            "ServerSideEncryption",
            "SSECustomerKey",
            "ChecksumAlgorithm",
        )
    )
