"""The image of a container: present, or pulled as its policy and secrets allow, with growing delays.

Source: pkg/kubelet/images, EnsureImageExists; Kubernetes documentation, "Images" (pull policy, secrets).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

import msgspec

from maru.components.node.controllers.workshop import Workshop
from maru.components.node.errors import StartFailed
from maru.components.node.model.backoff import Backoff, go_precise, raised
from maru.components.node.model.view import Container
from maru.components.node.quirks import present_suffices
from maru.contracts.image_store import LOCAL_DOMAIN, Image, RegistryAuth, RegistryUnreachable
from maru.core.document import Value
from maru.core.errors import Invalid, MaruError
from maru.wire.oci.reference import Reference, parse_reference

_DOCKER_HUB = ("docker.io", "index.docker.io", "registry-1.docker.io")


class ImagePuller:
    """Pulls for one Pod; keeps the back-off of each image it failed to get."""

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop
        self._backoffs: dict[str, tuple[Backoff, str]] = {}

    async def ensure(self, pod: Value, container: Container) -> Image:
        """The image, ready to be stacked. Raises StartFailed with the kubelet's reason, and tells it."""
        try:
            return await self._ensure(pod, container)
        except StartFailed as error:
            self._event(pod, container, "Warning", "Failed", f"Error: {error.reason}")
            raise

    async def _ensure(self, pod: Value, container: Container) -> Image:
        wanted = container.spec.get("image") or ""
        try:
            reference = parse_reference(wanted)
        except ValueError as error:
            message = f'Failed to apply default image tag "{wanted}": couldn\'t parse image name "{wanted}": {error}'
            self._event(pod, container, "Warning", "InspectFailed", message)
            raise StartFailed("InvalidImageName", message) from error
        policy = container.spec.get("imagePullPolicy") or _default_policy(reference)
        present = self._workshop.images.find(wanted)
        is_local = reference.domain == LOCAL_DOMAIN
        if present is not None and (policy != "Always" or is_local):
            message = f'Container image "{wanted}" already present on machine'
            self._event(pod, container, "Normal", "Pulled", f"{message} and can be accessed by the pod")
            return present
        if policy == "Never":
            message = f'Container image "{wanted}" is not present with pull policy of Never'
            self._event(pod, container, "Warning", "ErrImageNeverPull", message)
            raise StartFailed("ErrImageNeverPull", message)
        return await self._pull(pod, container, wanted, reference)

    def retry_at_s(self, image: str) -> float:
        """When it may be tried again. Monotonic."""
        held = self._backoffs.get(image)
        return held[0].until_s(held[0].updated_s) if held is not None else 0.0

    async def _pull(self, pod: Value, container: Container, wanted: str, reference: Reference) -> Image:
        clock = self._workshop.clock
        held = self._backoffs.get(wanted)
        if held is not None and self.retry_at_s(wanted) > clock.monotonic_s():
            message = f'Back-off pulling image "{wanted}"'
            self._event(pod, container, "Normal", "BackOff", message)
            raise StartFailed("ImagePullBackOff", f"{message}: ErrImagePull: {held[1]}")
        self._event(pod, container, "Normal", "Pulling", f'Pulling image "{wanted}"')
        started_s = clock.monotonic_s()
        present = self._workshop.images.find(wanted)
        failure: MaruError | None = None
        for auth in await self._credentials(pod, reference):
            try:
                async for _ in self._workshop.images.pull(wanted, auth):
                    pass
                failure = None
                break
            except MaruError as error:
                failure = error
                if isinstance(error, RegistryUnreachable):
                    break
        is_allowed = self._workshop.config.use_present_when_unreachable
        if failure is not None and present is not None and present_suffices(failure, present, is_allowed=is_allowed):
            self._backoffs.pop(wanted, None)
            words = "already present on machine and used as it is: its registry cannot be reached"
            self._event(pod, container, "Normal", "Pulled", f'Container image "{wanted}" {words}')
            return present
        image = self._workshop.images.find(wanted)
        if failure is not None or image is None:
            why = str(failure) if failure is not None else "the image is not there after its pull"
            before = held[0] if held is not None else None
            self._backoffs[wanted] = (raised(before, clock.monotonic_s()), why)
            self._event(pod, container, "Warning", "Failed", f'Failed to pull image "{wanted}": {why}')
            raise StartFailed("ErrImagePull", why)
        self._backoffs.pop(wanted, None)
        took_s = clock.monotonic_s() - started_s
        took = go_precise(took_s)
        words = f"in {took} ({took} including waiting). Image size: {image.size_bytes} bytes."
        self._event(pod, container, "Normal", "Pulled", f'Successfully pulled image "{wanted}" {words}')
        return image

    async def _credentials(self, pod: Value, reference: Reference) -> Sequence[RegistryAuth | None]:
        """Those of the Pod's pull secrets that fit the registry, then none."""
        found: list[RegistryAuth | None] = []
        metadata = pod["metadata"]
        for entry in pod["spec"].get("imagePullSecrets") or ():
            name = ("secret", metadata["namespace"], entry.get("name", ""))
            secret = await self._workshop.references.fetch(metadata["uid"], name)
            if secret is None:
                words = "attempting to pull the image may not succeed."
                message = f"Unable to retrieve some image pull secrets ({name[2]}); {words}"
                self._workshop.recorder.event(pod, "Warning", "FailedToRetrieveImagePullSecret", message)
                continue
            found += [auth for auth in _auths(secret, reference) if auth not in found]
        return found or [None]

    def _event(self, pod: Value, container: Container, kind: str, reason: str, message: str) -> None:
        self._workshop.recorder.event(pod, kind, reason, message, field_path=container.field_path)


def _default_policy(reference: Reference) -> str:
    return "Always" if reference.tag == "latest" and not reference.digest else "IfNotPresent"


def _auths(secret: Value, reference: Reference) -> Sequence[RegistryAuth]:
    """The entries of a dockerconfigjson (or old dockercfg) that stand for the registry, longest first."""
    contents = secret.get("data") or {}
    try:
        if ".dockerconfigjson" in contents:
            entries = msgspec.json.decode(base64.b64decode(contents[".dockerconfigjson"])).get("auths") or {}
        else:
            entries = msgspec.json.decode(base64.b64decode(contents.get(".dockercfg", "e30=")))
        matches = [(place, entry) for place, entry in entries.items() if _fits(place, reference)]
        return [_auth(entry) for _, entry in sorted(matches, key=lambda match: len(match[0]), reverse=True)]
    except (msgspec.DecodeError, binascii.Error, AttributeError, ValueError) as error:
        raise Invalid(what=f"image pull secret {secret['metadata']['name']}", why=str(error), fix="") from error


def _fits(place: str, reference: Reference) -> bool:
    bare = place.removeprefix("https://").removeprefix("http://").rstrip("/")
    host, _, path = bare.partition("/")
    if path in ("v1", "v2"):
        path = ""
    if host in _DOCKER_HUB:
        host = "docker.io"
    if host.startswith("*."):
        is_host = reference.domain.endswith(host[1:]) and reference.domain.count(".") == host.count(".")
    else:
        is_host = host == reference.domain
    return is_host and (not path or reference.path == path or reference.path.startswith(f"{path}/"))


def _auth(entry: Value) -> RegistryAuth:
    username, password = entry.get("username", ""), entry.get("password", "")
    if entry.get("auth"):
        username, _, password = base64.b64decode(entry["auth"]).decode().partition(":")
    return RegistryAuth(username, password, entry.get("identitytoken", ""))
