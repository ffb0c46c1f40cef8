"""Finds who an access key belongs to: a lasting key's user in the book, a session in its own token.

Opened tokens and unsealed secrets are remembered, by the edition of the account they are of.
Source: IAM User Guide, "Access keys"; STS API reference, "Common errors".
"""

from __future__ import annotations

import base64
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime

from maru.components.aws_iam.api.book import Book
from maru.components.aws_iam.api.last_uses import LastUses
from maru.components.aws_iam.api.managed import Managed
from maru.components.aws_iam.model.documents import Key, User, decoded
from maru.components.aws_iam.model.sessions import SessionFields, open_token
from maru.contracts.aws_access import AwsCaller, AwsSession, CallerKind, Credential
from maru.core.errors import Unauthenticated

INVALID = "The security token included in the request is invalid."
ANY_EDITION = -1
EXPIRED = "The security token included in the request is expired"


def root_arn(account: str) -> str:
    """The ARN of an account's root user."""
    return f"arn:aws:iam::{account}:root"


@dataclass(frozen=True, slots=True)
class Remembered:
    """edition: of its account when it was found, ANY_EDITION for what no change touches. key, user: it came from."""

    edition: int
    credential: Credential
    key: Key | None = None
    user: User | None = None


class Credentials:
    """See contracts/aws_access.AwsCredentials."""

    def __init__(self, book: Book, managed: Managed, uses: LastUses) -> None:
        self._book = book
        self._managed = managed
        self._uses = uses
        self._remembered: OrderedDict[tuple[str, str], Remembered] = OrderedDict()

    def find(self, access_key: str, token: str) -> Credential:
        """A local read. Raises Unauthenticated: InvalidClientTokenId, ExpiredToken."""
        place = (access_key, token)
        known = self._remembered.get(place)
        if known is not None and known.edition in (ANY_EDITION, self._book.edition(known.credential.caller.account)):
            credential = known.credential
        else:
            remembered = self._fresh(access_key, token, known)
            credential = remembered.credential
            self._remembered[place] = remembered
            if len(self._remembered) > self._book.tools.config.sessions_kept_max:
                self._remembered.popitem(last=False)
        session = credential.caller.session
        if session is not None and session.expires_at <= self._book.tools.clock.now():
            raise Unauthenticated(what=EXPIRED, why="", code="ExpiredToken", status=403)
        return credential

    def used(self, caller: AwsCaller, service: str, region: str, at: datetime) -> None:
        """A local write; the store hears of it within a minute."""
        self._uses.note(caller, service, region, at)

    def _fresh(self, access_key: str, token: str, known: Remembered | None) -> Remembered:
        """Found anew, but the same object where nothing changed."""
        if token:
            return self._of_session(access_key, token)
        key = self._book.key(access_key)
        if key is None:
            raise _invalid()
        edition = self._book.edition(key.account)
        user = self._book.users.find(key.account, key.fields.user) if key.fields.user else None
        if known is not None and known.key is key and known.user is user:
            return Remembered(edition, known.credential, key, user)
        return Remembered(edition, self._lasting(key, user), key, user)

    def _of_session(self, access_key: str, token: str) -> Remembered:
        fields = open_token(token, self._book.tools.sealer)
        if fields is None or fields.access_key != access_key:
            raise _invalid()
        edition = self._book.edition(fields.account) if fields.policy_arns else ANY_EDITION
        return Remembered(edition, self._session(fields, token))

    def _lasting(self, key: Key, user: User | None) -> Credential:
        if key.fields.status != "Active":
            raise _invalid()
        access_key = key.fields.id
        caller = AwsCaller(CallerKind.ROOT, key.account, root_arn(key.account), key.account, access_key)
        if key.fields.user:
            if user is None:
                raise _invalid()
            caller = AwsCaller(CallerKind.USER, key.account, user.arn, user.id, access_key)
        return Credential(secret_of(self._book, key), caller)

    def _session(self, fields: SessionFields, token: str) -> Credential:
        policies = [decoded(text) for text in fields.policies]
        for arn in fields.policy_arns:
            policy = self._managed.document(fields.account, arn)
            policies.append(decoded(policy) if policy is not None else {})
        return Credential(fields.secret, _caller(fields, tuple(policies)), token)


def _caller(fields: SessionFields, policies: tuple[dict[str, object], ...]) -> AwsCaller:
    facts = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.provider_facts.items()}
    session = AwsSession(
        issuer_arn=fields.issuer_arn,
        expires_at=datetime.fromtimestamp(fields.expires_at, UTC),
        issued_at=datetime.fromtimestamp(fields.issued_at, UTC),
        policies=policies,
        tags=fields.tags,
        transitive=fields.transitive,
        source_identity=fields.source_identity,
        has_mfa=fields.has_mfa,
        provider=fields.provider,
        provider_facts=facts,
    )
    kind = CallerKind(fields.kind)
    return AwsCaller(kind, fields.account, fields.arn, fields.user_id, fields.access_key, session)


def key_context(key_id: str) -> bytes:
    """What an access key's secret is sealed with."""
    return f"iam access key {key_id}".encode()


def secret_of(book: Book, key: Key) -> str:
    """The secret of a lasting key. Raises Broken if it was changed or moved."""
    sealed = base64.b64decode(key.fields.sealed)
    return book.tools.sealer.open(sealed, key_context(key.fields.id)).decode()


def _invalid() -> Unauthenticated:
    return Unauthenticated(what=INVALID, why="", code="InvalidClientTokenId", status=403)
