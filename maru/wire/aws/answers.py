"""Answers and errors as bytes, in each protocol.

Source: Smithy specification, awsJson, awsQuery, ec2Query, restJson1, restXml (error serialization);
S3 API reference, "REST error responses".
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from maru.wire.aws import json_body, rest
from maru.wire.aws.faults import Fault
from maru.wire.aws.shapes import OperationModel, ServiceModel
from maru.wire.aws.stamps import unix
from maru.wire.aws.xml_body import XmlWriter, escaped

XML = "text/xml"


def success(operation: OperationModel, members: Mapping[str, Any], request_id: str) -> rest.Leaving:
    """The answer of an operation that was done."""
    service = operation.service
    protocol = service.protocol
    if protocol == "json":
        body = json_body.encode(operation.output, members) if operation.output is not None else b""
        return rest.Leaving(200, body, {"Content-Type": f"application/x-amz-json-{service.json_version}"})
    if protocol in ("rest-json", "rest-xml"):
        return rest.write(operation, members)
    return rest.Leaving(200, _query_xml(operation, members, request_id), {"Content-Type": XML})


def _query_xml(operation: OperationModel, members: Mapping[str, Any], request_id: str) -> bytes:
    service = operation.service
    is_ec2 = service.protocol == "ec2"
    writer = XmlWriter(is_ec2=is_ec2, has_millis=is_ec2)
    namespace = service.namespace or f"http://{service.name}.amazonaws.com/doc/{service.version}/"
    name = operation.name
    writer.raw(f'<{name}Response xmlns="{namespace}">')
    shape = operation.output
    if is_ec2:
        writer.raw(f"<requestId>{request_id}</requestId>")
        if shape is not None:
            writer.members(shape, members)
    else:
        wrapper = operation.result_wrapper
        if shape is not None:
            writer.raw(f"<{wrapper}>" if wrapper else "")
            writer.members(shape, members)
            writer.raw(f"</{wrapper}>" if wrapper else "")
        writer.raw(f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>")
    writer.raw(f"</{name}Response>")
    return writer.text().encode()


def failure(service: ServiceModel, fault: Fault, request_id: str) -> rest.Leaving:
    """The error in the service's protocol; status: of the fault, or of the model's error shape."""
    shape = service.error(fault.code)
    status = (shape.error_status if shape is not None else 0) or fault.status
    if service.protocol in ("json", "rest-json"):
        return _json_failure(service, fault, status)
    if service.protocol == "rest-xml":
        return _rest_xml_failure(service, fault, request_id, status)
    return _query_failure(service, fault, request_id, status)


def _json_failure(service: ServiceModel, fault: Fault, status: int) -> rest.Leaving:
    shape = service.error(fault.code)
    body: dict[str, Any] = {"__type": shape.name if shape is not None else fault.code}
    name = "message"
    if shape is not None:
        name = next((key for key in shape.members if key.lower() == "message"), "message")
    if fault.text:
        body[name] = fault.text
    known = shape.members if shape is not None else {}
    for key, value in fault.members.items():
        if key in known and value is not None:
            body[known[key].wire_name] = json_body.write(known[key].shape, value, known[key])
        elif value is not None and key not in known:
            body[key] = unix(value) if isinstance(value, datetime) else value
    headers = {"Content-Type": f"application/x-amz-json-{service.json_version}"}
    if service.protocol == "rest-json":
        headers = {"Content-Type": "application/json", "x-amzn-ErrorType": str(body.pop("__type"))}
    if service.is_query_compatible:
        code = shape.error_code if shape is not None else fault.code
        headers["x-amzn-query-error"] = f"{code};{'Sender' if status < 500 else 'Receiver'}"
    return rest.Leaving(status, msgspec.json.encode(body), headers)


def _query_failure(service: ServiceModel, fault: Fault, request_id: str, status: int) -> rest.Leaving:
    code = escaped(_code(service, fault))
    text = escaped(fault.text)
    if service.protocol == "ec2":
        body = (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<Response><Errors><Error><Code>{code}</Code>'
            f"<Message>{text}</Message></Error></Errors><RequestID>{request_id}</RequestID></Response>"
        )
        return rest.Leaving(status, body.encode(), {"Content-Type": XML})
    kind = "Sender" if status < 500 else "Receiver"
    further = _further(fault)
    namespace = service.namespace or f"http://{service.name}.amazonaws.com/doc/{service.version}/"
    body = (
        f'<ErrorResponse xmlns="{namespace}"><Error><Type>{kind}</Type><Code>{code}</Code>'
        f"<Message>{text}</Message>{further}</Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    )
    return rest.Leaving(status, body.encode(), {"Content-Type": XML})


def _rest_xml_failure(service: ServiceModel, fault: Fault, request_id: str, status: int) -> rest.Leaving:
    further = _further(fault)
    code, text = escaped(_code(service, fault)), escaped(fault.text)
    if service.name == "s3":
        body = (
            f"<Error><Code>{code}</Code><Message>{text}</Message>{further}<RequestId>{request_id}</RequestId></Error>"
        )
    else:
        kind = "Sender" if status < 500 else "Receiver"
        body = (
            f'<ErrorResponse xmlns="{service.namespace}"><Error><Type>{kind}</Type><Code>{code}</Code>'
            f"<Message>{text}</Message>{further}</Error><RequestId>{request_id}</RequestId></ErrorResponse>"
        )
    return rest.Leaving(status, (rest.XML_HEAD + body).encode(), {"Content-Type": "application/xml"})


def _further(fault: Fault) -> str:
    """The members of an error beside its code and message."""
    told = ((key, value) for key, value in fault.members.items() if value is not None)
    return "".join(f"<{key}>{escaped(str(value))}</{key}>" for key, value in told)


def _code(service: ServiceModel, fault: Fault) -> str:
    shape = service.error(fault.code)
    return shape.error_code if shape is not None else fault.code
