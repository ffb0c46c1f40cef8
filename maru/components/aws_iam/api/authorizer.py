"""The policy engine over what is stored: finds the policies that bear on a caller and a question, and decides.

What a caller's policies are is put together once and kept until something in its account changes; documents
are compiled once for each text. So a decision is one walk over compiled statements.
Source: IAM User Guide, "Policy evaluation logic".
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from maru.components.aws_iam.api.book import Book
from maru.components.aws_iam.api.managed import Managed
from maru.components.aws_iam.model.documents import Group, Role, User, Written, decoded
from maru.components.aws_iam.model.facts import RequestFacts, Surroundings
from maru.components.aws_iam.model.policy.evaluation import Decision, Layers, Levels, evaluate
from maru.components.aws_iam.model.policy.request import Principal, Request
from maru.components.aws_iam.model.policy.statements import CompiledPolicy, compile_policy
from maru.components.aws_iam.model.policy.wording import account_of
from maru.contracts.aws_access import (
    ANONYMOUS,
    AwsCaller,
    CallerKind,
    Circumstances,
    Guardrails,
    Policy,
    Question,
    Verdict,
)
from maru.core.errors import Denied

SCP, RCP = "SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"
RCP_SERVICES = frozenset(
    ["s3", "sts", "kms", "sqs", "secretsmanager", "ecr", "aoss", "cognito-identity", "cognito-idp", "logs", "dynamodb"]
)
_CODES = {"iam": "AccessDenied", "sts": "AccessDenied", "s3": "AccessDenied", "ec2": "UnauthorizedOperation"}
STANDINGS_MAX = 10_000
COMPILED_MAX = 20_000


@dataclass(frozen=True, slots=True)
class Standing:
    """What binds a caller wherever it asks. caller: of whom it was made."""

    caller: AwsCaller
    edition: int
    principal: Principal
    identity: Sequence[CompiledPolicy] = ()
    boundary: CompiledPolicy | None = None
    session: Sequence[CompiledPolicy] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


class PolicyAuthorizer:
    """See contracts/aws_access.AwsAuthorizer. Policies in questions are never changed by whoever asks."""

    def __init__(self, book: Book, managed: Managed, guardrails: Sequence[Guardrails]) -> None:
        self._book = book
        self._managed = managed
        self._guardrails = guardrails
        self._standings: OrderedDict[tuple[str, str], Standing] = OrderedDict()
        self._texts: OrderedDict[tuple[str, str], CompiledPolicy] = OrderedDict()
        self._values: OrderedDict[int, tuple[Policy, CompiledPolicy]] = OrderedDict()

    def decide(self, caller: AwsCaller, question: Question, circumstances: Circumstances) -> Verdict:
        """A local read."""
        decision, request = self.evaluate(caller, question, circumstances)
        if decision.is_allowed:
            return Verdict(True, decision.kind, "", _labels(decision))
        return Verdict(False, decision.kind, account_of(decision, request), _labels(decision))

    def require(self, caller: AwsCaller, question: Question, circumstances: Circumstances) -> None:
        """Raises Denied in AWS's words."""
        decision, request = self.evaluate(caller, question, circumstances)
        if not decision.is_allowed:
            code = _CODES.get(question.action.split(":", 1)[0], "AccessDeniedException")
            status = 400 if code == "AccessDeniedException" else 403
            raise Denied(what=account_of(decision, request), why="", code=code, status=status)

    def evaluate(self, caller: AwsCaller, question: Question, circumstances: Circumstances) -> tuple[Decision, Request]:
        """The decision itself, for those who want the statements."""
        return self._held_against(self.standing(caller), question, circumstances)

    def allows_provider(self, provider: str, question: Question, circumstances: Circumstances) -> bool:
        """Whether a resource's policy (a role's trust) lets in whom identity provider `provider` vouches for."""
        standing = Standing(ANONYMOUS, 0, Principal("", "", provider=provider, is_anonymous=True))
        return self._held_against(standing, question, circumstances)[0].is_allowed

    def _held_against(
        self, standing: Standing, question: Question, circumstances: Circumstances
    ) -> tuple[Decision, Request]:
        caller = standing.caller
        around = Surroundings(standing.tags, self._organization_of, self._path_of)
        request = Request(
            standing.principal,
            question.action,
            question.action.lower(),
            question.resource,
            question.account or caller.account,
            RequestFacts(caller, question, circumstances, around),
        )
        resource = question.resource_policy
        layers = Layers(
            standing.identity,
            standing.boundary,
            standing.session,
            self._of_value("the resource's policy", resource) if resource is not None else None,
            self._scps(standing.principal) if self._guardrails else (),
            self._rcps(request) if self._guardrails else (),
            question.delegates,
        )
        return evaluate(request, layers), request

    def standing(self, caller: AwsCaller) -> Standing:
        """What binds `caller`, as of now."""
        place = (caller.arn, caller.access_key)
        edition = self._book.edition(caller.account)
        have = self._standings.get(place)
        if have is not None and have.edition == edition and (have.caller is caller or have.caller == caller):
            return have
        standing = self._made(caller, edition)
        self._standings[place] = standing
        if len(self._standings) > STANDINGS_MAX:
            self._standings.popitem(last=False)
        return standing

    def _made(self, caller: AwsCaller, edition: int) -> Standing:
        session = caller.session
        bounds: Sequence[CompiledPolicy] | None = None
        if session is not None and (session.policies or caller.kind is CallerKind.FEDERATED):
            bounds = [self._of_value("a session policy", policy) for policy in session.policies]
        match caller.kind:
            case CallerKind.USER:
                return self._of_user(caller, edition, bounds)
            case CallerKind.ROLE:
                return self._of_role(caller, edition, bounds)
            case CallerKind.FEDERATED:
                return self._of_federated(caller, edition, bounds)
            case CallerKind.ROOT:
                principal = Principal(caller.account, caller.arn, user_id=caller.user_id, is_root=True)
            case CallerKind.SERVICE:
                principal = Principal("", caller.arn, service=caller.service, user_id=caller.user_id)
            case _:
                principal = Principal("", "", is_anonymous=True)
        return Standing(caller, edition, principal, session=bounds)

    def _of_user(self, caller: AwsCaller, edition: int, bounds: Sequence[CompiledPolicy] | None) -> Standing:
        principal = Principal(caller.account, caller.arn, user_id=caller.user_id)
        user = self._book.users.find(caller.account, caller.arn.rsplit("/", 1)[-1])
        if user is None or user.id != caller.user_id:
            return Standing(caller, edition, principal, session=bounds)
        policies = self.policies_of_user(user)
        boundary = self.boundary(caller.account, user.fields.boundary)
        return Standing(caller, edition, principal, policies, boundary, bounds, user.fields.tags)

    def _of_federated(self, caller: AwsCaller, edition: int, bounds: Sequence[CompiledPolicy] | None) -> Standing:
        assert caller.session is not None
        principal = Principal(caller.account, caller.arn, user_id=caller.user_id, is_federated=True)
        maker = caller.session.issuer_arn
        if maker.endswith(":root"):
            everything = (_EVERYTHING,)
            return Standing(caller, edition, principal, everything, None, bounds)
        user = self._book.users.find(caller.account, maker.rsplit("/", 1)[-1])
        if user is None or user.arn != maker:
            return Standing(caller, edition, principal, session=bounds)
        boundary = self.boundary(caller.account, user.fields.boundary)
        return Standing(caller, edition, principal, self.policies_of_user(user), boundary, bounds)

    def _of_role(self, caller: AwsCaller, edition: int, bounds: Sequence[CompiledPolicy] | None) -> Standing:
        issuer = caller.session.issuer_arn if caller.session is not None else ""
        role = self._book.roles.find(caller.account, issuer.rsplit("/", 1)[-1])
        is_linked = role is not None and bool(role.fields.service)
        principal = Principal(caller.account, caller.arn, issuer, user_id=caller.user_id, is_service_linked=is_linked)
        if role is None or role.id != caller.user_id.split(":", 1)[0]:
            return Standing(caller, edition, principal, session=bounds)
        boundary = self.boundary(caller.account, role.fields.boundary)
        return Standing(caller, edition, principal, self.policies_of_role(role), boundary, bounds, role.fields.tags)

    def policies_of_user(self, user: User) -> Sequence[CompiledPolicy]:
        """Inline, attached, and those of its groups."""
        found = self._of_holder(user.account, user.arn, user.fields.policies, user.fields.attached)
        for name in user.fields.groups:
            group = self._book.groups.find(user.account, name)
            if group is not None:
                found += self._of_holder(group.account, group.arn, group.fields.policies, group.fields.attached)
        return found

    def policies_of_group(self, group: Group) -> Sequence[CompiledPolicy]:
        """Inline and attached."""
        return self._of_holder(group.account, group.arn, group.fields.policies, group.fields.attached)

    def policies_of_role(self, role: Role) -> Sequence[CompiledPolicy]:
        """Inline and attached."""
        return self._of_holder(role.account, role.arn, role.fields.policies, role.fields.attached)

    def boundary(self, account: str, arn: str) -> CompiledPolicy | None:
        """The permissions boundary `arn` ("" for none); one that is gone allows nothing."""
        if not arn:
            return None
        document = self._managed.document(account, arn)
        return self.of_text(arn, document if document is not None else {})

    def of_text(self, name: str, written: Written) -> CompiledPolicy:
        """A policy compiled; once for each name and text."""
        if not isinstance(written, str):
            return compile_policy(name, written)
        place = (name, written)
        compiled = self._texts.get(place)
        if compiled is None:
            compiled = self._texts[place] = compile_policy(name, decoded(written))
            if len(self._texts) > COMPILED_MAX:
                self._texts.popitem(last=False)
        return compiled

    def _of_holder(
        self, account: str, holder: str, inline: Mapping[str, Written], attached: Sequence[str]
    ) -> list[CompiledPolicy]:
        found = [self.of_text(f"{holder}, inline policy {name}", written) for name, written in inline.items()]
        for arn in attached:
            document = self._managed.document(account, arn)
            if document is not None:
                found.append(self.of_text(arn, document))
        return found

    def _of_value(self, name: str, policy: Policy) -> CompiledPolicy:
        """By identity: the entry holds the policy, so that no other can have its id."""
        have = self._values.get(id(policy))
        if have is not None:
            return have[1]
        compiled = compile_policy(name, policy)
        self._values[id(policy)] = (policy, compiled)
        if len(self._values) > COMPILED_MAX:
            self._values.popitem(last=False)
        return compiled

    def _scps(self, principal: Principal) -> Levels:
        if not principal.account or principal.is_service_linked:
            return ()
        return self._levels(principal.account, SCP)

    def _rcps(self, request: Request) -> Levels:
        if request.principal.is_service_linked or request.action.split(":", 1)[0] not in RCP_SERVICES:
            return ()
        return self._levels(request.resource_account, RCP)

    def _levels(self, account: str, kind: str) -> Levels:
        return [
            [self._of_value(policy_id, policy) for policy_id, policy in level]
            for guardrails in self._guardrails
            for level in guardrails.above(account, kind)
        ]

    def _organization_of(self, account: str) -> str:
        return next((found for one in self._guardrails if account and (found := one.organization_of(account))), "")

    def _path_of(self, account: str) -> str:
        return next((found for one in self._guardrails if account and (found := one.path_of(account))), "")


_EVERYTHING = compile_policy(
    "the account's root user", {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
)


def _labels(decision: Decision) -> Sequence[str]:
    return tuple(statement.label for statement in decision.statements)
