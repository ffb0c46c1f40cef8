"""Between the versions of one custom kind.

With strategy None a version differs from another by apiVersion alone; with strategy Webhook a server
of the kind's author converts, many documents in one call.
Source: Kubernetes docs, "Versions in CustomResourceDefinitions"; apiextensions-apiserver
pkg/apiserver/conversion/webhook_converter.go.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import msgspec

from maru.core.document import Value
from maru.core.errors import Broken, Invalid

ConvertCall = Callable[[Value, Value], Awaitable[Value]]
"""(clientConfig, ConversionReview) to the webhook's answer. Raises Unavailable or Deadline."""
_KEPT = ("name", "namespace", "uid")


class Renamed:
    """Strategy None. What has the right version already is handed back as it is."""

    def __init__(self, served: str, stored: str) -> None:
        self._served = served
        self._stored = stored

    async def to_stored(self, values: Sequence[Value]) -> Sequence[Value]:
        return [_renamed(value, self._stored) for value in values]

    async def from_stored(self, values: Sequence[Value]) -> Sequence[Value]:
        return [_renamed(value, self._served) for value in values]


class Webhooks:
    """Strategy Webhook. prepare: fills in the defaults of the served version, in place."""

    def __init__(
        self, definition: Value, versions: tuple[str, str], call: ConvertCall, prepare: Callable[[Value], None]
    ) -> None:
        self._kind = definition["spec"]["names"]["kind"]
        webhook = definition["spec"]["conversion"]["webhook"]
        self._config: Value = webhook["clientConfig"]
        self._review_version = next(
            (one for one in webhook.get("conversionReviewVersions") or () if one in ("v1", "v1beta1")), "v1"
        )
        self._served, self._stored = versions
        self._call = call
        self._prepare = prepare

    async def to_stored(self, values: Sequence[Value]) -> Sequence[Value]:
        for value in values:
            self._prepare(value)
        return await self._converted(values, self._stored)

    async def from_stored(self, values: Sequence[Value]) -> Sequence[Value]:
        return await self._converted(values, self._served)

    async def _converted(self, values: Sequence[Value], wanted: str) -> Sequence[Value]:
        waiting = [value for value in values if value.get("apiVersion") != wanted]
        if not waiting:
            return values
        uid = str(waiting[0].get("metadata", {}).get("uid") or "conversion")
        review = {
            "kind": "ConversionReview",
            "apiVersion": f"apiextensions.k8s.io/{self._review_version}",
            "request": {"uid": uid, "desiredAPIVersion": wanted, "objects": waiting},
        }
        answer = await self._call(self._config, review)
        done = iter(self._checked(answer, waiting, wanted, uid))
        return [value if value.get("apiVersion") == wanted else next(done) for value in values]

    def _checked(self, answer: Value, sent: Sequence[Value], wanted: str, uid: str) -> Sequence[Value]:
        response = answer.get("response")
        if not isinstance(response, dict) or response.get("uid") != uid:
            raise self._failed(sent, wanted, "response.uid does not match the request")
        result = response.get("result") or {}
        if result.get("status") != "Success":
            why = result.get("message") or "unspecified failure"
            message = f"conversion webhook for {self._label(sent)} failed: {why}"
            raise Invalid(what=message, why="", message=message, code=result.get("code") or 500, reason="InternalError")
        objects = response.get("convertedObjects")
        if not isinstance(objects, list) or len(objects) != len(sent):
            count = len(objects) if isinstance(objects, list) else 0
            raise self._failed(sent, wanted, f"returned {count} objects, expected {len(sent)}")
        return [self._one(before, after, wanted) for before, after in zip(sent, objects, strict=True)]

    def _one(self, before: Value, after: object, wanted: str) -> Value:
        if not isinstance(after, dict) or after.get("apiVersion") != wanted or after.get("kind") != self._kind:
            raise self._failed([before], wanted, f"returned invalid converted object: expected {wanted}, {self._kind}")
        metadata, given = before.get("metadata") or {}, after.get("metadata") or {}
        for name in _KEPT:
            if metadata.get(name) != given.get(name):
                raise self._failed([before], wanted, f"must have the same {name}")
        # Of metadata a webhook may change labels and annotations alone; what it was given is not shared.
        kept: Value = msgspec.json.decode(msgspec.json.encode(metadata))
        for name in ("labels", "annotations"):
            kept.pop(name, None)
            if given.get(name):
                kept[name] = given[name]
        return {**after, "metadata": kept}

    def _label(self, sent: Sequence[Value]) -> str:
        return f"{sent[0].get('apiVersion')}, Kind={self._kind}"

    def _failed(self, sent: Sequence[Value], wanted: str, why: str) -> Broken:
        message = f"conversion webhook for {self._label(sent)} failed: {why}"
        return Broken(what=message, why=wanted, message=message)


def has_versions(definition: Value, served: str) -> bool:
    """Whether documents of another version than `served` can be met."""
    return len(definition["spec"]["versions"]) > 1 or _was_kept(definition, served)


def _was_kept(definition: Value, served: str) -> bool:
    """Whether documents of another version may be in the store."""
    versions = (definition.get("status") or {}).get("storedVersions") or ()
    return any(one != served.rpartition("/")[2] for one in versions)


def _renamed(value: Value, api_version: str) -> Value:
    return value if value.get("apiVersion") == api_version else {**value, "apiVersion": api_version}
