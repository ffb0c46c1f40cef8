"""The policy simulator: what the engine would decide, and by which statements.

Source: IAM API reference, SimulatePrincipalPolicy, SimulateCustomPolicy, GetContextKeysForCustomPolicy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from maru.components.aws_iam.api.asks import Asker
from maru.components.aws_iam.api.authorizer import PolicyAuthorizer
from maru.components.aws_iam.api.book import Book
from maru.components.aws_iam.api.pages import page
from maru.components.aws_iam.errors import coded, no_such
from maru.components.aws_iam.model.documents import Written, decoded, text_of
from maru.components.aws_iam.model.grammar import check_identity_policy
from maru.components.aws_iam.model.policy.conditions import as_texts
from maru.components.aws_iam.model.policy.evaluation import Decision, Layer, Layers, evaluate
from maru.components.aws_iam.model.policy.request import Principal, Request
from maru.components.aws_iam.model.policy.statements import CompiledPolicy, compile_policy
from maru.contracts.aws_service import AwsCall, AwsOperation, Members
from maru.core.errors import MaruError

_VARIABLE = re.compile(r"\$\{([^},]+)")
_TYPES = {Layer.RESOURCE: "Resource Policy", Layer.BOUNDARY: "IAM Policy", Layer.IDENTITY: "IAM Policy"}


@dataclass(frozen=True, slots=True)
class Stage:
    """What is simulated. sources: the texts, for the context keys that they name."""

    principal: Principal
    layers: Layers
    texts: Sequence[str]


class Simulation:
    """See the module."""

    def __init__(self, book: Book, authorizer: PolicyAuthorizer, asker: Asker) -> None:
        self._book = book
        self._authorizer = authorizer
        self._asker = asker

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        alone, arn = self._asker.alone, self._asker.arn
        return {
            "SimulateCustomPolicy": AwsOperation(self.custom, alone("SimulateCustomPolicy")),
            "SimulatePrincipalPolicy": AwsOperation(
                self.of_principal, arn("SimulatePrincipalPolicy", "PolicySourceArn")
            ),
            "GetContextKeysForCustomPolicy": AwsOperation(self.custom_keys, alone("GetContextKeysForCustomPolicy")),
            "GetContextKeysForPrincipalPolicy": AwsOperation(
                self.principal_keys, arn("GetContextKeysForPrincipalPolicy", "PolicySourceArn")
            ),
        }

    async def custom(self, call: AwsCall) -> Members:
        given = call.parameters
        texts = list(given["PolicyInputList"])
        caller = given.get("CallerArn") or ""
        principal = Principal(_account_of(caller) or call.account, caller or f"arn:aws:iam::{call.account}:user/any")
        return self._simulated(call, self._stage(principal, self._inputs(texts), texts, given))

    async def of_principal(self, call: AwsCall) -> Members:
        given = call.parameters
        principal, policies, texts, boundary = self._source(call)
        added = list(given.get("PolicyInputList") or ())
        stage = self._stage(principal, [*policies, *self._inputs(added)], [*texts, *added], given)
        layers = replace(
            stage.layers,
            boundary=stage.layers.boundary or boundary,
            scps=self._authorizer.scps_of(call.account),
        )
        stage = Stage(principal, layers, stage.texts)
        return self._simulated(call, stage)

    async def custom_keys(self, call: AwsCall) -> Members:
        texts = call.parameters["PolicyInputList"]
        self._inputs(texts)
        return {"ContextKeyNames": _context_keys(texts)}

    async def principal_keys(self, call: AwsCall) -> Members:
        _, _, texts, _ = self._source(call)
        added = list(call.parameters.get("PolicyInputList") or ())
        self._inputs(added)
        return {"ContextKeyNames": _context_keys([*texts, *added])}

    def _source(
        self, call: AwsCall
    ) -> tuple[Principal, Sequence[CompiledPolicy], Sequence[str], CompiledPolicy | None]:
        """The policies of the user, group or role that PolicySourceArn names."""
        arn = call.parameters["PolicySourceArn"]
        kind, _, name = arn.split(":", 5)[-1].partition("/")
        name = name.rsplit("/", 1)[-1]
        authorizer, book, account = self._authorizer, self._book, call.account
        if kind == "user" and (user := book.users.find(account, name)) is not None:
            policies = authorizer.policies_of_user(user)
            boundary = authorizer.boundary(account, user.fields.boundary)
            return Principal(account, user.arn, user_id=user.id), policies, _texts(user.fields.policies), boundary
        if kind == "role" and (role := book.roles.find(account, name)) is not None:
            policies = authorizer.policies_of_role(role)
            boundary = authorizer.boundary(account, role.fields.boundary)
            principal = Principal(account, role.arn, role.arn, user_id=role.id)
            return principal, policies, _texts(role.fields.policies), boundary
        if kind == "group" and (group := book.groups.find(account, name)) is not None:
            policies = authorizer.policies_of_group(group)
            return Principal(account, group.arn), policies, _texts(group.fields.policies), None
        raise no_such(f"The {kind} with name {name} cannot be found.")

    def _stage(
        self, principal: Principal, policies: Sequence[CompiledPolicy], texts: Sequence[str], given: Members
    ) -> Stage:
        boundary = given.get("PermissionsBoundaryPolicyInputList") or ()
        resource = given.get("ResourcePolicy")
        return Stage(
            principal,
            Layers(
                policies,
                self._inputs(boundary)[0] if boundary else None,
                None,
                compile_policy("ResourcePolicy", decoded(resource)) if resource else None,
            ),
            [*texts, *boundary],
        )

    def _inputs(self, texts: Sequence[str]) -> list[CompiledPolicy]:
        """Raises InvalidInput for a text that is no policy."""
        compiled: list[CompiledPolicy] = []
        for place, text in enumerate(texts, start=1):
            try:
                check_identity_policy(text)
            except MaruError as error:
                raise coded("InvalidInput", f"Invalid Input {error}") from error
            compiled.append(compile_policy(f"PolicyInputList.{place}", decoded(text)))
        return compiled

    def _simulated(self, call: AwsCall, stage: Stage) -> Members:
        given = call.parameters
        context = {
            str(entry["ContextKeyName"]).lower(): tuple(entry.get("ContextKeyValues") or ())
            for entry in given.get("ContextEntries") or ()
        }
        missing = [key for key in _context_keys(stage.texts) if key.lower() not in context]
        owner = _account_of(given.get("ResourceOwner") or "") or stage.principal.account
        results = []
        for action in given["ActionNames"]:
            for resource in given.get("ResourceArns") or ["*"]:
                request = Request(
                    stage.principal,
                    action,
                    action.lower(),
                    resource,
                    owner,
                    lambda name: context.get(name) or None,
                )
                results.append(_result(evaluate(request, stage.layers), request, missing, stage.layers))
        return page("EvaluationResults", results, call)


def _result(decision: Decision, request: Request, missing: Sequence[str], layers: Layers) -> Members:
    result: Members = {
        "EvalActionName": request.action,
        "EvalResourceName": request.resource,
        "EvalDecision": decision.kind,
        "MatchedStatements": [
            {
                "SourcePolicyId": statement.label.rsplit(", statement ", 1)[0],
                "SourcePolicyType": _TYPES.get(decision.layer, "IAM Policy"),
            }
            for statement in decision.statements
        ],
        "MissingContextValues": list(missing),
    }
    if layers.boundary is not None:
        allowed = any(statement.is_about(request) for statement in layers.boundary.allows)
        result["PermissionsBoundaryDecisionDetail"] = {"AllowedByPermissionsBoundary": allowed}
    if layers.scps:
        by_all = all(any(one.is_about(request) for policy in level for one in policy.allows) for level in layers.scps)
        result["OrganizationsDecisionDetail"] = {"AllowedByOrganizations": by_all and decision.layer is not Layer.SCP}
    return result


def _context_keys(texts: Sequence[str]) -> list[str]:
    """The condition keys that policies name, in conditions and variables."""
    keys: dict[str, None] = {}
    for text in texts:
        policy = decoded(text)
        written = policy.get("Statement") or []
        for statement in written if isinstance(written, list) else [written]:
            for block in (statement.get("Condition") or {}).values():
                keys |= dict.fromkeys(block)
            for name in ("Resource", "NotResource"):
                for value in as_texts(statement.get(name) or ()):
                    keys |= dict.fromkeys(key.strip() for key in _VARIABLE.findall(value) if ":" in key)
    return list(keys)


def _texts(policies: Mapping[str, Written]) -> list[str]:
    return [text_of(written) for written in policies.values()]


def _account_of(arn: str) -> str:
    parts = arn.split(":")
    return parts[4] if len(parts) > 4 else ""
