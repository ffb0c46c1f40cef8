"""The documents of IAM, and the views that operations read them by.

A document stands in its account's namespace under its name in lower case, since IAM's names differ in more
than case. What belongs to one user, role or group (inline policies, memberships, the password) is in its
spec, so that one write changes it as a whole. Secrets are in the spec only sealed or hashed.
Source: IAM API reference, data types.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

import msgspec

from maru.components.aws_iam.model.identifiers import unique_id
from maru.core.clock import parse_rfc3339
from maru.core.document import Resource, Value
from maru.kinds.aws import IAM, namespace_of
from maru.kinds.custom import definition

USERS = Resource(IAM, "v1", "users", "User", namespaced=True)
GROUPS = Resource(IAM, "v1", "groups", "Group", namespaced=True)
ROLES = Resource(IAM, "v1", "roles", "Role", namespaced=True)
POLICIES = Resource(IAM, "v1", "policies", "Policy", namespaced=True)
PROFILES = Resource(IAM, "v1", "instanceprofiles", "InstanceProfile", namespaced=True)
KEYS = Resource(IAM, "v1", "accesskeys", "AccessKey", namespaced=True)
DEVICES = Resource(IAM, "v1", "mfadevices", "MfaDevice", namespaced=True)
PROVIDERS = Resource(IAM, "v1", "identityproviders", "IdentityProvider", namespaced=True)
CERTIFICATES = Resource(IAM, "v1", "servercertificates", "ServerCertificate", namespaced=True)
SETTINGS = Resource(IAM, "v1", "accountsettings", "AccountSetting", namespaced=True)
USES = Resource(IAM, "v1", "lastuses", "LastUse", namespaced=True)

Written = str | dict[str, object]
"""A policy as it stands in a spec: the text a client sent, or (applied by hand) the object itself."""


class LoginFields(msgspec.Struct, frozen=True, rename="camel"):
    """A console password. hash: of scrypt, with its salt and costs; past: hashes that may not come again."""

    hash: str
    created_at: str
    changed_at: str
    reset_required: bool = False
    past: tuple[str, ...] = ()


class SshKeyFields(msgspec.Struct, frozen=True, rename="camel"):
    """An SSH public key for CodeCommit. body: as uploaded."""

    id: str
    body: str
    fingerprint: str
    uploaded_at: str
    status: str = "Active"


class SigningFields(msgspec.Struct, frozen=True, rename="camel"):
    """A signing certificate (PEM)."""

    id: str
    body: str
    uploaded_at: str
    status: str = "Active"


class ServiceCredentialFields(msgspec.Struct, frozen=True, rename="camel"):
    """A service specific credential. user_name: at the service; hash: of its password; expires_at: "" for never."""

    id: str
    service: str
    user_name: str
    hash: str
    created_at: str
    status: str = "Active"
    expires_at: str = ""


class UserFields(msgspec.Struct, frozen=True, rename="camel"):
    """The spec of a User. name: "" for the document's; policies: inline, by name; attached: ARNs, in order."""

    name: str = ""
    path: str = "/"
    boundary: str = ""
    tags: dict[str, str] = {}
    policies: dict[str, Written] = {}
    attached: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    login: LoginFields | None = None
    ssh_keys: tuple[SshKeyFields, ...] = ()
    signing_certificates: tuple[SigningFields, ...] = ()
    service_credentials: tuple[ServiceCredentialFields, ...] = ()


class GroupFields(msgspec.Struct, frozen=True, rename="camel"):
    """The spec of a Group; its members name it."""

    name: str = ""
    path: str = "/"
    policies: dict[str, Written] = {}
    attached: tuple[str, ...] = ()


class RoleFields(msgspec.Struct, frozen=True, rename="camel"):
    """The spec of a Role. trust: who may assume it; service: of a service-linked role, "" elsewhere."""

    trust: Written
    name: str = ""
    path: str = "/"
    description: str | None = None
    max_session_s: int = 3600
    boundary: str = ""
    tags: dict[str, str] = {}
    policies: dict[str, Written] = {}
    attached: tuple[str, ...] = ()
    service: str = ""


class VersionFields(msgspec.Struct, frozen=True, rename="camel"):
    """One version of a managed policy. id: v1 and on."""

    id: str
    document: Written
    created_at: str = ""


class PolicyFields(msgspec.Struct, frozen=True, rename="camel"):
    """The spec of a customer managed Policy. last_version: the highest number given so far."""

    versions: tuple[VersionFields, ...]
    name: str = ""
    path: str = "/"
    description: str = ""
    default_version: str = "v1"
    last_version: int = 1
    updated_at: str = ""
    tags: dict[str, str] = {}


class ProfileFields(msgspec.Struct, frozen=True, rename="camel"):
    """The spec of an InstanceProfile; at most one role."""

    name: str = ""
    path: str = "/"
    roles: tuple[str, ...] = ()
    tags: dict[str, str] = {}


class KeyFields(msgspec.Struct, frozen=True, rename="camel"):
    """The spec of an AccessKey. user: "" for the account's root; sealed: base64 of the secret."""

    id: str
    sealed: str
    user: str = ""
    status: str = "Active"


class DeviceFields(msgspec.Struct, frozen=True, rename="camel"):
    """The spec of an MfaDevice, a virtual one. user: "" while nobody has it, ":root" for the account's root."""

    sealed: str
    name: str = ""
    path: str = "/"
    user: str = ""
    enabled_at: str = ""
    tags: dict[str, str] = {}


class ProviderFields(msgspec.Struct, frozen=True, rename="camel"):
    """The spec of an IdentityProvider. kind: oidc or saml; url: without https://; metadata: a SAML descriptor."""

    kind: str
    name: str = ""
    url: str = ""
    client_ids: tuple[str, ...] = ()
    thumbprints: tuple[str, ...] = ()
    metadata: str = ""
    valid_until: str = ""
    tags: dict[str, str] = {}


class CertificateFields(msgspec.Struct, frozen=True, rename="camel"):
    """The spec of a ServerCertificate. sealed: its private key."""

    body: str
    sealed: str
    name: str = ""
    path: str = "/"
    chain: str = ""
    expires_at: str = ""
    tags: dict[str, str] = {}


class PasswordPolicyFields(msgspec.Struct, frozen=True, rename="camel"):
    """An account's password policy, in AWS's members; 0 and None where it says nothing."""

    minimum_length: int = 6
    require_symbols: bool = False
    require_numbers: bool = False
    require_uppercase: bool = False
    require_lowercase: bool = False
    allow_change: bool = False
    max_age_days: int = 0
    reuse_prevention: int = 0
    hard_expiry: bool | None = None


class SettingFields(msgspec.Struct, frozen=True, rename="camel"):
    """The spec of an AccountSetting; there is one, named `settings`."""

    alias: str = ""
    password_policy: PasswordPolicyFields | None = None
    report_at: str = ""
    global_token_version: str = "v1Token"  # noqa: S105 - a version
    root_created_at: str = ""
    root_features: tuple[str, ...] = ()  # of a management account: which central powers over members' roots are on


F_co = TypeVar("F_co", covariant=True)


class UseFields(msgspec.Struct, frozen=True, rename="camel"):
    """When and for what a key, user or role was last used. name: its ID, of users and roles also by service after a

    dot; role, user: whose it is, both "" for a key.
    """

    name: str
    at: str
    service: str
    region: str
    role: str = ""
    user: str = ""


F = TypeVar("F")


@dataclass(frozen=True, slots=True)
class Entity(Generic[F_co]):
    """A document as read. id: its unique ID; version: of its document, for conditional writes."""

    account: str
    document: str
    version: str
    uid: str
    id: str
    arn: str
    name: str
    created_at: datetime
    fields: F_co


User = Entity[UserFields]
Group = Entity[GroupFields]
Role = Entity[RoleFields]
Policy = Entity[PolicyFields]
Profile = Entity[ProfileFields]
Key = Entity[KeyFields]
Device = Entity[DeviceFields]
Provider = Entity[ProviderFields]
Certificate = Entity[CertificateFields]
Setting = Entity[SettingFields]

SETTING_NAME = "settings"


@dataclass(frozen=True, slots=True)
class KindOfEntity(Generic[F]):
    """How a kind is read. prefix: of its unique IDs; arn_kind: the word in its ARNs, "" where it has none."""

    resource: Resource
    fields: type[F]
    prefix: str
    arn_kind: str

    def read(self, document: Value) -> Entity[F]:
        """Raises msgspec.ValidationError for a document that is none."""
        metadata = document["metadata"]
        fields = msgspec.convert(document.get("spec") or {}, self.fields)
        account = str(metadata["namespace"]).removeprefix(namespace_of(""))
        name = getattr(fields, "name", "") or str(metadata["name"])
        uid = str(metadata.get("uid", ""))
        return Entity(
            account,
            str(metadata["name"]),
            str(metadata["resourceVersion"]),
            uid,
            unique_id(self.prefix, uid),
            self._arn(account, name, fields),
            name,
            parse_rfc3339(str(metadata["creationTimestamp"])),
            fields,
        )

    def _arn(self, account: str, name: str, fields: F) -> str:
        if isinstance(fields, ProviderFields):
            kind = "oidc-provider" if fields.kind == "oidc" else "saml-provider"
            return f"arn:aws:iam::{account}:{kind}/{fields.url or name}"
        return f"arn:aws:iam::{account}:{self.arn_kind}{getattr(fields, 'path', '/')}{name}"


USER = KindOfEntity(USERS, UserFields, "AIDA", "user")
GROUP = KindOfEntity(GROUPS, GroupFields, "AGPA", "group")
ROLE = KindOfEntity(ROLES, RoleFields, "AROA", "role")
POLICY = KindOfEntity(POLICIES, PolicyFields, "ANPA", "policy")
PROFILE = KindOfEntity(PROFILES, ProfileFields, "AIPA", "instance-profile")
KEY = KindOfEntity(KEYS, KeyFields, "", "access-key")
DEVICE = KindOfEntity(DEVICES, DeviceFields, "", "mfa")
PROVIDER = KindOfEntity(PROVIDERS, ProviderFields, "", "oidc-provider")
CERTIFICATE = KindOfEntity(CERTIFICATES, CertificateFields, "ASCA", "server-certificate")
SETTING = KindOfEntity(SETTINGS, SettingFields, "", "settings")
USE = KindOfEntity(USES, UseFields, "", "last-use")

_COLUMNS: Mapping[Resource, tuple[type[msgspec.Struct], tuple[tuple[str, str], ...]]] = {
    USERS: (UserFields, (("Path", ".spec.path"), ("Groups", ".spec.groups"))),
    GROUPS: (GroupFields, (("Path", ".spec.path"),)),
    ROLES: (RoleFields, (("Path", ".spec.path"), ("Description", ".spec.description"))),
    POLICIES: (PolicyFields, (("Path", ".spec.path"), ("Default", ".spec.defaultVersion"))),
    PROFILES: (ProfileFields, (("Roles", ".spec.roles"),)),
    KEYS: (KeyFields, (("ID", ".spec.id"), ("User", ".spec.user"), ("Status", ".spec.status"))),
    DEVICES: (DeviceFields, (("User", ".spec.user"),)),
    PROVIDERS: (ProviderFields, (("Kind", ".spec.kind"), ("URL", ".spec.url"))),
    CERTIFICATES: (CertificateFields, (("Path", ".spec.path"), ("Expires", ".spec.expiresAt"))),
    SETTINGS: (SettingFields, (("Alias", ".spec.alias"),)),
    USES: (UseFields, (("ID", ".spec.name"), ("At", ".spec.at"), ("Service", ".spec.service"))),
}


def definitions() -> Mapping[Resource, Value]:
    """The CustomResourceDefinition of each kind."""
    return {kind: definition(kind, fields, columns) for kind, (fields, columns) in _COLUMNS.items()}


def text_of(written: Written) -> str:
    """A policy as text, as clients get it back."""
    return written if isinstance(written, str) else msgspec.json.encode(written).decode()


def decoded(written: Written) -> Value:
    """A policy as an object; {} for a text that is none."""
    if not isinstance(written, str):
        return dict(written)
    try:
        value = msgspec.json.decode(written)
    except msgspec.DecodeError:
        return {}
    return value if isinstance(value, dict) else {}
