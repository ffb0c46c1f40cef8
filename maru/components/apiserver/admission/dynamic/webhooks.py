"""MutatingAdmissionWebhook and ValidatingAdmissionWebhook.

Mutating webhooks run one after the other, in the order of their configurations' names, and once more
where they ask for it and others changed the object after them; validating ones run all at once.
Source: Kubernetes docs, "Dynamic Admission Control"; k8s.io/apiserver/pkg/admission/plugin/webhook.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from maru.components.apiserver.admission.dynamic.configurations import (
    MUTATING_WEBHOOKS,
    VALIDATING_WEBHOOKS,
    Configurations,
)
from maru.components.apiserver.admission.dynamic.expressions import CONDITION, Expressions
from maru.components.apiserver.admission.dynamic.matching import Match, Matcher, Place, is_exempt, may_name, of_webhook
from maru.components.apiserver.admission.dynamic.requests import objects_of, request_of
from maru.components.apiserver.admission.review import CONNECT, DELETE, Review, Rule
from maru.components.apiserver.engine.webhooks import CallFailed, WebhookClient
from maru.components.apiserver.errors import bad_request, denied
from maru.core.document import Resource, Value
from maru.core.errors import Broken, Denied, Invalid, MaruError
from maru.core.ids import Ids
from maru.core.store.interface import Store
from maru.wire.cel.errors import CelError
from maru.wire.k8s.check import prune
from maru.wire.k8s.errors import WireError
from maru.wire.k8s.patch import json_patch

TIMEOUT_S = 10
WARNING_CHARACTERS_MAX = 256


@dataclass(frozen=True, slots=True)
class Dynamic:
    """What webhooks and policies stand on."""

    store: Store
    matcher: Matcher
    expressions: Expressions
    client: WebhookClient
    ids: Ids
    configurations: Configurations


class Webhooks(Rule):
    """What both kinds share. kind: of their configurations."""

    kind: Resource

    def __init__(self, dynamic: Dynamic) -> None:
        self._dynamic = dynamic

    def covers(self, operation: str, resource: Resource, subresource: str) -> bool:
        """Everything but the configuration of admission itself."""
        return not is_exempt(resource)

    def asks_outside(self, resource: Resource, subresource: str) -> bool:
        """Whether a webhook names such documents."""
        return not is_exempt(resource) and any(
            may_name(webhook, resource, subresource)
            for configuration in self._dynamic.configurations.of(self.kind)
            for webhook in configuration.get("webhooks") or ()
        )

    def _matching(self, review: Review) -> Sequence[tuple[Value, Place]]:
        """Those whose rules and selectors match, in order."""
        found: list[tuple[Value, Place]] = []
        for configuration in self._dynamic.configurations.of(self.kind):
            for webhook in configuration.get("webhooks") or ():
                match: Match = of_webhook(webhook)
                place = self._dynamic.matcher.place(match, review)
                if place is not None:
                    found.append((webhook, place))
        return found

    async def _wants(self, webhook: Value, place: Place, review: Review) -> bool:
        """Whether all match conditions hold. Raises Denied if one has no value and failures refuse."""
        conditions = webhook.get("matchConditions") or ()
        if not conditions:
            return True
        values = self._dynamic.expressions.values(review, place, await objects_of(review, place))
        failure = ""
        for condition in conditions:
            try:
                program = self._dynamic.expressions.program(condition["expression"], CONDITION)
                if program.evaluate(values)[0] is not True:
                    return False
            except CelError as error:
                failure = f"expression '{condition['expression']}' resulted in error: {error}"
        if failure and webhook.get("failurePolicy") != "Ignore":
            raise denied(review.resource, review.name, failure)
        return not failure

    async def _ask(self, webhook: Value, place: Place, review: Review) -> Value | None:
        """The response of one webhook; None if it failed and failures are ignored."""
        name = webhook["name"]
        if review.dry_run and webhook.get("sideEffects") not in ("None", "NoneOnDryRun"):
            raise bad_request(f'admission webhook "{name}" does not support dry run')
        uid = self._dynamic.ids.uid()
        new, old = await objects_of(review, place)
        request = {**request_of(review, place, uid), "object": new, "oldObject": old}
        version = next((one for one in webhook.get("admissionReviewVersions") or () if one in ("v1", "v1beta1")), "v1")
        sent = {"kind": "AdmissionReview", "apiVersion": f"admission.k8s.io/{version}", "request": request}
        try:
            answer = await self._dynamic.client.ask(
                webhook.get("clientConfig") or {}, sent, float(webhook.get("timeoutSeconds") or TIMEOUT_S)
            )
            response = answer.get("response")
            if not isinstance(response, dict) or (version == "v1" and response.get("uid") != uid):
                raise CallFailed("expected response.uid to be that of the request")
        except CallFailed as error:
            message = f'failed calling webhook "{name}": failed to call webhook: {error}'
            if webhook.get("failurePolicy") == "Ignore":
                return None
            raise _internal(message) from error
        for warning in (response.get("warnings") or ())[:30]:
            review.warnings.append(str(warning)[:WARNING_CHARACTERS_MAX])
        _audit(review, name, response)
        if not response.get("allowed"):
            refusal = refused(name, response.get("status") or {})
            refusal.details["warnings"] = list(review.warnings)
            raise refusal
        return response


class MutatingWebhooks(Webhooks):
    """Lets webhooks change what is written."""

    name = "MutatingAdmissionWebhook"
    kind = MUTATING_WEBHOOKS

    async def admit(self, review: Review) -> None:
        """Raises Denied, Invalid or Broken."""
        last_seen: dict[int, bytes] = {}
        is_changed = False
        hooks = self._matching(review)
        for number, (webhook, place) in enumerate(hooks):
            is_changed = await self._one(webhook, place, review) or is_changed
            last_seen[number] = msgspec.json.encode(review.value)
        if not is_changed:
            return
        for number, (webhook, place) in enumerate(hooks):
            is_wanted = webhook.get("reinvocationPolicy") == "IfNeeded"
            if is_wanted and last_seen[number] != msgspec.json.encode(review.value):
                await self._one(webhook, place, review)

    async def _one(self, webhook: Value, place: Place, review: Review) -> bool:
        """Whether it changed anything."""
        if not await self._wants(webhook, place, review):
            return False
        response = await self._ask(webhook, place, review)
        patch = (response or {}).get("patch")
        if not patch or review.operation in (DELETE, CONNECT):
            return False
        shown, _ = await objects_of(review, place)
        changed = _patched(webhook["name"], shown, patch)
        served = place.served
        if served is not None:
            if served.custom is not None:
                changed = prune(served.node, changed).value
            if served.conversion is not None:
                changed = dict((await served.conversion.to_stored([changed]))[0])
            served.strategy.default(changed)
        is_changed = changed != review.value
        review.value = changed
        return is_changed


class ValidatingWebhooks(Webhooks):
    """Lets webhooks refuse what is written."""

    name = "ValidatingAdmissionWebhook"
    kind = VALIDATING_WEBHOOKS

    async def check(self, review: Review) -> None:
        """Raises Denied, Invalid or Broken: what the first webhook in order says."""
        hooks = self._matching(review)
        if not hooks:
            return
        outcomes = await asyncio.gather(*(self._one(*hook, review) for hook in hooks), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def _one(self, webhook: Value, place: Place, review: Review) -> None:
        if await self._wants(webhook, place, review):
            await self._ask(webhook, place, review)


def refused(name: str, status: Value) -> MaruError:
    """The error of a webhook's denial, with its own code, reason and details."""
    by = f'admission webhook "{name}" denied the request'
    said = status.get("message") or status.get("reason")
    message = f"{by}: {said}" if said else f"{by} without explanation"
    code = status.get("code")
    code = code if isinstance(code, int) and code >= 400 else 400
    given = status.get("details")
    details: Value = given if isinstance(given, dict) else {}
    facts: Value = {key: details[key] for key in ("name", "group", "kind", "uid", "causes") if details.get(key)}
    kind: type[MaruError] = Denied if code == 403 else Invalid
    return kind(what=message, why="", message=message, code=code, reason=status.get("reason") or "", **facts)


def _internal(message: str) -> Broken:
    causes = [{"message": message}]
    return Broken(what=message, why="", message=f"Internal error occurred: {message}", causes=causes)


def _audit(review: Review, name: str, response: Value) -> None:
    given: Mapping[str, object] = response.get("auditAnnotations") or {}
    review.annotations.update({f"{name}/{key}": str(value) for key, value in given.items()})


def _patched(name: str, shown: Value | None, patch: object) -> Value:
    try:
        operations = msgspec.json.decode(base64.b64decode(str(patch)))
        changed = json_patch(msgspec.json.decode(msgspec.json.encode(shown)), operations)
    except (binascii.Error, msgspec.DecodeError, WireError) as error:
        words = error.message if isinstance(error, WireError) else str(error)
        raise _internal(f'failed calling webhook "{name}": the patch cannot be carried out: {words}') from error
    if not isinstance(changed, dict):
        raise _internal(f'failed calling webhook "{name}": the patch leaves no object')
    return changed
