"""All users, groups, roles and policies of an account in one list.

Source: IAM API reference, GetAccountAuthorizationDetails.
"""

from __future__ import annotations

from collections.abc import Mapping

from maru.components.aws_iam.api.attachments import attached_members
from maru.components.aws_iam.api.book import Book
from maru.components.aws_iam.api.managed import Managed
from maru.components.aws_iam.api.pages import page
from maru.components.aws_iam.api.policies import Policies
from maru.components.aws_iam.api.roles import Roles
from maru.components.aws_iam.api.shapes import encoded, group_members, profile_members, user_members
from maru.components.aws_iam.model.documents import Group, Policy, Role, User, Written
from maru.components.aws_iam.model.names import tag_list
from maru.contracts.aws_service import AwsCall, Members

_MEMBERS = {
    "User": "UserDetailList",
    "Group": "GroupDetailList",
    "Role": "RoleDetailList",
    "LocalManagedPolicy": "Policies",
    "AWSManagedPolicy": "Policies",
}


class Details:
    """See the module."""

    def __init__(self, book: Book, managed: Managed, policies: Policies, roles: Roles) -> None:
        self._book = book
        self._managed = managed
        self._policies = policies
        self._roles = roles

    async def all(self, call: AwsCall) -> Members:
        """Everything, or the kinds that Filter names."""
        account, book = call.account, self._book
        wanted = call.parameters.get("Filter") or list(_MEMBERS)
        entries: list[tuple[str, Members]] = []
        if "User" in wanted:
            entries += [("User", self._user(user)) for user in book.users.list(account)]
        if "Group" in wanted:
            entries += [("Group", self._group(group)) for group in book.groups.list(account)]
        if "Role" in wanted:
            entries += [("Role", self._role(role)) for role in book.roles.list(account)]
        if "LocalManagedPolicy" in wanted:
            entries += [("LocalManagedPolicy", self._policy(policy)) for policy in book.policies.list(account)]
        if "AWSManagedPolicy" in wanted:
            entries += [("AWSManagedPolicy", one) for one in self._aws_policies(account)]
        paged = page("entries", entries, call)
        answer: Members = {member: [] for member in _MEMBERS.values()}
        for kind, entry in paged.pop("entries"):
            answer[_MEMBERS[kind]].append(entry)
        return answer | paged

    def _user(self, user: User) -> Members:
        return {
            **user_members(user, with_tags=True),
            "UserPolicyList": _inline(user.fields.policies) or None,
            "GroupList": list(user.fields.groups),
            "AttachedManagedPolicies": [attached_members(arn) for arn in user.fields.attached],
            "Tags": tag_list(user.fields.tags),
        }

    def _group(self, group: Group) -> Members:
        return {
            **group_members(group),
            "GroupPolicyList": _inline(group.fields.policies),
            "AttachedManagedPolicies": [attached_members(arn) for arn in group.fields.attached],
        }

    def _role(self, role: Role) -> Members:
        described = self._roles.described(role)
        for name in ("Description", "MaxSessionDuration"):
            described.pop(name, None)
        profiles = [one for one in self._book.profiles.list(role.account) if role.name in one.fields.roles]
        return {
            **described,
            "InstanceProfileList": [profile_members(profile, [role]) for profile in profiles],
            "RolePolicyList": _inline(role.fields.policies),
            "AttachedManagedPolicies": [attached_members(arn) for arn in role.fields.attached],
            "Tags": tag_list(role.fields.tags),
        }

    def _policy(self, policy: Policy) -> Members:
        versions = [
            {
                "Document": encoded(version.document),
                "VersionId": version.id,
                "IsDefaultVersion": version.id == policy.fields.default_version,
                "CreateDate": policy.created_at,
            }
            for version in policy.fields.versions
        ]
        return {**self._policies.members(policy), "PolicyVersionList": versions}

    def _aws_policies(self, account: str) -> list[Members]:
        """Those that something of the account uses, as AWS has it."""
        found: list[Members] = []
        for policy in self._managed.of_aws.values():
            members = self._policies.aws_members(account, policy)
            if members["AttachmentCount"] or members["PermissionsBoundaryUsageCount"]:
                version = {
                    "Document": encoded(policy.document),
                    "VersionId": policy.version,
                    "IsDefaultVersion": True,
                    "CreateDate": policy.updated_at,
                }
                found.append({**members, "PolicyVersionList": [version]})
        return found


def _inline(policies: Mapping[str, Written]) -> list[Members]:
    return [{"PolicyName": name, "PolicyDocument": encoded(document)} for name, document in policies.items()]
