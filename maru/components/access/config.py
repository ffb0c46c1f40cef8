"""The knobs of access: section `access` of the configuration file."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from maru.core.config import Config


class AccessConfig(Config, frozen=True):
    """audit: what is recorded: nothing, writes and denials, or all. audit_file_bytes_max: of one file, of
    which audit_files_max are kept. certificate_names: more DNS names or addresses that the API server's
    certificate answers to. token_issuer: the `iss` of tokens; empty for the cluster's own.
    """

    audit: Literal["none", "writes", "all"] = "writes"
    audit_file_bytes_max: Annotated[int, Meta(ge=64 * 1024, le=1 << 30)] = 16 * 1024 * 1024
    audit_files_max: Annotated[int, Meta(ge=1, le=100)] = 5
    certificate_names: Annotated[tuple[str, ...], Meta(max_length=50)] = ()
    token_issuer: Annotated[str, Meta(max_length=253)] = ""
