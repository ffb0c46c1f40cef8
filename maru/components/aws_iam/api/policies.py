"""Customer managed policies and their versions; AWS's own are read with the same operations.

Source: IAM API reference, CreatePolicy, CreatePolicyVersion, ListPolicies, SetDefaultPolicyVersion.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from maru.components.aws_iam.api.asks import Asker
from maru.components.aws_iam.api.attachments import check_policy_arn
from maru.components.aws_iam.api.book import Book
from maru.components.aws_iam.api.managed import Managed
from maru.components.aws_iam.api.pages import page, under
from maru.components.aws_iam.api.shapes import encoded
from maru.components.aws_iam.errors import already_exists, delete_conflict, limit_exceeded, no_such, validation
from maru.components.aws_iam.model.aws_policies import AwsPolicy
from maru.components.aws_iam.model.documents import Policy, VersionFields
from maru.components.aws_iam.model.grammar import check_managed_policy
from maru.components.aws_iam.model.names import check_name, check_path, check_tags, tag_list
from maru.contracts.aws_service import AwsCall, AwsOperation, Members
from maru.core.clock import parse_rfc3339, rfc3339

VERSIONS_MAX = 5
_VERSION = re.compile(r"v[1-9][0-9]*(\.[A-Za-z0-9-]*)?")


class Policies:
    """See the module."""

    def __init__(self, book: Book, managed: Managed, asker: Asker) -> None:
        self._book = book
        self._managed = managed
        self._asker = asker

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        performs = {
            "GetPolicy": self.get,
            "DeletePolicy": self.delete,
            "CreatePolicyVersion": self.create_version,
            "GetPolicyVersion": self.get_version,
            "DeletePolicyVersion": self.delete_version,
            "ListPolicyVersions": self.list_versions,
            "SetDefaultPolicyVersion": self.set_default,
        }
        arn = self._asker.arn
        return {
            **{name: AwsOperation(perform, arn(name, "PolicyArn")) for name, perform in performs.items()},
            "CreatePolicy": AwsOperation(self.create, self._asker.about("CreatePolicy", self._asker.policy)),
            "ListPolicies": AwsOperation(self.list_all, self._asker.alone("ListPolicies")),
        }

    async def create(self, call: AwsCall) -> Members:
        given = call.parameters
        name, document = given["PolicyName"], given["PolicyDocument"]
        check_name("policyName", name)
        path = check_path(given.get("Path") or "/")
        check_managed_policy(document)
        now = rfc3339(self._book.tools.clock.now())
        spec = {
            "name": name,
            "path": path,
            "description": given.get("Description") or "",
            "versions": [{"id": "v1", "document": document, "createdAt": now}],
            "updatedAt": now,
            "tags": check_tags(given.get("Tags")),
        }
        if self._book.policies.find(call.account, name) is not None:
            raise already_exists(f"A policy called {name} already exists. Duplicate names are not allowed.")
        policy = await self._book.policies.create(call.account, name, spec)
        members = self.members(policy)
        members["Tags"] = tag_list(policy.fields.tags) or None
        return {"Policy": members}

    async def get(self, call: AwsCall) -> Members:
        arn = call.parameters["PolicyArn"]
        of_aws = self._of_aws(arn)
        if of_aws is not None:
            members = self.aws_members(call.account, of_aws)
            return {"Policy": {**members, "Description": of_aws.description or None, "Tags": []}}
        policy = self.own(call, f"Policy {arn} was not found.")
        members = {**self.members(policy), "Description": policy.fields.description or None}
        return {"Policy": {**members, "Tags": tag_list(policy.fields.tags)}}

    async def delete(self, call: AwsCall) -> Members:
        policy = self.own(call, f"Policy {call.parameters['PolicyArn']} was not found.")
        attached, bounding = self.usage(call.account, policy.arn)
        if attached or bounding:
            raise delete_conflict("Cannot delete a policy attached to entities.")
        if len(policy.fields.versions) > 1:
            raise delete_conflict(
                "This policy has more than one version. Before you delete a policy, you must delete the policy's "
                "versions. The default version is deleted with the policy."
            )
        await self._book.policies.delete(policy)
        return {}

    async def list_all(self, call: AwsCall) -> Members:
        given = call.parameters
        scope, prefix, usage = given.get("Scope") or "All", given.get("PathPrefix"), given.get("PolicyUsageFilter")
        entries: list[Members] = []
        if scope != "AWS":
            entries += [self.members(policy) for policy in self._book.policies.list(call.account)]
        if scope != "Local":
            entries += [self.aws_members(call.account, policy) for policy in self._managed.of_aws.values()]
        counted = "PermissionsBoundaryUsageCount" if usage == "PermissionsBoundary" else "AttachmentCount"
        wanted = [
            entry
            for entry in entries
            if under(prefix, entry["Path"]) and (not (given.get("OnlyAttached") or usage) or entry[counted] > 0)
        ]
        return page("Policies", wanted, call)

    async def create_version(self, call: AwsCall) -> Members:
        given = call.parameters
        policy = self.own(call, f"Policy {given['PolicyArn']} was not found.")
        check_managed_policy(given["PolicyDocument"])
        fields = policy.fields
        if len(fields.versions) >= VERSIONS_MAX:
            raise limit_exceeded(
                "A managed policy can have up to 5 versions. Before you create a new version, you must delete an "
                "existing version."
            )
        now = self._book.tools.clock.now()
        version = {"id": f"v{fields.last_version + 1}", "document": given["PolicyDocument"], "createdAt": rfc3339(now)}
        is_default = bool(given.get("SetAsDefault"))
        spec = {
            "versions": [*[_written(one) for one in fields.versions], version],
            "lastVersion": fields.last_version + 1,
            "updatedAt": rfc3339(now),
            "defaultVersion": version["id"] if is_default else fields.default_version,
        }
        await self._book.policies.change(policy, spec)
        return {
            "PolicyVersion": {
                "VersionId": version["id"],
                "IsDefaultVersion": is_default,
                "CreateDate": now.replace(microsecond=0),
            }
        }

    async def get_version(self, call: AwsCall) -> Members:
        arn, wanted = call.parameters["PolicyArn"], self._version_id(call)
        of_aws = self._of_aws(arn)
        if of_aws is not None:
            if wanted != of_aws.version:
                raise no_such(f"Policy {arn} version {wanted} does not exist or is not attachable.")
            return {"PolicyVersion": _aws_version(of_aws, with_document=True)}
        policy = self.own(call, f"Policy {arn} was not found.")
        version = self._version(policy, wanted)
        return {"PolicyVersion": {"Document": encoded(version.document), **_version_members(policy, version)}}

    async def list_versions(self, call: AwsCall) -> Members:
        arn = call.parameters["PolicyArn"]
        of_aws = self._of_aws(arn)
        if of_aws is not None:
            return page("Versions", [_aws_version(of_aws, with_document=False)], call)
        policy = self.own(call, f"Policy {arn} was not found.")
        versions = [_version_members(policy, version) for version in reversed(policy.fields.versions)]
        return page("Versions", versions, call)

    async def delete_version(self, call: AwsCall) -> Members:
        arn, wanted = call.parameters["PolicyArn"], self._version_id(call)
        policy = self.own(call, f"Policy {arn} was not found.")
        version = self._version(policy, wanted)
        if version.id == policy.fields.default_version:
            raise delete_conflict("Cannot delete the default version of a policy.")
        versions = [_written(one) for one in policy.fields.versions if one.id != version.id]
        await self._book.policies.change(policy, {"versions": versions})
        return {}

    async def set_default(self, call: AwsCall) -> Members:
        arn, wanted = call.parameters["PolicyArn"], self._version_id(call)
        policy = self.own(call, f"Policy {arn} was not found.")
        version = self._version(policy, wanted)
        now = rfc3339(self._book.tools.clock.now())
        await self._book.policies.change(policy, {"defaultVersion": version.id, "updatedAt": now})
        return {}

    def own(self, call: AwsCall, missing: str) -> Policy:
        """The account's own policy that PolicyArn names. Raises NoSuchEntity saying `missing`."""
        arn = call.parameters["PolicyArn"]
        check_policy_arn(arn)
        policy = self._managed.own(call.account, arn)
        if policy is None:
            raise no_such(missing)
        return policy

    def members(self, policy: Policy) -> Members:
        """A Policy as lists have it."""
        attached, bounding = self.usage(policy.account, policy.arn)
        return {
            "PolicyName": policy.name,
            "PolicyId": policy.id,
            "Arn": policy.arn,
            "Path": policy.fields.path,
            "DefaultVersionId": policy.fields.default_version,
            "AttachmentCount": attached,
            "PermissionsBoundaryUsageCount": bounding,
            "IsAttachable": True,
            "CreateDate": policy.created_at,
            "UpdateDate": _moment(policy.fields.updated_at, policy.created_at),
        }

    def aws_members(self, account: str, policy: AwsPolicy) -> Members:
        """As `members`, of one that AWS manages."""
        attached, bounding = self.usage(account, policy.arn)
        return {
            "PolicyName": policy.name,
            "PolicyId": policy.id,
            "Arn": policy.arn,
            "Path": policy.path,
            "DefaultVersionId": policy.version,
            "AttachmentCount": attached,
            "PermissionsBoundaryUsageCount": bounding,
            "IsAttachable": True,
            "CreateDate": policy.created_at,
            "UpdateDate": policy.updated_at,
        }

    def usage(self, account: str, arn: str) -> tuple[int, int]:
        """(to how many things it is attached, of how many it is the boundary)."""
        book = self._book
        users, groups, roles = book.users.list(account), book.groups.list(account), book.roles.list(account)
        attached = sum(arn in one.fields.attached for one in users)
        attached += sum(arn in one.fields.attached for one in groups)
        attached += sum(arn in one.fields.attached for one in roles)
        bounding = sum(one.fields.boundary == arn for one in users) + sum(one.fields.boundary == arn for one in roles)
        return attached, bounding

    def _of_aws(self, arn: str) -> AwsPolicy | None:
        check_policy_arn(arn)
        return self._managed.aws(arn)

    def _version_id(self, call: AwsCall) -> str:
        wanted = str(call.parameters["VersionId"])
        if not _VERSION.fullmatch(wanted):
            raise validation(
                f"1 validation error detected: Value at 'versionId' failed to satisfy constraint: Member must satisfy "
                f"regular expression pattern: {_VERSION.pattern}"
            )
        return wanted

    def _version(self, policy: Policy, wanted: str) -> VersionFields:
        for version in policy.fields.versions:
            if version.id == wanted:
                return version
        raise no_such(f"Policy {policy.arn} version {wanted} does not exist or is not attachable.")


def _version_members(policy: Policy, version: VersionFields) -> Members:
    return {
        "VersionId": version.id,
        "IsDefaultVersion": version.id == policy.fields.default_version,
        "CreateDate": _moment(version.created_at, policy.created_at),
    }


def _aws_version(policy: AwsPolicy, *, with_document: bool) -> Members:
    members: Members = {"VersionId": policy.version, "IsDefaultVersion": True, "CreateDate": policy.updated_at}
    return {"Document": encoded(policy.document), **members} if with_document else members


def _written(version: VersionFields) -> Members:
    return {"id": version.id, "document": version.document, "createdAt": version.created_at}


def _moment(stamp: str, otherwise: datetime) -> datetime:
    return parse_rfc3339(stamp) if stamp else otherwise
