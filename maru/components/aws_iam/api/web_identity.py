"""Assuming a role by a token of an OpenID Connect provider: of Maru's own service accounts (IAM roles for
service accounts), or of any other that the role's account has as a provider.

Source: STS API reference, AssumeRoleWithWebIdentity; IAM User Guide, "Available keys for AWS OIDC federation".
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

import msgspec

from maru.components.aws_iam.api.assuming import Assuming, Sessions, Wish
from maru.components.aws_iam.api.book import Book
from maru.components.aws_iam.engine.key_sets import KeySets
from maru.components.aws_iam.errors import access_denied, coded
from maru.components.aws_iam.model.documents import Provider
from maru.components.aws_iam.model.durations import check_session_name, role_duration_s, role_named
from maru.contracts.aws_access import ANONYMOUS, Fact
from maru.contracts.aws_service import AwsCall, AwsOperation, Members
from maru.core.document import Value
from maru.core.errors import Unauthenticated
from maru.core.identity.tokens import TokenIssuer

ALGORITHMS = ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512"]
_ACTION = "sts:AssumeRoleWithWebIdentity"
_TAGS, _SOURCE_IDENTITY = "https://aws.amazon.com/tags", "https://aws.amazon.com/source_identity"


class WebIdentity:
    """See the module."""

    def __init__(self, book: Book, sessions: Sessions, assuming: Assuming, tokens: TokenIssuer) -> None:
        self._book = book
        self._sessions = sessions
        self._assuming = assuming
        self._tokens = tokens
        self._key_sets = KeySets(book.tools.clock)

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name; the token, not a signature, says who asks."""
        return {"AssumeRoleWithWebIdentity": AwsOperation(self.assume)}

    async def assume(self, call: AwsCall) -> Members:
        given = call.parameters
        check_session_name(given["RoleSessionName"])
        account, name = role_named(given["RoleArn"])
        claims = _unverified(given["WebIdentityToken"])
        provider = self._provider(account, str(claims.get("iss", "")))
        claims = await self._verified(given["WebIdentityToken"], provider)
        role = self._book.roles.find(account, name)
        if role is None or role.arn != given["RoleArn"]:
            raise access_denied(f"Not authorized to perform {_ACTION}")
        narrowing = self._sessions.narrowing({**given, **_tags(claims)}, account)
        source = str(claims.get(_SOURCE_IDENTITY) or "")
        facts = _facts(provider, claims)
        wish = Wish(role, given["RoleSessionName"], narrowing, source, provider=provider.arn, provider_facts=facts)
        self._assuming.require_vouched(call, wish, _ACTION)
        duration_s = role_duration_s(given.get("DurationSeconds"), role.fields.max_session_s, ANONYMOUS)
        answer = self._assuming.session(wish, duration_s)
        audience = claims.get("aud")
        return {
            **answer,
            "SubjectFromWebIdentityToken": str(claims["sub"]),
            "Audience": str(audience[0] if isinstance(audience, list) else audience),
            "Provider": provider.arn,
        }

    def _provider(self, account: str, issuer: str) -> Provider:
        bare = issuer.removeprefix("https://").rstrip("/")
        for provider in self._book.providers.list(account):
            if provider.fields.kind == "oidc" and provider.fields.url == bare:
                return provider
        raise coded("InvalidIdentityToken", f"No OpenIDConnect provider found in your account for {issuer}")

    async def _verified(self, token: str, provider: Provider) -> Value:
        """The claims. Raises InvalidIdentityToken, ExpiredTokenException."""
        from joserfc import jwt  # only where tokens come
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        own = self._tokens.issuer.removeprefix("https://").rstrip("/") == provider.fields.url
        keys = self._tokens.jwks() if own else await self._key_sets.fetch(provider.fields.url)
        try:
            claims: Value = dict(jwt.decode(token, KeySet.import_key_set(keys), ALGORITHMS).claims)  # type: ignore[arg-type]
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise coded("InvalidIdentityToken", "Provided Token is not a valid token") from error
        now_s = self._sessions.now_s()
        expires = claims.get("exp")
        if not isinstance(expires, int | float) or "sub" not in claims:
            raise coded("InvalidIdentityToken", "Missing a required claim: exp, sub")
        if expires <= now_s:
            raise coded(
                "ExpiredTokenException",
                "Token expired: current date/time must be before the expiration date/time in the token",
            )
        audiences = claims.get("aud")
        several = audiences if isinstance(audiences, list) else [audiences]
        if not set(provider.fields.client_ids) & {str(one) for one in several}:
            raise coded("InvalidIdentityToken", "Incorrect token audience")
        if own:
            try:
                self._tokens.verify(token, [str(one) for one in several])
            except Unauthenticated as error:
                raise coded("InvalidIdentityToken", f"Provided Token is not valid: {error.why}") from error
        return claims


def _facts(provider: Provider, claims: Value) -> dict[str, Fact]:
    """The provider's condition keys: its URL, a colon, and the claim."""
    facts: dict[str, Fact] = {}
    for name in ("sub", "aud", "azp", "amr", "oaud", "email", "id", "user_id", "app_id"):
        value = claims.get(name)
        if isinstance(value, list):
            facts[f"{provider.fields.url}:{name}"] = tuple(str(one) for one in value)
        elif value is not None:
            facts[f"{provider.fields.url}:{name}"] = str(value)
    return facts


def _tags(claims: Value) -> Members:
    """Session tags as an AssumeRole request has them. Raises InvalidIdentityToken."""
    said = claims.get(_TAGS) or {}
    try:
        tags = [{"Key": key, "Value": values[0]} for key, values in dict(said.get("principal_tags") or {}).items()]
        transitive = [str(key) for key in said.get("transitive_tag_keys") or ()]
    except (AttributeError, TypeError, ValueError, IndexError, KeyError) as error:
        raise coded("InvalidIdentityToken", f"The claim {_TAGS} is not of the form that sessions take") from error
    return {"Tags": tags, "TransitiveTagKeys": transitive}


def _unverified(token: str) -> Value:
    """The claims, to learn the issuer from. Raises InvalidIdentityToken."""
    parts = token.split(".")
    try:
        padded = parts[1] + "=" * (-len(parts[1]) % 4)
        claims = msgspec.json.decode(base64.urlsafe_b64decode(padded))
    except (IndexError, binascii.Error, ValueError, msgspec.DecodeError) as error:
        raise coded(
            "InvalidIdentityToken",
            "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)",
        ) from error
    if not isinstance(claims, dict):
        raise coded("InvalidIdentityToken", "The ID Token provided is not a valid JWT.")
    return claims
