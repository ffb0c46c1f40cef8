"""Why a container or a Pod cannot be started, in the words its status shows.

The reasons are the kubelet's own (ErrImagePull, CreateContainerConfigError and so on); clients match
on them. Source: pkg/kubelet/images and pkg/kubelet/kuberuntime, the sync errors.
"""

from __future__ import annotations

from maru.core.errors import Invalid, Unavailable

REASON_CONFIG = "CreateContainerConfigError"
REASON_CREATE = "CreateContainerError"
REASON_RUN = "RunContainerError"


class StartFailed(Unavailable):
    """A container cannot be started now: `reason` is its waiting reason, `message` what people read."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(what=reason, why=message)
        self.reason = reason
        self.message = message


class MountFailed(Unavailable):
    """A volume cannot be set up now."""

    def __init__(self, volume: str, message: str) -> None:
        super().__init__(what=f'MountVolume.SetUp failed for volume "{volume}"', why=message)
        self.volume = volume
        self.message = message

    def __str__(self) -> str:
        return f"{self.what} : {self.message}"


class Refused(Invalid):
    """The node does not take this Pod: it ends as Failed with `reason` and `message`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(what=reason, why=message)
        self.reason = reason
        self.message = message
