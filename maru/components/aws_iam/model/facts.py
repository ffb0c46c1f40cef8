"""The condition keys of a request: those that its question brings, and the global ones from its circumstances.

Names are looked up in lower case. A key that has no value for a request is missing, which conditions can tell.
Source: IAM User Guide, "AWS global condition context keys".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from maru.contracts.aws_access import AwsCaller, CallerKind, Circumstances, Fact, Question

Values = tuple[str, ...] | None
_TYPES = {
    CallerKind.ROOT: "Account",
    CallerKind.USER: "User",
    CallerKind.ROLE: "AssumedRole",
    CallerKind.FEDERATED: "FederatedUser",
    CallerKind.ANONYMOUS: "Anonymous",
}
_PRINCIPAL_TAG = "aws:principaltag/"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the organization and the principal's own tags add; each is asked only when a condition wants it."""

    principal_tags: Mapping[str, str]
    organization_of: Callable[[str], str]
    path_of: Callable[[str], str]


class RequestFacts:
    """The facts of one request; calling it looks one up. was_asked: whether anybody did."""

    __slots__ = ("_around", "_caller", "_circumstances", "_own", "_question", "was_asked")

    def __init__(
        self, caller: AwsCaller, question: Question, circumstances: Circumstances, around: Surroundings
    ) -> None:
        self._caller = caller
        self._question = question
        self._circumstances = circumstances
        self._around = around
        self._own: dict[str, Fact] | None = None
        self.was_asked = False

    def __call__(self, name: str) -> Values:
        self.was_asked = True
        if name.startswith(_PRINCIPAL_TAG):
            return self._principal_tag(name.removeprefix(_PRINCIPAL_TAG))
        own = self._own
        if own is None:
            session = self._caller.session
            facts: dict[str, Fact] = {**session.provider_facts} if session is not None else {}
            facts.update(self._question.facts)
            own = self._own = {key.lower(): value for key, value in facts.items()}
        fact = own.get(name)
        if fact is not None:
            return (fact,) if isinstance(fact, str) else tuple(fact)
        reader = _GLOBAL.get(name)
        value = reader(self) if reader is not None else None
        return None if value is None else (value,)

    def _principal_tag(self, name: str) -> Values:
        session = self._caller.session
        for tags in (session.tags if session is not None else {}, self._around.principal_tags):
            for key, value in tags.items():
                if key.lower() == name:
                    return (value,)
        return None

    def _user_name(self) -> str | None:
        caller = self._caller
        return caller.arn.rsplit("/", 1)[-1] if caller.kind is CallerKind.USER else None

    def _principal_arn(self) -> str | None:
        caller = self._caller
        if caller.kind is CallerKind.ROLE and caller.session is not None:
            return caller.session.issuer_arn
        return caller.arn or None

    def _source_ip(self) -> str | None:
        return None if self._caller.via or self._is_service() else self._circumstances.source_ip

    def _token_issue_time(self) -> str | None:
        session = self._caller.session
        return session.issued_at.strftime("%Y-%m-%dT%H:%M:%SZ") if session is not None else None

    def _has_mfa(self) -> str | None:
        session = self._caller.session
        return None if session is None else _claim(session.has_mfa)

    def _mfa_age(self) -> str | None:
        session = self._caller.session
        if session is None or not session.has_mfa:
            return None
        return str(int((self._circumstances.now - session.issued_at).total_seconds()))

    def _source_identity(self) -> str | None:
        session = self._caller.session
        return (session.source_identity or None) if session is not None else None

    def _provider(self) -> str | None:
        session = self._caller.session
        return (session.provider or None) if session is not None else None

    def _is_service(self) -> bool:
        return self._caller.kind is CallerKind.SERVICE

    def _resource_account(self) -> str:
        return self._question.account or self._caller.account


def _claim(holds: bool) -> str:
    return "true" if holds else "false"


_GLOBAL: Mapping[str, Callable[[RequestFacts], str | None]] = {
    "aws:currenttime": lambda facts: facts._circumstances.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
    "aws:epochtime": lambda facts: str(int(facts._circumstances.now.timestamp())),
    "aws:tokenissuetime": RequestFacts._token_issue_time,
    "aws:securetransport": lambda facts: _claim(facts._circumstances.is_secure),
    "aws:sourceip": RequestFacts._source_ip,
    "aws:useragent": lambda facts: facts._circumstances.user_agent or None,
    "aws:referer": lambda facts: facts._circumstances.referer or None,
    "aws:requestedregion": lambda facts: facts._circumstances.region,
    "aws:principalarn": RequestFacts._principal_arn,
    "aws:principalaccount": lambda facts: facts._caller.account or None,
    "aws:principaltype": lambda facts: _TYPES.get(facts._caller.kind),
    "aws:principalisawsservice": lambda facts: _claim(facts._is_service()),
    "aws:principalservicename": lambda facts: facts._caller.service or None,
    "aws:principalservicenameslist": lambda facts: facts._caller.service or None,
    "aws:principalorgid": lambda facts: facts._around.organization_of(facts._caller.account) or None,
    "aws:principalorgpaths": lambda facts: facts._around.path_of(facts._caller.account) or None,
    "aws:resourceaccount": lambda facts: facts._resource_account() or None,
    "aws:resourceorgid": lambda facts: facts._around.organization_of(facts._resource_account()) or None,
    "aws:resourceorgpaths": lambda facts: facts._around.path_of(facts._resource_account()) or None,
    "aws:userid": lambda facts: facts._caller.user_id or None,
    "aws:username": RequestFacts._user_name,
    "aws:multifactorauthpresent": RequestFacts._has_mfa,
    "aws:multifactorauthage": RequestFacts._mfa_age,
    "aws:sourceidentity": RequestFacts._source_identity,
    "aws:federatedprovider": RequestFacts._provider,
    "aws:viaawsservice": lambda facts: _claim(bool(facts._caller.via)),
    "aws:calledvia": lambda facts: facts._caller.via or None,
    "aws:calledviafirst": lambda facts: facts._caller.via or None,
    "aws:calledvialast": lambda facts: facts._caller.via or None,
}
