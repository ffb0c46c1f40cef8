"""Assuming a role: the trust policy decides, and a session is sealed into its token.

Source: STS API reference, AssumeRole; IAM User Guide, "Passing session tags", "Role chaining", "The confused
deputy problem" (external id).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from maru.components.aws_iam.api.authorizer import PolicyAuthorizer
from maru.components.aws_iam.api.book import Book
from maru.components.aws_iam.api.managed import Managed
from maru.components.aws_iam.errors import access_denied, coded, malformed_policy, validation
from maru.components.aws_iam.model.documents import Role
from maru.components.aws_iam.model.durations import check_session_name, role_duration_s, role_named
from maru.components.aws_iam.model.grammar import check_session_policy
from maru.components.aws_iam.model.identifiers import SESSION_KEY, key_id, secret_key
from maru.components.aws_iam.model.sessions import SessionFields, packed_percent, seal
from maru.contracts.aws_access import AwsCaller, CallerKind, Circumstances, Fact, Policy, Question
from maru.contracts.aws_service import AwsCall, AwsOperation, Members

SESSION_POLICY_CHARACTERS_MAX = 2048
SESSION_POLICIES_MAX = 10
_SAML_OF_SESSIONS = ("saml:namequalifier", "saml:sub", "saml:sub_type")  # the others are for trust policies alone


@dataclass(frozen=True, slots=True)
class Narrowing:
    """Session policies and tags as a request gives them."""

    policies: tuple[str, ...] = ()
    policy_arns: tuple[str, ...] = ()
    tags: dict[str, str] = field(default_factory=dict)
    transitive: tuple[str, ...] = ()

    @property
    def percent(self) -> int:
        """PackedPolicySize."""
        return packed_percent(self.policies, self.policy_arns, self.tags)


class Sessions:
    """Reads what narrows a session, and makes the credentials of one."""

    def __init__(self, book: Book, managed: Managed) -> None:
        self._book = book
        self._managed = managed

    def narrowing(self, given: Members, account: str, caller: AwsCaller | None = None) -> Narrowing:
        """Raises MalformedPolicyDocument, PackedPolicyTooLarge, InvalidParameterValue."""
        policies: tuple[str, ...] = ()
        text = given.get("Policy")
        if text:
            if len(text) > SESSION_POLICY_CHARACTERS_MAX:
                raise validation(
                    f"1 validation error detected: Value '{text}' at 'policy' failed to satisfy constraint: Member "
                    "must have length less than or equal to 2048"
                )
            check_session_policy(text)
            policies = (text,)
        arns = tuple(str(one["arn"]) for one in given.get("PolicyArns") or () if one.get("arn"))
        if len(arns) > SESSION_POLICIES_MAX:
            raise malformed_policy("Cannot pass more than 10 managed session policies.")
        for arn in arns:
            if self._managed.document(account, arn) is None:
                raise malformed_policy(f"Policy {arn} does not exist or is not attachable.")
        tags, transitive = _tags(given, caller)
        narrowing = Narrowing(policies, arns, tags, transitive)
        if narrowing.percent > 100:
            raise coded(
                "PackedPolicyTooLarge",
                f"Packed policy consumes {narrowing.percent}% of allotted space, please use smaller policy.",
            )
        return narrowing

    def credentials(self, fields: SessionFields) -> Members:
        """Credentials as answers have them."""
        return {
            "AccessKeyId": fields.access_key,
            "SecretAccessKey": fields.secret,
            "SessionToken": seal(fields, self._book.tools.sealer),
            "Expiration": datetime.fromtimestamp(fields.expires_at, UTC),
        }

    def key(self, account: str) -> tuple[str, str]:
        """(ID, secret) of a new session's key."""
        ids = self._book.tools.ids
        return key_id(SESSION_KEY, account, ids.secret()), secret_key(ids.secret(30))

    def now_s(self) -> int:
        """Seconds since 1970."""
        return int(self._book.tools.clock.now().timestamp())


@dataclass(frozen=True, slots=True)
class Wish:
    """What a role session is to be. provider: "" unless an identity provider vouches for it."""

    role: Role
    name: str
    narrowing: Narrowing
    source_identity: str = ""
    has_mfa: bool = False
    provider: str = ""
    provider_facts: Mapping[str, Fact] = field(default_factory=dict)


class Assuming:
    """See the module."""

    def __init__(self, book: Book, authorizer: PolicyAuthorizer, sessions: Sessions) -> None:
        self._book = book
        self._authorizer = authorizer
        self._sessions = sessions

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        return {"AssumeRole": AwsOperation(self.assume)}

    async def assume(self, call: AwsCall) -> Members:
        given, caller = call.parameters, call.caller
        check_session_name(given["RoleSessionName"])
        account, name = role_named(given["RoleArn"])
        self._check_caller(caller)
        role = self._book.roles.find(account, name)
        if role is None or role.arn != given["RoleArn"]:
            raise _refused(caller, given["RoleArn"])
        narrowing = self._sessions.narrowing(given, account, caller)
        source = given.get("SourceIdentity") or (caller.session.source_identity if caller.session else "")
        wish = Wish(role, given["RoleSessionName"], narrowing, source, self._has_mfa(given, caller))
        self._check_trust(call, wish)
        duration_s = role_duration_s(given.get("DurationSeconds"), role.fields.max_session_s, caller)
        return self.session(wish, duration_s)

    def session(self, wish: Wish, duration_s: int) -> Members:
        """The answer of every way to assume a role."""
        role, narrowing = wish.role, wish.narrowing
        access_key, secret = self._sessions.key(role.account)
        now_s = self._sessions.now_s()
        facts = {
            name: value if isinstance(value, str) else list(value)
            for name, value in wish.provider_facts.items()
            if not name.startswith("saml:") or name in _SAML_OF_SESSIONS
        }
        fields = SessionFields(
            access_key=access_key,
            secret=secret,
            kind=CallerKind.ROLE,
            account=role.account,
            arn=f"arn:aws:sts::{role.account}:assumed-role/{role.name}/{wish.name}",
            user_id=f"{role.id}:{wish.name}",
            issuer_arn=role.arn,
            issuer_id=role.id,
            issued_at=now_s,
            expires_at=now_s + duration_s,
            policies=narrowing.policies,
            policy_arns=narrowing.policy_arns,
            tags=narrowing.tags,
            transitive=narrowing.transitive,
            source_identity=wish.source_identity,
            has_mfa=wish.has_mfa,
            provider=wish.provider,
            provider_facts=facts,
        )
        return {
            "Credentials": self._sessions.credentials(fields),
            "AssumedRoleUser": {"AssumedRoleId": fields.user_id, "Arn": fields.arn},
            "PackedPolicySize": narrowing.percent or None,
            "SourceIdentity": wish.source_identity or None,
        }

    def require_trust(self, caller: AwsCaller, question: Question, circumstances: Circumstances) -> None:
        """Raises AccessDenied in STS's words: it does not say which policy was missing."""
        if not self._authorizer.decide(caller, question, circumstances).allowed:
            who = f"User: {caller.arn} is not" if caller.arn else "Not"
            on = f" on resource: {question.resource}" if caller.arn else ""
            raise access_denied(f"{who} authorized to perform: {question.action}{on}")

    def require_vouched(self, call: AwsCall, wish: Wish, action: str) -> None:
        """Raises AccessDenied unless the role's trust policy lets in whom the wish's provider vouches for."""
        facts = {**trust_facts(wish), **wish.provider_facts, "aws:FederatedProvider": wish.provider}
        actions = [action]
        if wish.narrowing.tags:
            actions.append("sts:TagSession")
        if wish.source_identity:
            actions.append("sts:SetSourceIdentity")
        for one in actions:
            question = trust_question(one, wish.role, self._book.trust(wish.role), facts)
            if not self._authorizer.allows_provider(wish.provider, question, call.circumstances):
                raise access_denied(f"Not authorized to perform {one}")

    def _check_trust(self, call: AwsCall, wish: Wish) -> None:
        given = call.parameters
        facts = trust_facts(wish)
        if given.get("ExternalId"):
            facts["sts:ExternalId"] = str(given["ExternalId"])
        actions = ["sts:AssumeRole"]
        if given.get("Tags"):
            actions.append("sts:TagSession")
        if given.get("SourceIdentity"):
            actions.append("sts:SetSourceIdentity")
        for action in actions:
            question = trust_question(action, wish.role, self._book.trust(wish.role), facts)
            self.require_trust(call.caller, question, call.circumstances)

    def _check_caller(self, caller: AwsCaller) -> None:
        if caller.kind is CallerKind.ROOT and not self._book.tools.config.root_assumes_roles:
            raise access_denied("Roles may not be assumed by root accounts.")
        if caller.kind is CallerKind.FEDERATED:
            raise access_denied("Cannot call AssumeRole with federated user credentials")

    def _has_mfa(self, given: Members, caller: AwsCaller) -> bool:
        """Whether a token code came, and is right. Raises AccessDenied."""
        if not given.get("SerialNumber"):
            return False
        if not self._book.check_code(caller, str(given["SerialNumber"]), str(given.get("TokenCode") or "")):
            raise access_denied("MultiFactorAuthentication failed with invalid MFA one time pass code. ")
        return True


def trust_question(action: str, role: Role, policy: Policy, facts: Mapping[str, Fact]) -> Question:
    """May it be done to the role, as its trust policy has it."""
    every: dict[str, Fact] = {f"aws:ResourceTag/{key}": value for key, value in role.fields.tags.items()}
    every |= {f"iam:ResourceTag/{key}": value for key, value in role.fields.tags.items()}
    every.update(facts)
    return Question(action, role.arn, role.account, policy, delegates=True, facts=every)


def trust_facts(wish: Wish) -> dict[str, Fact]:
    """What a trust policy's conditions can ask about a wish."""
    narrowing = wish.narrowing
    facts: dict[str, Fact] = {"sts:RoleSessionName": wish.name}
    if narrowing.tags:
        facts |= {f"aws:RequestTag/{key}": value for key, value in narrowing.tags.items()}
        facts["aws:TagKeys"] = tuple(narrowing.tags)
    if narrowing.transitive:
        facts["sts:TransitiveTagKeys"] = narrowing.transitive
    if wish.source_identity:
        facts["sts:SourceIdentity"] = wish.source_identity
    if wish.has_mfa:
        facts |= {"aws:MultiFactorAuthPresent": "true", "aws:MultiFactorAuthAge": "0"}
    return facts


def _tags(given: Members, caller: AwsCaller | None) -> tuple[dict[str, str], tuple[str, ...]]:
    tags: dict[str, str] = {}
    seen: set[str] = set()
    for tag in given.get("Tags") or ():
        key = str(tag["Key"])
        if key.lower() in seen:
            raise coded(
                "InvalidParameterValue",
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            )
        seen.add(key.lower())
        tags[key] = str(tag.get("Value", ""))
    transitive = tuple(str(key) for key in given.get("TransitiveTagKeys") or ())
    if any(key.lower() not in seen for key in transitive):
        raise coded("InvalidParameterValue", "The specified transitive tag key must be included in the requested tags.")
    session = caller.session if caller is not None else None
    if session is not None and session.transitive:
        inherited = {key.lower() for key in session.transitive}
        if inherited & seen:
            raise coded(
                "InvalidParameterValue",
                "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key "
                "from the calling session.",
            )
        tags |= {key: value for key, value in session.tags.items() if key.lower() in inherited}
        transitive = (*session.transitive, *transitive)
    return tags, transitive


def _refused(caller: AwsCaller, role_arn: str) -> Exception:
    return access_denied(f"User: {caller.arn} is not authorized to perform: sts:AssumeRole on resource: {role_arn}")
