"""The knobs of containers and images."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from maru.core.config import Config


class EngineConfig(Config, frozen=True):
    """runtime: crun, runc, or "" for the first of them that works here.

    log_check_s: how often log sizes are looked at; log_files_max: rotated files kept, with the current one.
    pull_layers_at_once: downloads of one pull. insecure_registries: host[:port] or networks (10.0.0.0/8) reached by
    plain HTTP besides loopback. registry_mirrors: http://host[:port], asked for Docker Hub's images before it, in
    order; pushes never go there. registry_ca_file: PEM certificates trusted beside the system's, "" for none.
    """

    runtime: Annotated[str, Meta(pattern="^(crun|runc|)$")] = ""
    log_check_s: Annotated[float, Meta(ge=0.05, le=3600)] = 10.0
    log_files_max: Annotated[int, Meta(ge=1, le=100)] = 5
    create_deadline_s: Annotated[float, Meta(ge=1, le=600)] = 60.0
    pull_layers_at_once: Annotated[int, Meta(ge=1, le=16)] = 3
    pull_attempts_max: Annotated[int, Meta(ge=1, le=20)] = 5
    insecure_registries: tuple[str, ...] = ()
    registry_mirrors: tuple[Annotated[str, Meta(pattern="^https?://[^/?#@]+/?$")], ...] = ()
    registry_ca_file: str = ""
