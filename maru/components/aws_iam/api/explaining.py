"""Which statement of which policy decides: the real authorizer, asked about anybody by the machine's owner.

A unix socket that its owner alone can connect to: POST /explain with principal, action, resource and context.
The resource's own policy is found for roles, keys and buckets, in their documents.
Source: IAM User Guide, "Policy evaluation logic".
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import msgspec

from maru.components.aws_iam.api.authorizer import PolicyAuthorizer
from maru.components.aws_iam.api.book import Book
from maru.components.aws_iam.model.documents import Role, decoded
from maru.components.aws_iam.model.policy.evaluation import Layer, Layers, evaluate
from maru.components.aws_iam.model.policy.principals import Closeness
from maru.components.aws_iam.model.policy.request import Request
from maru.components.aws_iam.model.policy.statements import CompiledPolicy, Statement
from maru.components.aws_iam.model.policy.wording import account_of
from maru.contracts.aws_access import AwsCaller, AwsSession, CallerKind, Circumstances, Question
from maru.core.document import Resource, Value
from maru.core.errors import Invalid, MaruError, NotFound
from maru.core.front.answers import json_answer
from maru.core.front.listener import UnixListener
from maru.core.front.message import Answer
from maru.core.front.message import Request as HttpRequest
from maru.core.front.server import serve
from maru.core.site import Site
from maru.kinds.aws import KMS, S3, document_name, namespace_of

SOCKET = "aws-iam"
BODY_BYTES_MAX = 65_536
_KEYS = Resource(KMS, "v1", "keys", "Key", namespaced=True)
_BUCKETS = Resource(S3, "v1", "buckets", "Bucket", namespaced=False)


class Asked(msgspec.Struct, frozen=True):
    """context: values of condition keys, over what a request from this machine would have."""

    principal: str
    action: str
    resource: str = "*"
    context: dict[str, list[str]] = {}


@dataclass(frozen=True, slots=True)
class Owned:
    """What is known of a resource. account: "" for the caller's."""

    account: str = ""
    policy: Value | None = None
    delegates: bool = False


class Explainer:
    """See the module."""

    def __init__(self, book: Book, authorizer: PolicyAuthorizer) -> None:
        self._book = book
        self._authorizer = authorizer

    async def explain(self, asked: Asked) -> Value:
        """The decision and every statement that is about the request. Raises Invalid, NotFound."""
        if asked.action.count(":") != 1 or "*" in asked.action:
            raise Invalid(what=f"action {asked.action!r}", why="it is no action", fix="give one as kms:Encrypt")
        caller = self._caller(asked.principal)
        owned = await self._owned(asked)
        facts = {name: values[0] if len(values) == 1 else tuple(values) for name, values in asked.context.items()}
        question = Question(asked.action, asked.resource, owned.account, owned.policy, owned.delegates, facts)
        standing = self._authorizer.standing(caller)
        request = self._authorizer.request(standing, question, Circumstances(self._book.tools.clock.now()))
        layers = self._authorizer.layers(standing, question)
        decision = evaluate(request, layers)
        return {
            "principal": asked.principal,
            "action": asked.action,
            "resource": asked.resource,
            "decision": decision.kind,
            "layer": str(decision.layer),
            "explanation": account_of(decision, request),
            "statements": list(_considered(request, layers, decision.statements)),
            "policies": _policies(layers),
        }

    def _caller(self, principal: str) -> AwsCaller:
        """Who asks, as if it had come with its own key or session. Raises Invalid, NotFound."""
        if principal.endswith(".amazonaws.com"):
            return AwsCaller(CallerKind.SERVICE, "", principal, principal, service=principal)
        parts = principal.split(":", 5)
        if len(parts) != 6 or parts[0] != "arn" or parts[2] not in ("iam", "sts"):
            raise Invalid(
                what=f"principal {principal!r}",
                why="it is not the ARN of a user, role, session or root user",
                fix="see `aws sts get-caller-identity`, or give a service as s3.amazonaws.com",
            )
        account, (kind, _, rest) = parts[4], parts[5].partition("/")
        name = rest.rsplit("/", 1)[-1]
        if kind == "root":
            return AwsCaller(CallerKind.ROOT, account, principal, account)
        if kind == "user":
            user = self._book.users.find(account, name)
            if user is not None and user.arn == principal:
                return AwsCaller(CallerKind.USER, account, principal, user.id)
        elif kind in ("role", "assumed-role"):
            is_session = kind == "assumed-role"
            role = self._book.roles.find(account, rest.split("/")[0] if is_session else name)
            if role is not None and (is_session or role.arn == principal):
                return self._session_of(role, name if is_session else "explained")
        else:
            fix = "give the user or role that it was made from"
            raise Invalid(what=f"principal {principal!r}", why=f"a {kind} is not explained", fix=fix)
        fix = "see `aws iam list-users` and `aws iam list-roles`"
        raise NotFound(what=f"principal {principal}", why="there is none", fix=fix)

    def _session_of(self, role: Role, session: str) -> AwsCaller:
        """Of a role, without session policies: those stand only in a session's own token."""
        now = self._book.tools.clock.now()
        arn = f"arn:aws:sts::{role.account}:assumed-role/{role.name}/{session}"
        made = AwsSession(role.arn, now, now)
        return AwsCaller(CallerKind.ROLE, role.account, arn, f"{role.id}:{session}", session=made)

    async def _owned(self, asked: Asked) -> Owned:
        """The resource's owner and policy, where the resource is known."""
        parts = asked.resource.split(":", 5)
        if len(parts) != 6:
            return Owned()
        service, region, account, rest = parts[2], parts[3], parts[4], parts[5]
        kind, _, name = rest.partition("/")
        try:
            if service == "kms" and kind == "key":
                place = (namespace_of(account), document_name(region, name))
                spec = (await self._book.client.get(_KEYS, *place))["spec"]
                return Owned(account, decoded(spec["policy"]), delegates=True)
            if service == "s3":
                spec = (await self._book.client.get(_BUCKETS, "", kind))["spec"]
                return Owned(spec["account"], spec.get("policy"))
        except NotFound:
            return Owned(account)
        if service == "iam" and kind == "role" and asked.action.lower().startswith("sts:"):
            role = self._book.roles.find(account, name.rsplit("/", 1)[-1])
            if role is not None and role.arn == asked.resource:
                return Owned(account, self._book.trust(role), delegates=True)
        return Owned(account)


@asynccontextmanager
async def explaining(site: Site, explainer: Explainer) -> AsyncIterator[None]:
    """Serve until closed."""

    async def answer(request: HttpRequest) -> Answer:
        if (request.method, request.path) != ("POST", "/explain"):
            return json_answer({"message": "only POST /explain is here"}, 404)
        try:
            asked = msgspec.json.decode(await request.body(BODY_BYTES_MAX), type=Asked)
            return json_answer(await explainer.explain(asked))
        except msgspec.DecodeError as error:
            return json_answer({"message": str(error)}, 400)
        except MaruError as error:
            said = ": ".join(text for text in (error.what, error.why, error.fix) if text)
            return json_answer({"message": said}, 404 if isinstance(error, NotFound) else 400)

    async with serve([UnixListener(site.socket(SOCKET))], answer, name="aws_iam explain"):
        yield


def _every(layers: Layers) -> Iterator[tuple[Layer, CompiledPolicy]]:
    for layer, levels in ((Layer.RCP, layers.rcps), (Layer.SCP, layers.scps)):
        yield from ((layer, policy) for level in levels for policy in level)
    yield from ((Layer.IDENTITY, policy) for policy in layers.identity)
    yield from ((Layer.BOUNDARY, policy) for policy in (layers.boundary,) if policy is not None)
    yield from ((Layer.RESOURCE, policy) for policy in (layers.resource,) if policy is not None)


def _considered(request: Request, layers: Layers, decided: Sequence[Statement]) -> Iterator[Mapping[str, object]]:
    """Every statement that is about the request and names who asks."""
    for layer, policy in _every(layers):
        for statement in (*policy.denies, *policy.allows):
            if statement.is_about(request) and statement.closeness(request) is not Closeness.NOT:
                yield {
                    "layer": str(layer),
                    "policy": policy.name,
                    "statement": statement.label.removeprefix(f"{policy.name}, "),
                    "effect": "Allow" if statement.is_allow else "Deny",
                    "decided": any(statement is one for one in decided),
                }


def _policies(layers: Layers) -> Mapping[str, Sequence[str]]:
    """The names of all policies that were held against it, by layer."""
    found: dict[str, list[str]] = {}
    for layer, policy in _every(layers):
        found.setdefault(str(layer), []).append(policy.name)
    return found
