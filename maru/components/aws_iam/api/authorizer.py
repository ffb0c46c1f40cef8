"""The policy engine over what is stored: finds the policies that bear on a caller and a question, and decides.

What a caller's policies are is put together once; after a change in its account it is looked at again and
kept if nothing of it changed. Documents are compiled once for each text. A decision for which no fact of the
request was asked is kept, too: it depends on nothing but the policies, the action and the resource.
Source: IAM User Guide, "Policy evaluation logic".
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import is_

from maru.components.aws_iam.api.book import Book
from maru.components.aws_iam.api.managed import Managed
from maru.components.aws_iam.model.documents import Group, Role, User, Written, decoded
from maru.components.aws_iam.model.facts import RequestFacts, Surroundings
from maru.components.aws_iam.model.policy.evaluation import ALLOWED, Decision, Layers, Levels, evaluate
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
_BEYOND_RCPS = frozenset(["kms:RetireGrant", "sts:GetCallerIdentity"])
_CODES = {"iam": "AccessDenied", "sts": "AccessDenied", "s3": "AccessDenied", "ec2": "UnauthorizedOperation"}
STANDINGS_MAX = 10_000
COMPILED_MAX = 20_000
VALUES_MAX = 4_096
DECISIONS_MAX = 8_192


@dataclass(frozen=True, slots=True)
class Standing:
    """What binds a caller wherever it asks. caller: of whom it was made."""

    caller: AwsCaller
    principal: Principal
    identity: Sequence[CompiledPolicy] = ()
    boundary: CompiledPolicy | None = None
    session: Sequence[CompiledPolicy] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Settled:
    """A decision that no fact of the request bore on. The rest is held so that its ids stay its own."""

    decision: Decision
    standing: Standing
    layers: Layers


class PolicyAuthorizer:
    """See contracts/aws_access.AwsAuthorizer. Policies in questions are never changed by whoever asks."""

    def __init__(self, book: Book, managed: Managed, guardrails: Sequence[Guardrails]) -> None:
        self._book = book
        self._managed = managed
        self.guardrails = guardrails
        self._standings: OrderedDict[tuple[str, str], tuple[int, Standing]] = OrderedDict()
        self._texts: OrderedDict[tuple[str, str], CompiledPolicy] = OrderedDict()
        self._values: OrderedDict[int, tuple[Policy, CompiledPolicy]] = OrderedDict()
        self._compiled_levels: dict[tuple[str, str], tuple[Sequence[object], Levels]] = {}
        self._settled: dict[tuple[int, str, str, str, int, int, int, bool], Settled] = {}

    def decide(self, caller: AwsCaller, question: Question, circumstances: Circumstances) -> Verdict:
        """A local read."""
        standing = self.standing(caller)
        decision = self._decision(standing, question, circumstances)
        if decision.is_allowed:
            return Verdict(True, decision.kind, "", _labels(decision))
        said = account_of(decision, self.request(standing, question, circumstances))
        return Verdict(False, decision.kind, said, _labels(decision))

    def require(self, caller: AwsCaller, question: Question, circumstances: Circumstances) -> None:
        """Raises Denied in AWS's words."""
        standing = self.standing(caller)
        decision = self._decision(standing, question, circumstances)
        if decision.kind != ALLOWED:
            code = _CODES.get(question.action.split(":", 1)[0], "AccessDeniedException")
            status = 400 if code == "AccessDeniedException" else 403
            said = account_of(decision, self.request(standing, question, circumstances))
            raise Denied(what=said, why="", code=code, status=status)

    def allows_provider(self, provider: str, question: Question, circumstances: Circumstances) -> bool:
        """Whether a resource's policy (a role's trust) lets in whom identity provider `provider` vouches for."""
        standing = Standing(ANONYMOUS, Principal("", "", provider=provider, is_anonymous=True))
        return self._decision(standing, question, circumstances).is_allowed

    def request(self, standing: Standing, question: Question, circumstances: Circumstances) -> Request:
        """A question as policies are held against it."""
        caller = standing.caller
        around = Surroundings(standing.tags, self._organization_of, self._path_of)
        return Request(
            standing.principal,
            question.action,
            question.action.lower(),
            question.resource,
            question.account or caller.account,
            RequestFacts(caller, question, circumstances, around),
        )

    def layers(self, standing: Standing, question: Question) -> Layers:
        """Every policy that bears on a question."""
        resource = question.resource_policy
        compiled = self._of_value("the resource's policy", resource) if resource is not None else None
        return Layers(
            standing.identity,
            standing.boundary,
            standing.session,
            compiled,
            self._scps(standing.principal),
            self._rcps(standing.principal, question, question.account or standing.caller.account),
            question.delegates,
        )

    def _decision(self, standing: Standing, question: Question, circumstances: Circumstances) -> Decision:
        policy = question.resource_policy
        if policy is None:
            resource_id = 0
        else:
            have = self._values.get(id(policy))
            resource_id = id((have or self._value_compiled("the resource's policy", policy))[1])
        scps: Levels = ()
        rcps: Levels = ()
        if self.guardrails:
            scps = self._scps(standing.principal)
            rcps = self._rcps(standing.principal, question, question.account or standing.caller.account)
        place = (
            id(standing), question.action, question.resource, question.account, resource_id, id(scps), id(rcps),
            question.delegates,
        )  # fmt: skip
        settled = self._settled.get(place)
        if settled is not None:
            return settled.decision
        request, layers = self.request(standing, question, circumstances), self.layers(standing, question)
        decision = evaluate(request, layers)
        facts = request.facts
        assert isinstance(facts, RequestFacts)
        if not facts.was_asked:
            if len(self._settled) >= DECISIONS_MAX:
                self._settled.clear()
            self._settled[place] = Settled(decision, standing, layers)
        return decision

    def standing(self, caller: AwsCaller) -> Standing:
        """What binds `caller`, as of now; the same object as long as it is the same."""
        place = (caller.arn, caller.access_key)
        edition = self._book.edition(caller.account)
        kept = self._standings.get(place)
        if kept is not None and kept[0] == edition and (kept[1].caller is caller or kept[1].caller == caller):
            return kept[1]
        standing = self._made(caller)
        if kept is not None and _is_same(kept[1], standing):
            standing = kept[1]
        self._standings[place] = (edition, standing)
        if len(self._standings) > STANDINGS_MAX:
            self._standings.popitem(last=False)
        return standing

    def _made(self, caller: AwsCaller) -> Standing:
        session = caller.session
        bounds: Sequence[CompiledPolicy] | None = None
        if session is not None and (session.policies or caller.kind is CallerKind.FEDERATED):
            bounds = [self._of_value("a session policy", policy) for policy in session.policies]
        match caller.kind:
            case CallerKind.USER:
                return self._of_user(caller, bounds)
            case CallerKind.ROLE:
                return self._of_role(caller, bounds)
            case CallerKind.FEDERATED:
                return self._of_federated(caller, bounds)
            case CallerKind.ROOT:
                if bounds:  # a task's policy only denies: all else a root user may
                    bounds = [*bounds, _EVERYTHING]
                principal = Principal(caller.account, caller.arn, user_id=caller.user_id, is_root=True)
            case CallerKind.SERVICE:
                principal = Principal("", caller.arn, service=caller.service, user_id=caller.user_id)
            case _:
                principal = Principal("", "", is_anonymous=True)
        return Standing(caller, principal, session=bounds)

    def _of_user(self, caller: AwsCaller, bounds: Sequence[CompiledPolicy] | None) -> Standing:
        principal = Principal(caller.account, caller.arn, user_id=caller.user_id)
        user = self._book.users.find(caller.account, caller.arn.rsplit("/", 1)[-1])
        if user is None or user.id != caller.user_id:
            return Standing(caller, principal, session=bounds)
        policies = self.policies_of_user(user)
        boundary = self.boundary(caller.account, user.fields.boundary)
        return Standing(caller, principal, policies, boundary, bounds, user.fields.tags)

    def _of_federated(self, caller: AwsCaller, bounds: Sequence[CompiledPolicy] | None) -> Standing:
        assert caller.session is not None
        maker = caller.session.issuer_arn
        made_by = "" if maker.endswith(":root") else maker
        principal = Principal(caller.account, caller.arn, made_by, user_id=caller.user_id, is_federated=True)
        if maker.endswith(":root"):
            everything = (_EVERYTHING,)
            return Standing(caller, principal, everything, None, bounds)
        user = self._book.users.find(caller.account, maker.rsplit("/", 1)[-1])
        if user is None or user.arn != maker:
            return Standing(caller, principal, session=bounds)
        boundary = self.boundary(caller.account, user.fields.boundary)
        return Standing(caller, principal, self.policies_of_user(user), boundary, bounds)

    def _of_role(self, caller: AwsCaller, bounds: Sequence[CompiledPolicy] | None) -> Standing:
        issuer = caller.session.issuer_arn if caller.session is not None else ""
        role = self._book.roles.find(caller.account, issuer.rsplit("/", 1)[-1])
        is_linked = role is not None and bool(role.fields.service)
        principal = Principal(caller.account, caller.arn, issuer, user_id=caller.user_id, is_service_linked=is_linked)
        if role is None or role.id != caller.user_id.split(":", 1)[0]:
            return Standing(caller, principal, session=bounds)
        boundary = self.boundary(caller.account, role.fields.boundary)
        return Standing(caller, principal, self.policies_of_role(role), boundary, bounds, role.fields.tags)

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
        have = self._values.get(id(policy))
        return have[1] if have is not None else self._value_compiled(name, policy)[1]

    def _value_compiled(self, name: str, policy: Policy) -> tuple[Policy, CompiledPolicy]:
        """By identity: the entry holds the policy, so that no other can have its id."""
        entry = self._values[id(policy)] = (policy, compile_policy(name, policy))
        if len(self._values) > VALUES_MAX:
            self._values.popitem(last=False)
        return entry

    def _scps(self, principal: Principal) -> Levels:
        if not principal.account or principal.is_service_linked:
            return ()
        return self._levels(principal.account, SCP)

    def _rcps(self, principal: Principal, question: Question, account: str) -> Levels:
        action = question.action
        if principal.is_service_linked or action in _BEYOND_RCPS or action.split(":", 1)[0] not in RCP_SERVICES:
            return ()
        return self._levels(account, RCP)

    def _levels(self, account: str, kind: str) -> Levels:
        """The same object as long as the guardrails answer the same ones."""
        if not self.guardrails:
            return ()
        found = [guardrails.above(account, kind) for guardrails in self.guardrails]
        kept = self._compiled_levels.get((account, kind))
        if kept is not None and (
            kept[0][0] is found[0] if len(found) == 1 else all(map(is_, kept[0], found))  # the usual one, quickly
        ):
            return kept[1]
        levels = [
            [self._of_value(policy_id, policy) for policy_id, policy in level] for several in found for level in several
        ]
        if len(self._compiled_levels) >= STANDINGS_MAX:
            self._compiled_levels.clear()
        self._compiled_levels[account, kind] = (found, levels)
        return levels

    def scps_of(self, account: str) -> Levels:
        """The service control policies that bind an account's principals."""
        return self._levels(account, SCP)

    def _organization_of(self, account: str) -> str:
        return next((found for one in self.guardrails if account and (found := one.organization_of(account))), "")

    def _path_of(self, account: str) -> str:
        return next((found for one in self.guardrails if account and (found := one.path_of(account))), "")


_EVERYTHING = compile_policy(
    "the account's root user", {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
)


def _labels(decision: Decision) -> Sequence[str]:
    return tuple(statement.label for statement in decision.statements)


def _is_same(one: Standing, other: Standing) -> bool:
    """Whether two standings bind alike; policies are compared by identity, as they are compiled once."""
    return (
        one.caller == other.caller
        and one.principal == other.principal
        and one.boundary is other.boundary
        and (one.session is None) == (other.session is None)
        and _are_same(one.identity, other.identity)
        and _are_same(one.session or (), other.session or ())
        and one.tags == other.tags
    )


def _are_same(some: Sequence[CompiledPolicy], others: Sequence[CompiledPolicy]) -> bool:
    return len(some) == len(others) and all(one is other for one, other in zip(some, others, strict=True))
