"""The checks of bucket configurations: what S3 refuses of CORS, website, encryption, notification and the rest.

Each takes the members as the API gives them and returns them as they are kept, or raises.
Source: Amazon S3 API reference, PutBucketCors, PutBucketWebsite, PutBucketEncryption,
PutBucketNotificationConfiguration.
"""

from __future__ import annotations

import re

from maru.components.aws_s3.errors import bad_argument, refusal
from maru.core.document import Value

_METHODS = ("GET", "PUT", "HEAD", "POST", "DELETE")
_CORS_RULES_MAX = 100
_EVENTS = (
    "s3:ReducedRedundancyLostObject",
    "s3:ObjectCreated:*",
    "s3:ObjectCreated:Put",
    "s3:ObjectCreated:Post",
    "s3:ObjectCreated:Copy",
    "s3:ObjectCreated:CompleteMultipartUpload",
    "s3:ObjectRemoved:*",
    "s3:ObjectRemoved:Delete",
    "s3:ObjectRemoved:DeleteMarkerCreated",
    "s3:ObjectRestore:*",
    "s3:ObjectRestore:Post",
    "s3:ObjectRestore:Completed",
    "s3:ObjectRestore:Delete",
    "s3:Replication:*",
    "s3:Replication:OperationFailedReplication",
    "s3:Replication:OperationNotTracked",
    "s3:Replication:OperationMissedThreshold",
    "s3:Replication:OperationReplicatedAfterThreshold",
    "s3:LifecycleTransition",
    "s3:IntelligentTiering",
    "s3:ObjectAcl:Put",
    "s3:LifecycleExpiration:*",
    "s3:LifecycleExpiration:Delete",
    "s3:LifecycleExpiration:DeleteMarkerCreated",
    "s3:ObjectTagging:*",
    "s3:ObjectTagging:Put",
    "s3:ObjectTagging:Delete",
)
_NOTIFIED = ("sqs", "sns", "lambda")
_PROTOCOLS = (
    "Invalid protocol, protocol can be http or https. If not defined the protocol will be selected automatically."
)
_NO_CONDITION = (
    "Condition cannot be empty. To redirect all requests without a condition, the condition element shouldn't be "
    "present."
)
_TIER_DAYS_MIN = {"ARCHIVE_ACCESS": 90, "DEEP_ARCHIVE_ACCESS": 180}
_TIER_DAYS_MAX = 730
OWNERSHIPS = ("BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter")
BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


def without_nothing(members: Value) -> Value:
    """Without what is None, all the way down."""
    kept: Value = {}
    for name, value in members.items():
        if isinstance(value, dict):
            kept[name] = without_nothing(value)
        elif isinstance(value, list):
            kept[name] = [without_nothing(one) if isinstance(one, dict) else one for one in value]
        elif value is not None:
            kept[name] = value
    return kept


def check_cors(members: Value) -> Value:
    """Of CORSConfiguration."""
    rules = members.get("CORSRules") or []
    if not 1 <= len(rules) <= _CORS_RULES_MAX:
        raise refusal("MalformedXML")
    for rule in rules:
        if not rule.get("AllowedMethods") or not rule.get("AllowedOrigins"):
            raise refusal("MalformedXML")
        for method in rule["AllowedMethods"]:
            if method not in _METHODS:
                text = f"Found unsupported HTTP method in CORS config. Unsupported method is {method}"
                raise refusal("InvalidRequest", text)
        for name, values in (
            ("AllowedOrigin", rule["AllowedOrigins"]),
            ("AllowedHeader", rule.get("AllowedHeaders") or []),
        ):
            for value in values:
                if value.count("*") > 1:
                    raise refusal("InvalidRequest", f'{name} "{value}" can not have more than one wildcard.')
        for header in rule.get("ExposeHeaders") or []:
            if "*" in header:
                text = f'ExposeHeader "{header}" contains wildcard. '
                text += "We currently do not support wildcard for ExposeHeader."
                raise refusal("InvalidRequest", text)
    return members


def check_website(members: Value) -> Value:
    """Of WebsiteConfiguration."""
    everything, index = members.get("RedirectAllRequestsTo"), members.get("IndexDocument")
    if everything is not None:
        if index is not None or members.get("ErrorDocument") or members.get("RoutingRules"):
            text = "RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules."
            raise refusal("InvalidRequest", text)
        if everything.get("Protocol") not in (None, "http", "https"):
            raise refusal("InvalidRequest", _PROTOCOLS)
        return members
    if index is None:
        text = "A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty"
        raise bad_argument(text, "IndexDocument", "null")
    if not index.get("Suffix") or "/" in index["Suffix"]:
        raise bad_argument("The IndexDocument Suffix is not well formed", "IndexDocument", index.get("Suffix", ""))
    error = members.get("ErrorDocument")
    if error is not None and not error.get("Key"):
        raise bad_argument("The ErrorDocument Key is not well formed", "ErrorDocument", error.get("Key", ""))
    for rule in members.get("RoutingRules") or []:
        _check_routing(rule)
    return members


def check_encryption(members: Value) -> Value:
    """Of ServerSideEncryptionConfiguration."""
    rules = members.get("Rules") or []
    if len(rules) != 1:
        raise refusal("MalformedXML")
    default = rules[0].get("ApplyServerSideEncryptionByDefault")
    if default is None:
        raise refusal("MalformedXML")
    algorithm, key_id = default.get("SSEAlgorithm"), default.get("KMSMasterKeyID")
    if algorithm not in ("AES256", "aws:kms", "aws:kms:dsse"):
        raise refusal("MalformedXML")
    if algorithm == "AES256" and key_id:
        text = "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse"
        raise bad_argument(text, "ApplyServerSideEncryptionByDefault", "")
    if rules[0].get("BlockedEncryptionTypes"):
        kinds = rules[0]["BlockedEncryptionTypes"].get("EncryptionType") or []
        if kinds not in (["NONE"], []):
            raise refusal("NotImplemented", "Blocking of encryption types is not implemented.")
    rule: Value = {"ApplyServerSideEncryptionByDefault": default}
    rule["BucketKeyEnabled"] = bool(rules[0].get("BucketKeyEnabled"))
    return {"Rules": [rule]}


def check_ownership(members: Value) -> Value:
    """Of OwnershipControls."""
    rules = members.get("Rules") or []
    if len(rules) != 1 or rules[0].get("ObjectOwnership") not in OWNERSHIPS:
        raise refusal("MalformedXML")
    return members


def check_public_access_block(members: Value) -> Value:
    """Of PublicAccessBlockConfiguration: all four, false where nothing is said."""
    return {name: bool(members.get(name)) for name in BLOCKS}


def check_notification(members: Value) -> Value:
    """Of NotificationConfiguration: events and filters known, names given; what it points to must be an ARN."""
    kept: Value = {}
    for name, arn in (
        ("TopicConfigurations", "TopicArn"),
        ("QueueConfigurations", "QueueArn"),
        ("LambdaFunctionConfigurations", "LambdaFunctionArn"),
    ):
        targets = members.get(name) or []
        kept[name] = [_checked_target(target, arn) for target in targets]
    if members.get("EventBridgeConfiguration") is not None:
        kept["EventBridgeConfiguration"] = {}
    return {name: value for name, value in kept.items() if value != []}


def check_regions(members: Value, region: str) -> None:
    """Who is notified must be where the bucket is. Raises InvalidArgument."""
    for targets in members.values():
        for target in targets if isinstance(targets, list) else ():
            for name, value in target.items():
                if name.endswith("Arn") and str(value).split(":")[3] not in ("", region):
                    text = "The notification destination service region is not valid for the bucket location constraint"
                    raise bad_argument(text, name.removesuffix("Arn").removesuffix("Function"), value)


def check_request_payment(members: Value) -> Value:
    """Of RequestPaymentConfiguration."""
    if members.get("Payer") not in ("Requester", "BucketOwner"):
        raise refusal("MalformedXML")
    return members


def check_metrics(members: Value) -> None:
    """Of MetricsConfiguration."""
    _check_id_and_filter(members)


def check_tiering(members: Value) -> None:
    """Of IntelligentTieringConfiguration: each archive tier once, in its days."""
    _check_id_and_filter(members)
    tierings = members.get("Tierings") or []
    tiers = [one.get("AccessTier") for one in tierings]
    if members.get("Status") not in ("Enabled", "Disabled") or not tiers or len(set(tiers)) < len(tiers):
        raise refusal("MalformedXML")
    for one in tierings:
        days_min = _TIER_DAYS_MIN.get(one.get("AccessTier"))
        if days_min is None:
            raise refusal("MalformedXML")
        if not days_min <= int(one.get("Days") or 0) <= _TIER_DAYS_MAX:
            text = f"'Days' of {one['AccessTier']} is from {days_min} to {_TIER_DAYS_MAX}"
            raise bad_argument(text, "Days", one.get("Days", ""))


def _check_id_and_filter(members: Value) -> None:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", str(members.get("Id", ""))):
        raise refusal("InvalidConfigurationId")
    chosen = members.get("Filter")
    if chosen is not None and len(chosen) != 1:
        raise refusal("MalformedXML")


def _check_routing(rule: Value) -> None:
    redirect, condition = rule.get("Redirect"), rule.get("Condition")
    if redirect is None:
        raise refusal("MalformedXML")
    if redirect.get("ReplaceKeyWith") is not None and redirect.get("ReplaceKeyPrefixWith") is not None:
        text = "You can only define ReplaceKeyPrefix or ReplaceKey but not both."
        raise refusal("InvalidRequest", text)
    if redirect.get("Protocol") not in (None, "http", "https"):
        raise refusal("InvalidRequest", _PROTOCOLS)
    if condition is not None and not (condition.get("KeyPrefixEquals") or condition.get("HttpErrorCodeReturnedEquals")):
        raise refusal("InvalidRequest", _NO_CONDITION)


def _checked_target(target: Value, arn: str) -> Value:
    value = str(target.get(arn) or "")
    parts = value.split(":")
    if len(parts) < 6 or parts[0] != "arn" or parts[2] not in _NOTIFIED:
        raise bad_argument("The ARN is not well formed", arn.removesuffix("Arn").removesuffix("Function"), value)
    for event in target.get("Events") or [""]:
        if event not in _EVENTS:
            text = f"The event '{event}' is not supported for notifications. "
            text += f"Supported events are as follows: {sorted(_EVENTS)}"
            raise bad_argument(text, "Event", event)
    rules = ((target.get("Filter") or {}).get("Key") or {}).get("FilterRules") or []
    seen: list[str] = []
    for rule in rules:
        name = str(rule.get("Name", ""))
        if name.lower() not in ("prefix", "suffix"):
            raise bad_argument("filter rule name must be either prefix or suffix", "FilterRule.Name", name)
        if name.lower() in seen:
            text = "Cannot specify more than one prefix rule in a filter."
            raise bad_argument(text, "FilterRule.Name", name)
        seen.append(name.lower())
    return target
