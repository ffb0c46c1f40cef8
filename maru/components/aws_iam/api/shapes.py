"""Things of IAM as its answers have them: every member that AWS always sends.

Policies come back percent-encoded, as RFC 3986 has it. Lists leave out tags and boundaries, as AWS's do.
Source: IAM API reference, data types User, Group, Role, Policy, InstanceProfile.
"""

from __future__ import annotations

from urllib.parse import quote

from maru.components.aws_iam.model.documents import Group, Profile, Role, User, Written, text_of
from maru.components.aws_iam.model.names import tag_list
from maru.contracts.aws_service import Members


def encoded(written: Written) -> str:
    """A policy document as answers have it."""
    return quote(text_of(written), safe="")


def boundary_members(arn: str) -> Members | None:
    """PermissionsBoundary, or None."""
    return {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn} if arn else None


def user_members(user: User, *, with_tags: bool = False) -> Members:
    """A User."""
    members: Members = {
        "Path": user.fields.path,
        "UserName": user.name,
        "UserId": user.id,
        "Arn": user.arn,
        "CreateDate": user.created_at,
    }
    if with_tags:
        members["PermissionsBoundary"] = boundary_members(user.fields.boundary)
        members["Tags"] = tag_list(user.fields.tags) or None
    return members


def group_members(group: Group) -> Members:
    """A Group."""
    return {
        "Path": group.fields.path,
        "GroupName": group.name,
        "GroupId": group.id,
        "Arn": group.arn,
        "CreateDate": group.created_at,
    }


def role_members(role: Role, *, with_tags: bool = False) -> Members:
    """A Role; in lists its boundary and tags are left out."""
    members: Members = {
        "Path": role.fields.path,
        "RoleName": role.name,
        "RoleId": role.id,
        "Arn": role.arn,
        "CreateDate": role.created_at,
        "AssumeRolePolicyDocument": encoded(role.fields.trust),
        "Description": role.fields.description,
        "MaxSessionDuration": role.fields.max_session_s,
    }
    if with_tags:
        members["PermissionsBoundary"] = boundary_members(role.fields.boundary)
        members["Tags"] = tag_list(role.fields.tags) or None
    return members


def profile_members(profile: Profile, roles: list[Role], *, with_tags: bool = True) -> Members:
    """An InstanceProfile with its roles."""
    members: Members = {
        "Path": profile.fields.path,
        "InstanceProfileName": profile.name,
        "InstanceProfileId": profile.id,
        "Arn": profile.arn,
        "CreateDate": profile.created_at,
        "Roles": [_contained(role) for role in roles],
    }
    if with_tags:
        members["Tags"] = tag_list(profile.fields.tags)
    return members


def _contained(role: Role) -> Members:
    members = role_members(role)
    del members["MaxSessionDuration"]
    return members
