"""Identity providers: OpenID Connect and SAML.

Source: IAM API reference, CreateOpenIDConnectProvider, CreateSAMLProvider.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta

from maru.components.aws_iam.api.asks import Asker
from maru.components.aws_iam.api.book import Book
from maru.components.aws_iam.api.lookup import Lookup
from maru.components.aws_iam.engine.saml import read_descriptor
from maru.components.aws_iam.errors import (
    already_exists,
    coded,
    invalid_input,
    limit_exceeded,
    no_such,
    unsupported,
    validation,
)
from maru.components.aws_iam.model.documents import Provider
from maru.components.aws_iam.model.names import check_name, check_tags, tag_list
from maru.contracts.aws_service import AwsCall, AwsOperation, Members
from maru.core.clock import parse_rfc3339, rfc3339

_CLIENTS_MAX, _THUMBPRINTS_MAX = 100, 5
_URL = re.compile(r"https://[^\s?#]+", re.IGNORECASE)
_METADATA_CHARACTERS_MIN = 1000
_SAML_LIFE = timedelta(days=36500)


class Providers:
    """See the module."""

    def __init__(self, book: Book, lookup: Lookup, asker: Asker) -> None:
        self._book = book
        self._lookup = lookup
        self._asker = asker

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        arn, alone = self._asker.arn, self._asker.alone
        oidc = {
            "GetOpenIDConnectProvider": self.get_oidc,
            "DeleteOpenIDConnectProvider": self.delete_oidc,
            "UpdateOpenIDConnectProviderThumbprint": self.update_thumbprints,
            "AddClientIDToOpenIDConnectProvider": self.add_client,
            "RemoveClientIDFromOpenIDConnectProvider": self.remove_client,
        }
        saml = {
            "GetSAMLProvider": self.get_saml,
            "UpdateSAMLProvider": self.update_saml,
            "DeleteSAMLProvider": self.delete_saml,
        }
        others = {
            "CreateOpenIDConnectProvider": self.create_oidc,
            "ListOpenIDConnectProviders": self.list_oidc,
            "CreateSAMLProvider": self.create_saml,
            "ListSAMLProviders": self.list_saml,
        }
        return {
            **{name: AwsOperation(perform, arn(name, "OpenIDConnectProviderArn")) for name, perform in oidc.items()},
            **{name: AwsOperation(perform, arn(name, "SAMLProviderArn")) for name, perform in saml.items()},
            **{name: AwsOperation(perform, alone(name)) for name, perform in others.items()},
        }

    async def create_oidc(self, call: AwsCall) -> Members:
        given = call.parameters
        url = given["Url"]
        if not _URL.fullmatch(url):
            raise validation("Invalid Open ID Connect Provider URL")
        bare = url.split("://", 1)[1].rstrip("/")
        clients, prints = tuple(given.get("ClientIDList") or ()), tuple(given.get("ThumbprintList") or ())
        _check_lists(clients, prints)
        if any(one.fields.kind == "oidc" and one.fields.url == bare for one in self._book.providers.list(call.account)):
            raise already_exists(f"Provider with url {url} already exists.")
        spec = {
            "kind": "oidc",
            "name": bare,
            "url": bare,
            "clientIds": list(clients),
            "thumbprints": list(prints),
            "tags": check_tags(given.get("Tags")),
        }
        provider = await self._book.providers.create(call.account, f"oidc/{bare}", spec)
        return {"OpenIDConnectProviderArn": provider.arn, "Tags": tag_list(provider.fields.tags) or None}

    async def get_oidc(self, call: AwsCall) -> Members:
        provider = self._lookup.oidc(call)
        fields = provider.fields
        return {
            "Url": fields.url,
            "ClientIDList": list(fields.client_ids),
            "ThumbprintList": list(fields.thumbprints),
            "CreateDate": provider.created_at,
            "Tags": tag_list(fields.tags),
        }

    async def delete_oidc(self, call: AwsCall) -> Members:
        """One that is not there is fine, as AWS has it."""
        provider = self._lookup.provider(call.account, call.parameters["OpenIDConnectProviderArn"])
        if provider is not None:
            await self._book.providers.delete(provider)
        return {}

    async def list_oidc(self, call: AwsCall) -> Members:
        return {"OpenIDConnectProviderList": [{"Arn": one.arn} for one in self._of(call, "oidc")]}

    async def update_thumbprints(self, call: AwsCall) -> Members:
        provider = self._lookup.oidc(call)
        prints = tuple(call.parameters["ThumbprintList"])
        _check_lists((), prints)
        await self._book.providers.change(provider, {"thumbprints": list(prints)})
        return {}

    async def add_client(self, call: AwsCall) -> Members:
        provider = self._lookup.oidc(call)
        clients = tuple(dict.fromkeys([*provider.fields.client_ids, call.parameters["ClientID"]]))
        _check_lists(clients, ())
        await self._book.providers.change(provider, {"clientIds": list(clients)})
        return {}

    async def remove_client(self, call: AwsCall) -> Members:
        provider = self._lookup.oidc(call)
        clients = [one for one in provider.fields.client_ids if one != call.parameters["ClientID"]]
        await self._book.providers.change(provider, {"clientIds": clients})
        return {}

    async def create_saml(self, call: AwsCall) -> Members:
        given = call.parameters
        name = given["Name"]
        check_name("name", name)
        _check_metadata(given)
        if any(one.name.lower() == name.lower() for one in self._of(call, "saml")):
            raise already_exists(f"Identity Provider {name} already exists.")
        spec = {
            "kind": "saml",
            "name": name,
            "metadata": given["SAMLMetadataDocument"],
            "validUntil": rfc3339(self._book.tools.clock.now() + _SAML_LIFE),
            "tags": check_tags(given.get("Tags")),
        }
        provider = await self._book.providers.create(call.account, f"saml/{name}", spec)
        return {"SAMLProviderArn": provider.arn, "Tags": tag_list(provider.fields.tags) or None}

    async def get_saml(self, call: AwsCall) -> Members:
        provider = self._lookup.saml(call)
        fields = provider.fields
        return {
            "SAMLMetadataDocument": fields.metadata,
            "CreateDate": provider.created_at,
            "ValidUntil": parse_rfc3339(fields.valid_until) if fields.valid_until else None,
            "Tags": tag_list(fields.tags),
        }

    async def update_saml(self, call: AwsCall) -> Members:
        provider = self._lookup.saml(call)
        metadata = call.parameters.get("SAMLMetadataDocument")
        if metadata or len(call.parameters) > 1:
            _check_metadata(call.parameters)
            await self._book.providers.change(provider, {"metadata": metadata})
        return {"SAMLProviderArn": provider.arn}

    async def delete_saml(self, call: AwsCall) -> Members:
        provider = self._lookup.provider(call.account, call.parameters["SAMLProviderArn"])
        if provider is None:
            raise no_such("SAMLProvider not found")
        await self._book.providers.delete(provider)
        return {}

    async def list_saml(self, call: AwsCall) -> Members:
        return {
            "SAMLProviderList": [
                {
                    "Arn": one.arn,
                    "ValidUntil": parse_rfc3339(one.fields.valid_until) if one.fields.valid_until else None,
                    "CreateDate": one.created_at,
                }
                for one in self._of(call, "saml")
            ]
        }

    def _of(self, call: AwsCall, kind: str) -> list[Provider]:
        return [one for one in self._book.providers.list(call.account) if one.fields.kind == kind]


def _check_lists(clients: tuple[str, ...], prints: tuple[str, ...]) -> None:
    if len(clients) > _CLIENTS_MAX:
        raise limit_exceeded("Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: 100")
    if len(prints) > _THUMBPRINTS_MAX:
        raise invalid_input("Thumbprint list must contain fewer than 5 entries.")
    for client in clients:
        if not 1 <= len(client) <= 255:
            raise coded(
                "ValidationError",
                f"1 validation error detected: Value '{client}' at 'clientIDList' failed "
                "to satisfy constraint: Member must have length less than or equal to 255",
            )
    for one in prints:
        if len(one) != 40:
            raise validation(
                "1 validation error detected: Value at 'thumbprintList' failed to satisfy constraint: Member must "
                f"satisfy constraint: [Member must have length {'less' if len(one) > 40 else 'greater'} than or equal "
                "to 40]"
            )


def _check_metadata(given: Members) -> None:
    """A text that is no XML is kept if it is long enough, and vouches for nobody: suites of clients send such."""
    if given.get("AddPrivateKey") or given.get("RemovePrivateKey") or given.get("AssertionEncryptionMode"):
        raise unsupported("SAML assertions that are encrypted are not read")
    metadata = given.get("SAMLMetadataDocument") or ""
    if "<" in metadata or len(metadata) < _METADATA_CHARACTERS_MIN:
        read_descriptor(metadata)
