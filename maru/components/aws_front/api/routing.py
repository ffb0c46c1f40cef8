"""Which service and operation a request is for: by target, credential scope, version and host, never guessed.

X-Amz-Target names a JSON operation; the credential scope names the service of a signed request; an unsigned
one is for STS (by Version and Action) or for S3. What contradicts itself is refused.
Source: Smithy AWS protocols; STS API reference, AssumeRoleWithWebIdentity.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from maru.components.aws_front.api.desks import Desk, Desks
from maru.components.aws_front.api.head import Head
from maru.components.aws_front.api.hosts import read_host
from maru.contracts.aws_access import ANONYMOUS, AwsCaller
from maru.core.front.message import Request
from maru.wire.aws import form_body
from maru.wire.aws.faults import Fault
from maru.wire.aws.partitions import OWN
from maru.wire.aws.shapes import OperationModel
from maru.wire.aws.signature import Claim

FORM = "application/x-www-form-urlencoded"


@dataclass(slots=True)
class Meant:
    """What was found so far; a refusal is written in the desk's protocol. model: None for what S3's model lacks."""

    desk: Desk | None = None
    operation: str = ""
    model: OperationModel | None = None
    form: Mapping[str, str] = field(default_factory=dict)
    path_values: Mapping[str, str] = field(default_factory=dict)
    is_unsigned: bool = False
    is_head: bool = False
    caller: AwsCaller = ANONYMOUS
    partition: str = OWN


class Routing:
    """Finds what is meant."""

    def __init__(self, desks: Desks) -> None:
        self._desks = desks

    async def find(
        self, request: Request, head: Head, claim: Claim | None, meant: Meant, bytes_max: int
    ) -> bytes | None:
        """Fill `meant`; answers the body where it had to be read for that. Raises Fault."""
        target = head.headers.get("x-amz-target")
        if target:
            self._find_target(target, claim, meant)
            return None
        if claim is not None:
            desks = self._desks.of_signing(claim.service)
            if not desks:
                text = f"The service '{claim.service}' of the credential scope is not offered here."
                raise Fault("NotImplemented", text, 501)
            desk = meant.desk = desks[0]
            if desk.is_s3:
                self._find_s3(head, meant)
                return None
            if desk.model.protocol in ("query", "ec2"):
                return await self._find_query(request, head, meant, bytes_max)
            if desk.model.protocol == "json":
                raise Fault("UnknownOperation", "")
            self._find_rest(head, meant)
            return None
        if self._may_be_query(head):
            body = await self._find_query(request, head, meant, bytes_max)
            if meant.desk is not None:
                return body
        meant.desk = self._desks.named("s3")
        if meant.desk is None:
            raise Fault("MissingAuthenticationToken", "Request is missing Authentication Token", 403)
        self._find_s3(head, meant)
        return None

    def likeliest(self, head: Head) -> Desk | None:
        """In whose protocol a request is refused of which no more is known."""
        target = head.headers.get("x-amz-target", "")
        desk = self._desks.of_target(target.rpartition(".")[0])
        if desk is not None:
            return desk
        if target:
            return next((each for each in self._desks.all() if each.model.protocol == "json"), None)
        scope = head.headers.get("authorization", "").partition("Credential=")[2].split(",")[0].split("/")
        signed = self._desks.of_signing(scope[3]) if len(scope) > 3 else ()
        if signed:
            return signed[0]
        if head.headers.get("content-type", "").startswith(FORM):
            return self._desks.named("sts")
        return self._desks.named("s3") or next(iter(self._desks.all()), None)

    def _find_target(self, target: str, claim: Claim | None, meant: Meant) -> None:
        prefix, _, name = target.rpartition(".")
        desk = self._desks.of_target(prefix)
        if desk is None:
            raise Fault("UnknownOperation", "")
        meant.desk = desk
        if claim is not None and claim.service != desk.model.signing_name:
            text = f"Credential should be scoped to correct service: '{desk.model.signing_name}'. "
            raise Fault("SignatureDoesNotMatch", text, 403)
        model = desk.model.operation(name)
        if model is None:
            raise Fault("UnknownOperation", "")
        meant.operation, meant.model, meant.is_unsigned = name, model, model.is_unsigned

    async def _find_query(self, request: Request, head: Head, meant: Meant, bytes_max: int) -> bytes | None:
        body: bytes | None = None
        form: Mapping[str, str] = head.parameters
        if head.method == "POST":
            body = await request.body(bytes_max)
            form = {**head.parameters, **form_body.fields(body)}
        elif head.method != "GET":
            raise Fault("UnknownOperation", f"Unsupported HTTP method: {head.method}")
        version, action = form.get("Version", ""), form.get("Action", "")
        if meant.desk is None:
            meant.desk = self._desks.of_version(version)
            if meant.desk is None:
                return body
        meant.form = form
        desk = meant.desk
        if not action:
            raise Fault("MissingAction", "Missing Action")
        model = desk.model.operation(action)
        if model is None or (version and version != desk.model.version):
            told = version or "NO_VERSION_SPECIFIED"
            raise Fault("UnknownOperation", f"Could not find operation {action} for version {told}")
        meant.operation, meant.model, meant.is_unsigned = action, model, model.is_unsigned
        return body

    def _may_be_query(self, head: Head) -> bool:
        if head.path != "/":
            return False
        if head.method == "POST":
            return head.headers.get("content-type", "").startswith(FORM)
        return head.method == "GET" and "Action" in head.parameters

    def _find_rest(self, head: Head, meant: Meant) -> None:
        assert meant.desk is not None
        found = meant.desk.routes.find(head.method, head.path, head.parameters, head.headers)
        if found is None:
            raise Fault("UnknownOperation", "")
        meant.model, meant.path_values = found
        meant.operation = meant.model.name

    def _find_s3(self, head: Head, meant: Meant) -> None:
        desk = meant.desk
        assert desk is not None
        meant.is_head = head.method == "HEAD"
        host = read_host(head.host)
        path = f"/{host.bucket}{head.path}" if host.bucket else head.path
        try:
            if host.is_website or head.method == "OPTIONS" or _is_form(head):
                self._find_unmodelled(head, meant, path, is_website=host.is_website)
                return
            found = desk.routes.find(head.method, path, head.parameters, head.headers)
        except UnicodeDecodeError as error:
            raise Fault("InvalidURI", "Couldn't parse the specified URI.") from error
        if found is None:
            raise Fault(
                "MethodNotAllowed",
                "The specified method is not allowed against this resource.",
                405,
                {"Method": head.method, "ResourceType": "OBJECT" if path.strip("/").count("/") else "BUCKET"},
            )
        meant.model, meant.path_values = found
        meant.operation = meant.model.name

    def _find_unmodelled(self, head: Head, meant: Meant, path: str, *, is_website: bool) -> None:

        bucket, _, key = path.lstrip("/").partition("/")
        meant.path_values = {"Bucket": unquote(bucket, errors="strict")}
        if key:
            meant.path_values = {**meant.path_values, "Key": unquote(key, errors="strict")}
        if is_website:
            meant.operation = "HeadWebsite" if head.method == "HEAD" else "GetWebsite"
        else:
            meant.operation = "Options" if head.method == "OPTIONS" else "PostObject"


def _is_form(head: Head) -> bool:
    if head.method != "POST" or "uploads" in head.parameters or "uploadId" in head.parameters:
        return False
    return head.headers.get("content-type", "").lower().startswith("multipart/form-data")
