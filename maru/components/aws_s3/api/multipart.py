"""Uploads in parts: begun, filled in any order, made one object at the end without moving a byte.

Source: Amazon S3 API reference, CreateMultipartUpload, UploadPart, CompleteMultipartUpload, AbortMultipartUpload,
ListParts, ListMultipartUploads; User Guide, "Checking object integrity" for checksums of parts and wholes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from msgspec import structs

from maru.components.aws_s3.api.lists import check_count, encoding_of, moment_of, page_size
from maru.components.aws_s3.api.puts import about_of_request, body_of, require_write, take_in
from maru.components.aws_s3.api.reach import Reach, Subject, owner_of
from maru.components.aws_s3.api.sealing import Sealing, told
from maru.components.aws_s3.engine.digests import combined
from maru.components.aws_s3.engine.listing import Range, UploadRow
from maru.components.aws_s3.engine.uploads import Part, PartFacts, Upload
from maru.components.aws_s3.engine.versions import Draft
from maru.components.aws_s3.errors import bad_argument, code_of, refusal
from maru.components.aws_s3.model import draft_headers
from maru.components.aws_s3.model.bucket import Bucket
from maru.components.aws_s3.model.checksums import composite, type_of_upload
from maru.components.aws_s3.model.conditions import check_write, check_write_headers
from maru.components.aws_s3.model.entry import About, PartAbout, decode_about
from maru.contracts.aws_service import AwsCall, AwsOperation, Members
from maru.core.errors import NotFound

PART_BYTES_MIN = 5 * 1024**2
PART_BYTES_MAX = 5 * 1024**3
PARTS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """A part that a completion names. etag: without quotes."""

    number: int
    etag: str
    checksums: Mapping[str, str]


class Multipart:
    """Uploads under way."""

    def __init__(self, reach: Reach, sealing: Sealing) -> None:
        self._reach = reach
        self._sealing = sealing

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        return {
            "CreateMultipartUpload": AwsOperation(self.create),
            "UploadPart": AwsOperation(self.upload),
            "CompleteMultipartUpload": AwsOperation(self.complete),
            "AbortMultipartUpload": AwsOperation(self.abort),
            "ListParts": AwsOperation(self.list_parts),
            "ListMultipartUploads": AwsOperation(self.list_uploads),
        }

    async def create(self, call: AwsCall) -> Members:
        """CreateMultipartUpload."""
        bucket = self._reach.bucket(call)
        place = self._reach.place(call, bucket)
        require_write(self._reach, call, bucket, place.key)
        algorithm = draft_headers.announced_algorithm(call.parameters, {})
        kind = type_of_upload(algorithm, call.parameters.get("ChecksumType"))
        about = about_of_request(self._reach, call, bucket)
        seal = await self._sealing.for_write(call, bucket, place.key)
        about = structs.replace(
            about, encryption=seal.encryption, checksums={algorithm: ""} if algorithm else {}, checksum_type=kind
        )
        upload = await self._reach.depot.begin_upload(place, about)
        answer: Members = {"Bucket": bucket.name, "Key": place.key, "UploadId": upload.id, **told(seal.encryption)}
        if algorithm:
            answer |= {"ChecksumAlgorithm": algorithm, "ChecksumType": kind}
        return answer

    async def upload(self, call: AwsCall) -> Members:
        """UploadPart."""
        bucket, upload = await self._find(call, "s3:PutObject")
        number = part_number(call.parameters.get("PartNumber"))
        if call.body_bytes > PART_BYTES_MAX:
            raise refusal("EntityTooLarge", ProposedSize=call.body_bytes, MaxSizeAllowed=PART_BYTES_MAX)
        wanted = next(iter(upload.about.checksums), "")
        given = draft_headers.given_checksums(call.parameters)
        announced = draft_headers.announced_algorithm(call.parameters, call.headers)
        for name in (*given, *([announced] if announced else [])):
            if wanted and name != wanted:
                raise refusal(
                    "InvalidRequest",
                    f"Checksum Type mismatch occurred, expected checksum Type: {wanted.lower()}, "
                    f"actual checksum Type: {name.lower()}",
                )
        data_key = await self._sealing.for_part(call, upload.about.encryption, bucket)
        taken = await take_in(self._reach, call, body_of(call), data_key, wanted or draft_headers.DEFAULT_ALGORITHM)
        segment = taken.written.segment
        facts = PartFacts((segment,), taken.checksums)
        part = Part(number, segment.size_bytes, taken.etag, self._reach.depot.now_ms(), facts)
        await self._reach.depot.put_part(upload, part, taken.written.inline)
        answer: Members = {"ETag": f'"{part.etag}"', **told(upload.about.encryption)}
        return answer | {f"Checksum{name}": value for name, value in taken.checksums.items()}

    async def complete(self, call: AwsCall) -> Members:
        """CompleteMultipartUpload."""
        wanted = _wanted(call)
        try:
            bucket, upload = await self._find(call, "s3:PutObject")
        except NotFound as error:
            if code_of(error) == "NoSuchUpload" and (done := await self._done_before(call, wanted)):
                return done
            raise
        check_write_headers(call.parameters)
        now_ms = self._reach.depot.now_ms()
        asked = call.parameters.get("ChecksumType")
        if asked and upload.about.checksum_type and asked != upload.about.checksum_type:
            raise refusal(
                "InvalidRequest",
                f"The upload was created using the {upload.about.checksum_type} checksum mode. The complete request "
                "must use the same checksum mode.",
            )

        def build(there: Sequence[Part]) -> tuple[Draft, Sequence[int]]:
            parts = _chosen(wanted, {part.number: part for part in there}, upload)
            size = sum(part.size_bytes for part in parts)
            if call.parameters.get("MpuObjectSize") not in (None, size):
                expected = call.parameters["MpuObjectSize"]
                text = f"The provided 'x-amz-mp-object-size' header value {expected} does not match what was computed: "
                text += str(size)
                raise refusal("InvalidRequest", text)
            draft = _assembled(upload, parts, now_ms)
            _check_whole(call, draft.about)
            return draft, [part.number for part in parts]

        draft, version_id = await self._reach.depot.complete(
            upload, bucket.spec.versioning, build, lambda before: check_write(before, call.parameters)
        )
        return _completed(call, bucket, (draft.etag, draft.about), version_id)

    async def _done_before(self, call: AwsCall, wanted: Sequence[Wanted]) -> Members | None:
        """The answer to a completion that comes again, as after an answer that was lost; None if it is none."""
        bucket = self._reach.bucket(call)
        found = await self._reach.depot.find(self._reach.place(call, bucket), None)
        if found is None or found.version.about.upload != call.parameters["UploadId"]:
            return None
        version = found.version
        if version.etag != _etag([one.etag for one in wanted]):
            return None
        return _completed(call, bucket, (version.etag, version.about), version.id)

    async def abort(self, call: AwsCall) -> Members:
        """AbortMultipartUpload."""
        bucket = self._reach.bucket(call)
        place = self._reach.place(call, bucket)
        self._reach.require(call, "s3:AbortMultipartUpload", Subject(bucket, place.key))
        await self._reach.depot.abort(place, str(call.parameters["UploadId"]))
        return {}

    async def list_parts(self, call: AwsCall) -> Members:
        """ListParts."""
        bucket, upload = await self._find(call, "s3:ListMultipartUploadParts")
        after = int(call.parameters.get("PartNumberMarker") or 0)
        check_count(after, "part-number-marker")
        limit = page_size(call.parameters.get("MaxParts"), "max-parts")
        parts = await self._reach.depot.parts(upload, after, limit + 1)
        shown = parts[:limit]
        answer: Members = {
            "Bucket": bucket.name,
            "Key": upload.place.key,
            "UploadId": upload.id,
            "PartNumberMarker": after,
            "NextPartNumberMarker": shown[-1].number if shown else 0,
            "MaxParts": limit,
            "IsTruncated": len(parts) > len(shown),
            "Initiator": owner_of(upload.about.owner),
            "Owner": owner_of(upload.about.owner),
            "StorageClass": upload.about.storage_class,
            "Parts": [_told(part, with_sums=bool(upload.about.checksums)) for part in shown],
        }
        if upload.about.checksums:
            answer["ChecksumAlgorithm"] = next(iter(upload.about.checksums))
            answer["ChecksumType"] = upload.about.checksum_type
        return answer

    async def list_uploads(self, call: AwsCall) -> Members:
        """ListMultipartUploads."""
        bucket = self._reach.bucket(call)
        self._reach.require(call, "s3:ListBucketMultipartUploads", Subject(bucket))
        parameters, shown = call.parameters, encoding_of(call)
        marker, after_id = str(parameters.get("KeyMarker") or ""), str(parameters.get("UploadIdMarker") or "")
        after_id = after_id if marker else ""
        limit = page_size(parameters.get("MaxUploads"), "max-uploads")
        prefix, delimiter = str(parameters.get("Prefix") or ""), str(parameters.get("Delimiter") or "")
        asked = Range(prefix, delimiter, marker, limit, marker)
        page = await self._reach.depot.list_uploads(bucket.id, asked, after_id)
        rows = [row for row in page.entries if isinstance(row, UploadRow)]
        return {
            "Bucket": bucket.name,
            "KeyMarker": shown(marker),
            "UploadIdMarker": after_id,
            "NextKeyMarker": shown(page.last) if page.is_truncated else None,
            "NextUploadIdMarker": page.last_id if page.is_truncated else None,
            "Prefix": shown(prefix),
            "Delimiter": shown(delimiter) if delimiter else None,
            "MaxUploads": limit,
            "IsTruncated": page.is_truncated,
            "EncodingType": parameters.get("EncodingType"),
            "Uploads": [_upload(row, shown(row.key)) for row in rows],
            "CommonPrefixes": [{"Prefix": shown(entry)} for entry in page.entries if isinstance(entry, str)],
        }

    async def _find(self, call: AwsCall, action: str) -> tuple[Bucket, Upload]:
        bucket = self._reach.bucket(call)
        place = self._reach.place(call, bucket)
        self._reach.require(call, action, Subject(bucket, place.key))
        return bucket, await self._reach.depot.find_upload(place, str(call.parameters["UploadId"]))


def part_number(given: object) -> int:
    """Raises InvalidArgument."""
    number = int(str(given))
    if not 1 <= number <= PARTS_MAX:
        text = "Part number must be an integer between 1 and 10000, inclusive"
        raise bad_argument(text, "partNumber", number)
    return number


def _wanted(call: AwsCall) -> Sequence[Wanted]:
    entries = (call.parameters.get("MultipartUpload") or {}).get("Parts") or []
    if not entries or len(entries) > PARTS_MAX:
        raise refusal("MalformedXML")
    wanted: list[Wanted] = []
    for entry in entries:
        if entry.get("PartNumber") is None or entry.get("ETag") is None:
            raise refusal("MalformedXML")
        sums = {
            name: str(entry[f"Checksum{name}"]) for name in draft_headers.ALGORITHMS if entry.get(f"Checksum{name}")
        }
        wanted.append(Wanted(int(entry["PartNumber"]), str(entry["ETag"]).strip('"'), sums))
    if any(one.number >= following.number for one, following in pairwise(wanted)):
        raise refusal("InvalidPartOrder", UploadId=str(call.parameters["UploadId"]))
    return wanted


def _chosen(wanted: Sequence[Wanted], there: Mapping[int, Part], upload: Upload) -> Sequence[Part]:
    parts: list[Part] = []
    needs_sums = upload.about.checksum_type == "COMPOSITE"
    for one in wanted:
        part = there.get(one.number)
        if part is None or part.etag != one.etag:
            raise refusal("InvalidPart", UploadId=upload.id, PartNumber=one.number, ETag=one.etag)
        if any(part.facts.checksums.get(name) != value for name, value in one.checksums.items()):
            raise refusal("InvalidPart", UploadId=upload.id, PartNumber=one.number, ETag=one.etag)
        algorithm = next(iter(upload.about.checksums), "")
        if needs_sums and algorithm not in one.checksums:
            text = (
                f"The upload was created using a {algorithm.lower()} checksum. The complete request must include the "
                f"checksum for each part. It was missing for part {one.number} in the request."
            )
            raise refusal("InvalidRequest", text)
        parts.append(part)
    for part in parts[:-1]:
        if part.size_bytes < PART_BYTES_MIN:
            raise refusal(
                "EntityTooSmall",
                ETag=part.etag,
                MinSizeAllowed=PART_BYTES_MIN,
                PartNumber=part.number,
                ProposedSize=part.size_bytes,
            )
    return parts


def _assembled(upload: Upload, parts: Sequence[Part], now_ms: int) -> Draft:
    asked = next(iter(upload.about.checksums), "")
    algorithm, kind = asked or draft_headers.DEFAULT_ALGORITHM, upload.about.checksum_type or "FULL_OBJECT"
    sums = [part.facts.checksums.get(algorithm, "") for part in parts]
    if all(sums):
        sizes = [part.size_bytes for part in parts]
        is_whole = kind == "FULL_OBJECT"
        value = combined(algorithm, zip(sums, sizes, strict=True)) if is_whole else composite(algorithm, sums)
        checksums = {algorithm: value}
    else:
        checksums = {}
    about = structs.replace(
        upload.about,
        segments=tuple(segment for part in parts for segment in part.facts.segments),
        parts=tuple(
            PartAbout(part.number, part.size_bytes, part.facts.checksums if asked and kind == "COMPOSITE" else {})
            for part in parts
        ),
        checksums=checksums,
        checksum_type=kind if checksums else "",
        upload=upload.id,
    )
    size = sum(part.size_bytes for part in parts)
    return Draft(size, _etag([part.etag for part in parts]), about, now_ms, takes_over=True)


def _etag(etags: Sequence[str]) -> str:
    """Of the object that parts of these ETags make; "" if one of them is none."""
    try:
        whole = b"".join(bytes.fromhex(etag) for etag in etags)
    except ValueError:
        return ""
    return f"{hashlib.md5(whole, usedforsecurity=False).hexdigest()}-{len(etags)}"


def _completed(call: AwsCall, bucket: Bucket, made: tuple[str, About], version_id: str) -> Members:
    """made: the ETag of the object, and what is told about it."""
    etag, about = made
    key = str(call.parameters["Key"])
    answer: Members = {
        "Location": f"http://{call.host or 's3.amazonaws.com'}/{bucket.name}/{key}",
        "Bucket": bucket.name,
        "Key": key,
        "ETag": f'"{etag}"',
        "ChecksumType": about.checksum_type or None,
        **{name: value for name, value in told(about.encryption).items() if not name.startswith("SSECustomer")},
        **{f"Checksum{name}": value for name, value in about.checksums.items()},
    }
    if bucket.spec.versioning:
        answer["VersionId"] = version_id
    return answer


def _check_whole(call: AwsCall, about: About) -> None:
    """A checksum of the whole that the request brings must be the one that came out."""
    for name in draft_headers.ALGORITHMS:
        given = call.parameters.get(f"Checksum{name}")
        if given and about.checksums.get(name, "").partition("-")[0] != str(given).partition("-")[0]:
            raise refusal("BadDigest", f"The {name.lower()} you specified did not match the calculated checksum.")


def _told(part: Part, *, with_sums: bool) -> Members:
    answer: Members = {
        "PartNumber": part.number,
        "LastModified": moment_of(part.modified_ms),
        "ETag": f'"{part.etag}"',
        "Size": part.size_bytes,
    }
    if with_sums:
        answer |= {f"Checksum{name}": value for name, value in part.facts.checksums.items()}
    return answer


def _upload(row: UploadRow, key: str) -> Members:
    about = decode_about(row.about)
    answer: Members = {
        "Key": key,
        "UploadId": row.id,
        "Initiated": moment_of(row.started_ms),
        "StorageClass": about.storage_class,
        "Owner": owner_of(about.owner),
        "Initiator": owner_of(about.owner),
    }
    if about.checksums:
        answer |= {"ChecksumAlgorithm": next(iter(about.checksums)), "ChecksumType": about.checksum_type}
    return answer
