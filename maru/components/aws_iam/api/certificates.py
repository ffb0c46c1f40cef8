"""Server certificates, signing certificates and SSH keys.

Source: IAM API reference, UploadServerCertificate, UploadSigningCertificate, UploadSSHPublicKey.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence

from msgspec.structs import asdict

from maru.components.aws_iam.api.asks import Asker
from maru.components.aws_iam.api.book import Book
from maru.components.aws_iam.api.lookup import Lookup
from maru.components.aws_iam.api.pages import page, under
from maru.components.aws_iam.engine.certificates import check_pair, expiry, pem_form, ssh_form
from maru.components.aws_iam.errors import already_exists, coded, limit_exceeded, no_such
from maru.components.aws_iam.model.documents import Certificate, SigningFields, SshKeyFields, User
from maru.components.aws_iam.model.names import check_name, check_path, check_tags, tag_list
from maru.contracts.aws_service import AwsCall, AwsOperation, Members
from maru.core.clock import parse_rfc3339, rfc3339
from maru.core.document import Value

SIGNING_MAX, SSH_KEYS_MAX = 2, 5


class Certificates:
    """See the module."""

    def __init__(self, book: Book, lookup: Lookup, asker: Asker) -> None:
        self._book = book
        self._lookup = lookup
        self._asker = asker

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        about, asker = self._asker.about, self._asker
        of_server = {
            "UploadServerCertificate": self.upload_server,
            "GetServerCertificate": self.get_server,
            "UpdateServerCertificate": self.update_server,
            "DeleteServerCertificate": self.delete_server,
        }
        of_user = {
            "UploadSigningCertificate": self.upload_signing,
            "ListSigningCertificates": self.list_signing,
            "UpdateSigningCertificate": self.update_signing,
            "DeleteSigningCertificate": self.delete_signing,
            "UploadSSHPublicKey": self.upload_ssh,
            "GetSSHPublicKey": self.get_ssh,
            "ListSSHPublicKeys": self.list_ssh,
            "UpdateSSHPublicKey": self.update_ssh,
            "DeleteSSHPublicKey": self.delete_ssh,
        }
        return {
            **{name: AwsOperation(perform, about(name, asker.certificate)) for name, perform in of_server.items()},
            **{name: AwsOperation(perform, about(name, asker.user)) for name, perform in of_user.items()},
            "ListServerCertificates": AwsOperation(self.list_server, asker.alone("ListServerCertificates")),
        }

    async def upload_server(self, call: AwsCall) -> Members:
        given = call.parameters
        name, private = given["ServerCertificateName"], given["PrivateKey"]
        check_name("serverCertificateName", name)
        path = check_path(given.get("Path") or "/")
        check_pair(given["CertificateBody"], private)
        if self._book.certificates.find(call.account, name) is not None:
            raise already_exists(f"The Server Certificate with name {name} already exists.")
        sealed = self._book.tools.sealer.seal(private.encode(), f"iam server certificate {name}".encode())
        spec = {
            "name": name,
            "path": path,
            "body": given["CertificateBody"],
            "chain": given.get("CertificateChain") or "",
            "sealed": base64.b64encode(sealed).decode(),
            "expiresAt": rfc3339(expiry(given["CertificateBody"])),
            "tags": check_tags(given.get("Tags")),
        }
        certificate = await self._book.certificates.create(call.account, name, spec)
        return {
            "ServerCertificateMetadata": _server_members(certificate),
            "Tags": tag_list(certificate.fields.tags) or None,
        }

    async def get_server(self, call: AwsCall) -> Members:
        certificate = self._lookup.certificate(call)
        return {
            "ServerCertificate": {
                "ServerCertificateMetadata": _server_members(certificate),
                "CertificateBody": certificate.fields.body,
                "CertificateChain": certificate.fields.chain or None,
                "Tags": tag_list(certificate.fields.tags) or None,
            }
        }

    async def update_server(self, call: AwsCall) -> Members:
        certificate = self._lookup.certificate(call)
        name = call.parameters.get("NewServerCertificateName") or certificate.name
        path = check_path(call.parameters.get("NewPath") or certificate.fields.path)
        check_name("serverCertificateName", name)
        if name.lower() != certificate.name.lower() and self._book.certificates.find(call.account, name) is not None:
            raise already_exists(f"The Server Certificate with name {name} already exists.")
        await self._book.certificates.change(certificate, {"name": name, "path": path})
        return {}

    async def delete_server(self, call: AwsCall) -> Members:
        await self._book.certificates.delete(self._lookup.certificate(call))
        return {}

    async def list_server(self, call: AwsCall) -> Members:
        prefix = call.parameters.get("PathPrefix")
        entries = [
            _server_members(one) for one in self._book.certificates.list(call.account) if under(prefix, one.fields.path)
        ]
        return page("ServerCertificateMetadataList", entries, call)

    async def upload_signing(self, call: AwsCall) -> Members:
        user = self._lookup.user(call)
        body = call.parameters["CertificateBody"]
        expiry(body)
        have = user.fields.signing_certificates
        if len(have) >= SIGNING_MAX:
            raise limit_exceeded(f"Cannot exceed quota for CertificatesPerUser: {SIGNING_MAX}")
        if any(one.body == body for one in have):
            raise coded("DuplicateCertificate", "The certificate is already uploaded.", 409)
        identifier = hashlib.sha256(f"{user.uid}{body}".encode()).hexdigest()[:32].upper()
        fields = SigningFields(identifier, body, self._now())
        await self._book.users.change(user, {"signingCertificates": _written([*have, fields])})
        return {"Certificate": _signing_members(user, fields)}

    async def list_signing(self, call: AwsCall) -> Members:
        user = self._lookup.user(call)
        return page("Certificates", [_signing_members(user, one) for one in user.fields.signing_certificates], call)

    async def update_signing(self, call: AwsCall) -> Members:
        user = self._lookup.user(call)
        wanted = self._signing(user, call)
        changed = [
            {**one, "status": call.parameters["Status"]} if one["id"] == wanted.id else one
            for one in _written(user.fields.signing_certificates)
        ]
        await self._book.users.change(user, {"signingCertificates": changed})
        return {}

    async def delete_signing(self, call: AwsCall) -> Members:
        user = self._lookup.user(call)
        wanted = self._signing(user, call)
        kept = [one for one in _written(user.fields.signing_certificates) if one["id"] != wanted.id]
        await self._book.users.change(user, {"signingCertificates": kept})
        return {}

    async def upload_ssh(self, call: AwsCall) -> Members:
        user = self._lookup.user(call)
        body, fingerprint = ssh_form(call.parameters["SSHPublicKeyBody"])
        have = user.fields.ssh_keys
        if any(one.body == body for one in have):
            raise coded("DuplicateSSHPublicKey", "The SSH public key is already uploaded for this user.")
        if len(have) >= SSH_KEYS_MAX:
            raise limit_exceeded(f"Cannot exceed quota for SSHPublicKeysPerUser: {SSH_KEYS_MAX}")
        identifier = "APKA" + hashlib.sha256(f"{user.uid}{body}".encode()).hexdigest()[:17].upper()
        fields = SshKeyFields(identifier, body, fingerprint, self._now())
        await self._book.users.change(user, {"sshKeys": _written([*have, fields])})
        return {"SSHPublicKey": _ssh_members(user, fields, "SSH")}

    async def get_ssh(self, call: AwsCall) -> Members:
        user = self._lookup.user(call)
        return {"SSHPublicKey": _ssh_members(user, self._ssh(user, call), call.parameters["Encoding"])}

    async def list_ssh(self, call: AwsCall) -> Members:
        user = self._lookup.user(call)
        entries = [
            {
                "UserName": user.name,
                "SSHPublicKeyId": one.id,
                "Status": one.status,
                "UploadDate": parse_rfc3339(one.uploaded_at),
            }
            for one in user.fields.ssh_keys
        ]
        return page("SSHPublicKeys", entries, call)

    async def update_ssh(self, call: AwsCall) -> Members:
        user = self._lookup.user(call)
        wanted = self._ssh(user, call)
        changed = [
            {**one, "status": call.parameters["Status"]} if one["id"] == wanted.id else one
            for one in _written(user.fields.ssh_keys)
        ]
        await self._book.users.change(user, {"sshKeys": changed})
        return {}

    async def delete_ssh(self, call: AwsCall) -> Members:
        user = self._lookup.user(call)
        wanted = self._ssh(user, call)
        kept = [one for one in _written(user.fields.ssh_keys) if one["id"] != wanted.id]
        await self._book.users.change(user, {"sshKeys": kept})
        return {}

    def _signing(self, user: User, call: AwsCall) -> SigningFields:
        wanted = call.parameters["CertificateId"]
        for one in user.fields.signing_certificates:
            if one.id == wanted:
                return one
        raise no_such(f"The Certificate with id {wanted} cannot be found.")

    def _ssh(self, user: User, call: AwsCall) -> SshKeyFields:
        wanted = call.parameters["SSHPublicKeyId"]
        for one in user.fields.ssh_keys:
            if one.id == wanted:
                return one
        raise no_such(f"The Public Key with id {wanted} cannot be found.")

    def _now(self) -> str:
        return rfc3339(self._book.tools.clock.now())


def _server_members(certificate: Certificate) -> Members:
    fields = certificate.fields
    return {
        "Path": fields.path,
        "ServerCertificateName": certificate.name,
        "ServerCertificateId": certificate.id,
        "Arn": certificate.arn,
        "UploadDate": certificate.created_at,
        "Expiration": parse_rfc3339(fields.expires_at) if fields.expires_at else None,
    }


def _signing_members(user: User, fields: SigningFields) -> Members:
    return {
        "UserName": user.name,
        "CertificateId": fields.id,
        "CertificateBody": fields.body,
        "Status": fields.status,
        "UploadDate": parse_rfc3339(fields.uploaded_at),
    }


def _ssh_members(user: User, fields: SshKeyFields, encoding: str) -> Members:
    return {
        "UserName": user.name,
        "SSHPublicKeyId": fields.id,
        "Fingerprint": fields.fingerprint,
        "SSHPublicKeyBody": fields.body if encoding == "SSH" else pem_form(fields.body),
        "Status": fields.status,
        "UploadDate": parse_rfc3339(fields.uploaded_at),
    }


def _written(every: Sequence[SigningFields | SshKeyFields]) -> list[Value]:
    """Fields as they stand in a spec."""
    names = {"uploaded_at": "uploadedAt"}
    return [{names.get(key, key): value for key, value in asdict(one).items()} for one in every]
