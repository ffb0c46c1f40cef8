"""The API's protobuf bodies to plain JSON, by a table of field numbers.

An envelope is `k8s\\0` followed by runtime.Unknown. The table `protobuf_fields.tsv` holds facts
derived from the descriptors that a kubectl binary embeds (tools/derive_protobuf.py).
Source: Kubernetes API concepts, "Kubernetes Protobuf encoding"; protobuf encoding specification.
"""

from __future__ import annotations

from maru.wire.k8s.schema import Value


def decode_envelope(body: bytes) -> Value:
    """The document in an envelope, apiVersion and kind included. Raises Malformed."""
    raise NotImplementedError
