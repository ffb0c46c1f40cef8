"""Expiry: what a bucket's lifecycle rules say is over, is deleted as its owner would delete it.

One page at a time, every so often; a version that an object lock holds stays. Source: Amazon S3 User Guide,
"Expiring objects", "Lifecycle configuration elements".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from msgspec import structs

from maru.components.aws_s3.config import AwsS3Config
from maru.components.aws_s3.engine import versions
from maru.components.aws_s3.engine.depot import Depot
from maru.components.aws_s3.engine.index import Rows
from maru.components.aws_s3.engine.versions import Place
from maru.components.aws_s3.errors import refusal
from maru.components.aws_s3.model import lifecycle, locks
from maru.components.aws_s3.model.bucket import Bucket
from maru.components.aws_s3.model.entry import About, Version
from maru.core.clock import Clock
from maru.core.errors import MaruError
from maru.core.kept import Kept
from maru.core.log import Log

PAGE = 1000
_FROM = "SELECT key, rank, id, latest, marker, size, etag, modified, about FROM versions"
_PAGE = f"{_FROM} WHERE bucket = ? AND (key, rank) > (?, ?) ORDER BY key, rank LIMIT ?"
_UPLOADS = "SELECT key, id, started FROM uploads WHERE bucket = ? AND (key, id) > (?, ?) ORDER BY key, id LIMIT ?"


@dataclass(frozen=True, slots=True)
class Act:
    """A version to be deleted; is_marker_made: by a delete marker, as it is the latest where versions are kept.

    storage_class: where it is not deleted, but goes to another class.
    """

    version: Version
    is_marker_made: bool = False
    storage_class: str = ""


class Expiry:
    """Looks over all buckets every `lifecycle_every_s`."""

    def __init__(self, kept: Kept[Bucket], depot: Depot, clock: Clock, config: AwsS3Config) -> None:
        self._kept = kept
        self._depot = depot
        self._clock = clock
        self._config = config
        self._log = Log("aws_s3")

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._clock.sleep(self._config.lifecycle_every_s)
            for bucket in self._kept.list():
                setting = bucket.setting(lifecycle.SETTING)
                if setting is None:
                    continue
                try:
                    await self.bring_right(bucket, setting["Rules"])
                except MaruError as error:
                    self._log.warning("lifecycle rules were not applied", bucket=bucket.name, why=str(error))

    async def bring_right(self, bucket: Bucket, rules: Sequence[Mapping[str, object]]) -> int:
        """How many versions and uploads went from one bucket."""
        count = 0
        at: tuple[str, int] = ("", -(1 << 62))
        before: list[Version] = []
        while True:
            page = await self._depot.index.read(partial(_versions, bucket.id, at))
            now = self._clock.now()
            acts = plan([*before, *page], rules, bucket, now, self._config.lifecycle_day_s, is_end=len(page) < PAGE)
            for act in acts:
                count += await self._carry_out(bucket, act, now)
            if len(page) < PAGE:
                break
            at = (page[-1].key, page[-1].rank)
            before = [version for version in [*before, *page] if version.key == page[-1].key][-PAGE:]
        return count + await self._abort(bucket, rules)

    async def _carry_out(self, bucket: Bucket, act: Act, now: datetime) -> int:
        place = Place(bucket.id, act.version.key)

        def is_same(found: Version | None) -> None:
            if found is None or found.rank != act.version.rank:
                raise refusal("PreconditionFailed")
            if not act.is_marker_made:
                locks.check_removal(found, now, bypasses=False)

        if act.storage_class:

            def moved(found: Version) -> About:
                return structs.replace(found.about, storage_class=act.storage_class, restored_until=None)

            return int(await self._depot.rewrite(place, act.version.id, moved) is not None)
        try:
            if act.is_marker_made or not bucket.spec.versioning:
                await self._depot.delete(place, bucket.spec.versioning, bucket.account, is_same)
            else:
                await self._depot.delete_version(place, act.version.id, is_same)
        except MaruError as error:
            if error.details.get("code") not in ("PreconditionFailed", "AccessDenied", "NoSuchBucket"):
                raise
            return 0
        return 1

    async def _abort(self, bucket: Bucket, rules: Sequence[Mapping[str, object]]) -> int:
        count = 0
        at = ("", "")
        while True:
            page = await self._depot.index.read(partial(_uploads, bucket.id, at))
            now = self._clock.now()
            for key, upload_id, started_ms in page:
                if any(_is_abandoned(rule, key, started_ms, now, self._config.lifecycle_day_s) for rule in rules):
                    await self._depot.abort(Place(bucket.id, key), upload_id)
                    count += 1
            if len(page) < PAGE:
                return count
            at = (page[-1][0], page[-1][1])


def plan(
    found: Sequence[Version],
    rules: Sequence[Mapping[str, object]],
    bucket: Bucket,
    now: datetime,
    day_s: float,
    *,
    is_end: bool,
) -> Sequence[Act]:
    """What has expired. found: by key, newest first; versions of one key together, unless a page ends between."""
    acts: list[Act] = []
    newer: list[Version] = []
    for number, version in enumerate(found):
        newer = [one for one in newer if one.key == version.key]
        following = found[number + 1] if number + 1 < len(found) else None
        thing = lifecycle.Thing(version.key, version.size_bytes, version.about.tags, version.modified_ms)
        if not version.is_latest:
            if newer and any(_is_past(rule, thing, newer, now, day_s) for rule in rules):
                acts.append(Act(version))
            elif newer and not version.is_marker:
                since = (newer[-1].modified_ms, len(newer))
                name = lifecycle.noncurrent_class_of(rules, thing, since, now, day_s)
                if lifecycle.is_colder(name, version.about.storage_class):
                    acts.append(Act(version, storage_class=name))
        elif version.is_marker:
            is_alone = following.key != version.key if following is not None else is_end
            if is_alone and any(_clears_marker(rule, thing, now, day_s) for rule in rules):
                acts.append(Act(version))
        else:
            due = lifecycle.expiration_of(rules, thing, day_s)
            if due is not None and due[0] <= now:
                acts.append(Act(version, is_marker_made=bool(bucket.spec.versioning)))
            else:
                name = lifecycle.class_of(rules, thing, version.about.storage_class, now, day_s)
                if name != version.about.storage_class:
                    acts.append(Act(version, storage_class=name))
        newer.append(version)
    return acts


def _uploads(bucket: str, at: tuple[str, str], rows: Rows) -> list[tuple[str, str, int]]:
    return rows.execute(_UPLOADS, (bucket, *at, PAGE)).fetchall()


def _versions(bucket: str, at: tuple[str, int], rows: Rows) -> list[Version]:
    return [versions.version_of(row) for row in rows.execute(_PAGE, (bucket, *at, PAGE))]


def _is_past(
    rule: Mapping[str, object], thing: lifecycle.Thing, newer: Sequence[Version], now: datetime, day_s: float
) -> bool:
    expiration = rule.get("NoncurrentVersionExpiration")
    if not isinstance(expiration, dict) or not lifecycle.concerns(rule, thing):
        return False
    if len(newer) - 1 < int(expiration.get("NewerNoncurrentVersions") or 0):
        return False
    return lifecycle.expires_at(newer[-1].modified_ms, expiration["NoncurrentDays"], day_s) <= now


def _clears_marker(rule: Mapping[str, object], thing: lifecycle.Thing, now: datetime, day_s: float) -> bool:
    expiration = rule.get("Expiration")
    if not isinstance(expiration, dict) or not lifecycle.concerns(rule, thing):
        return False
    if expiration.get("ExpiredObjectDeleteMarker"):
        return True
    return bool(expiration.get("Days")) and lifecycle.expires_at(thing.modified_ms, expiration["Days"], day_s) <= now


def _is_abandoned(rule: Mapping[str, object], key: str, started_ms: int, now: datetime, day_s: float) -> bool:
    abort = rule.get("AbortIncompleteMultipartUpload")
    if not isinstance(abort, dict) or rule.get("Status") != "Enabled" or not key.startswith(lifecycle.prefix_of(rule)):
        return False
    return lifecycle.expires_at(started_ms, abort["DaysAfterInitiation"], day_s) <= now
