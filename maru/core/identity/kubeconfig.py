"""The kubeconfig that a person points kubectl at: everything in one file, credentials embedded.

Source: Kubernetes, "Organizing cluster access using kubeconfig files", client.authentication v1 Config.
"""

from __future__ import annotations

import base64
from pathlib import Path

import ryaml

from maru.core.identity.ca import Credential
from maru.core.identity.files import write_private_blocking
from maru.core.site import Site

CONTEXT = "maru"


def admin_path(site: Site) -> Path:
    """Where the administrator's kubeconfig stands: what `maru env` exports as KUBECONFIG."""
    return site.data_dir / "kubeconfig"


def kubeconfig(server: str, bundle: bytes, credential: Credential, user: str) -> str:
    """The file's text. server: https://host:port; bundle: the authority's certificates, PEM."""
    return ryaml.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": CONTEXT, "cluster": {"server": server, "certificate-authority-data": _base64(bundle)}}
            ],
            "users": [
                {
                    "name": user,
                    "user": {
                        "client-certificate-data": _base64(credential.certificate),
                        "client-key-data": _base64(credential.key),
                    },
                }
            ],
            "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": user, "namespace": "default"}}],
            "current-context": CONTEXT,
            "preferences": {},
        }
    )


def write_kubeconfig_blocking(path: Path, text: str) -> None:
    """Put it at `path`, for its owner alone."""
    write_private_blocking(path, text.encode())


def _base64(pem: bytes) -> str:
    return base64.b64encode(pem).decode()
