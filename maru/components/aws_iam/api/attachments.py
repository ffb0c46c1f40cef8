"""Managed policies attached to users, groups and roles.

Source: IAM API reference, AttachUserPolicy, ListAttachedRolePolicies, ListEntitiesForPolicy.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from maru.components.aws_iam.api.asks import Asker
from maru.components.aws_iam.api.inline import Held, Holder
from maru.components.aws_iam.api.managed import Managed
from maru.components.aws_iam.api.pages import page, under
from maru.components.aws_iam.errors import coded, limit_exceeded, no_such
from maru.contracts.aws_service import AwsCall, AwsOperation, Members

ATTACHED_MAX = 10


class Attachments:
    """See the module."""

    def __init__(self, every: tuple[Holder, ...], managed: Managed, asker: Asker) -> None:
        self._holders = every
        self._managed = managed
        self._asker = asker

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        asks = self._asker.arn("ListEntitiesForPolicy", "PolicyArn")
        found = {"ListEntitiesForPolicy": AwsOperation(self.entities, asks)}
        for holder in self._holders:
            word = holder.word
            for name, perform in (
                (f"Attach{word}Policy", self.attach),
                (f"Detach{word}Policy", self.detach),
                (f"ListAttached{word}Policies", self.list_attached),
            ):
                found[name] = AwsOperation(_bound(perform, holder), self._asker.about(name, holder.subject))
        return found

    async def attach(self, holder: Holder, call: AwsCall) -> Members:
        arn = call.parameters["PolicyArn"]
        entity = holder.modify(call)
        check_policy_arn(arn)
        if self._managed.document(call.account, arn) is None:
            raise no_such(f"Policy {arn} does not exist or is not attachable.")
        attached = entity.fields.attached
        if arn in attached:
            return {}
        if len(attached) >= ATTACHED_MAX:
            raise limit_exceeded(f"Cannot exceed quota for PoliciesPer{holder.word}: {ATTACHED_MAX}")
        await entity.change({"attached": [*attached, arn]})
        return {}

    async def detach(self, holder: Holder, call: AwsCall) -> Members:
        arn = call.parameters["PolicyArn"]
        entity = holder.modify(call)
        check_policy_arn(arn)
        attached = entity.fields.attached
        if arn not in attached:
            raise no_such(f"Policy {arn} was not found.")
        await entity.change({"attached": [one for one in attached if one != arn]})
        return {}

    async def list_attached(self, holder: Holder, call: AwsCall) -> Members:
        entity = holder.find(call)
        prefix = call.parameters.get("PathPrefix")
        entries = [attached_members(arn) for arn in entity.fields.attached if under(prefix, path_of(arn))]
        return page("AttachedPolicies", entries, call)

    async def entities(self, call: AwsCall) -> Members:
        given = call.parameters
        arn = given["PolicyArn"]
        check_policy_arn(arn)
        if self._managed.document(call.account, arn) is None:
            raise no_such(f"Policy {arn} was not found.")
        wanted, usage = given.get("EntityFilter"), given.get("PolicyUsageFilter")
        entries: list[tuple[str, Members]] = []
        for holder in self._holders:
            word = holder.word
            if wanted not in (None, word):
                continue
            entries += [
                (f"Policy{word}s", {f"{word}Name": entity.name, f"{word}Id": entity.id})
                for entity in holder.list_all(call.account)
                if _uses(entity, arn, usage) and under(given.get("PathPrefix"), entity.fields.path)
            ]
        paged = page("entries", entries, call)
        answer: Members = {"PolicyGroups": [], "PolicyUsers": [], "PolicyRoles": []}
        for member, entry in paged.pop("entries"):
            answer[member].append(entry)
        return answer | paged


def attached_members(arn: str) -> Members:
    """An AttachedPolicy."""
    return {"PolicyName": arn.rsplit("/", 1)[-1], "PolicyArn": arn}


def path_of(arn: str) -> str:
    """The path in a policy's ARN."""
    return "/" + "".join(f"{part}/" for part in arn.split("/")[1:-1])


def check_policy_arn(arn: str) -> None:
    """Raises InvalidInput for what is no policy's ARN."""
    parts = arn.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn" or parts[2] != "iam" or not parts[5].startswith("policy/"):
        raise coded("ValidationError", f"ARN {arn} is not valid.")


def _uses(entity: Held, arn: str, usage: str | None) -> bool:
    if usage != "PermissionsBoundary" and arn in entity.fields.attached:
        return True
    return usage != "PermissionsPolicy" and entity.boundary == arn


def _bound(
    perform: Callable[[Holder, AwsCall], Awaitable[Members]], holder: Holder
) -> Callable[[AwsCall], Awaitable[Members]]:
    return lambda call: perform(holder, call)
