"""The policy engine, by tables from AWS's documentation of its evaluation logic and condition operators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from maru.components.aws_iam.model.policy.evaluation import Layer, Layers, evaluate
from maru.components.aws_iam.model.policy.patterns import arn_glob, glob
from maru.components.aws_iam.model.policy.request import Principal, Request
from maru.components.aws_iam.model.policy.statements import CompiledPolicy, compile_policy
from maru.components.aws_iam.model.policy.wording import refusal

OWN, OTHER = "111111111111", "222222222222"
USER = Principal(OWN, f"arn:aws:iam::{OWN}:user/ann", user_id="AIDA1")
ROLE = Principal(OWN, f"arn:aws:sts::{OWN}:assumed-role/r/s", f"arn:aws:iam::{OWN}:role/r", user_id="AROA1:s")
GUEST = Principal(OWN, f"arn:aws:sts::{OWN}:federated-user/bob", USER.arn, user_id=f"{OWN}:bob", is_federated=True)
ROOT = Principal(OWN, f"arn:aws:iam::{OWN}:root", user_id=OWN, is_root=True)
NOBODY = Principal("", "", is_anonymous=True)
SERVICE = Principal("", "s3.amazonaws.com", service="s3.amazonaws.com")


def policy(*statements: Mapping[str, Any]) -> CompiledPolicy:
    return compile_policy("p", {"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: str = "*", resource: str = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: str = "*", resource: str = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


def ask(principal: Principal, owner: str = OWN, facts: Mapping[str, tuple[str, ...]] | None = None) -> Request:
    known = {key.lower(): value for key, value in (facts or {}).items()}
    return Request(principal, "s3:GetObject", "s3:getobject", "arn:aws:s3:::b/k", owner, known.get)


def by(principal: str) -> dict[str, Any]:
    return {"Principal": {"AWS": principal}}


ALL = policy(allow())
NONE = policy(allow("kms:*"))
NO = policy(deny())


@pytest.mark.parametrize(
    ("principal", "owner", "layers", "kind", "layer"),
    [
        (USER, OWN, Layers(), "implicitDeny", Layer.IDENTITY),
        (USER, OWN, Layers([ALL]), "allowed", Layer.IDENTITY),
        (USER, OWN, Layers([ALL, NO]), "explicitDeny", Layer.IDENTITY),
        (USER, OWN, Layers([ALL], boundary=NONE), "implicitDeny", Layer.BOUNDARY),
        (USER, OWN, Layers([ALL], boundary=NO), "explicitDeny", Layer.BOUNDARY),
        (ROLE, OWN, Layers([ALL], session=[NONE]), "implicitDeny", Layer.SESSION),
        (ROLE, OWN, Layers([ALL], session=[NONE, ALL]), "allowed", Layer.IDENTITY),
        (ROLE, OWN, Layers([ALL], session=[]), "implicitDeny", Layer.SESSION),
        (USER, OWN, Layers([ALL], scps=[[ALL], [NONE]]), "implicitDeny", Layer.SCP),
        (USER, OWN, Layers([ALL], scps=[[ALL], [ALL, NO]]), "explicitDeny", Layer.SCP),
        (ROOT, OWN, Layers(scps=[[ALL], [NONE]]), "implicitDeny", Layer.SCP),
        (ROOT, OWN, Layers(), "allowed", Layer.ROOT),
        (USER, OWN, Layers([ALL], rcps=[[NONE]]), "implicitDeny", Layer.RCP),
        # A user that a resource's policy names needs no identity policy, and no boundary limits it.
        (USER, OWN, Layers(resource=policy(allow(**by(USER.arn)))), "allowed", Layer.RESOURCE),
        (USER, OWN, Layers(resource=policy(allow(**by(USER.arn))), boundary=NONE), "allowed", Layer.RESOURCE),
        # A role that it names is limited, its session named itself is not.
        (ROLE, OWN, Layers(resource=policy(allow(**by(ROLE.role_arn))), boundary=NONE), "implicitDeny", Layer.BOUNDARY),
        (ROLE, OWN, Layers(resource=policy(allow(**by(ROLE.role_arn)))), "allowed", Layer.RESOURCE),
        (ROLE, OWN, Layers(resource=policy(allow(**by(ROLE.arn))), session=[NONE]), "allowed", Layer.RESOURCE),
        # The user that federated a session is named: the session's policies limit it; the session itself: nothing does.
        (GUEST, OWN, Layers(resource=policy(allow(**by(USER.arn))), session=[NONE]), "implicitDeny", Layer.SESSION),
        (GUEST, OWN, Layers(resource=policy(allow(**by(USER.arn))), session=[ALL]), "allowed", Layer.RESOURCE),
        (GUEST, OWN, Layers(resource=policy(allow(**by(GUEST.arn))), session=[NONE]), "allowed", Layer.RESOURCE),
        # The account alone hands on to identity policies.
        (USER, OWN, Layers(resource=policy(allow(**by(OWN)))), "implicitDeny", Layer.IDENTITY),
        (USER, OWN, Layers([ALL], resource=policy(allow(**by(OWN))), delegates=True), "allowed", Layer.IDENTITY),
        (USER, OWN, Layers([ALL], resource=policy(), delegates=True), "implicitDeny", Layer.RESOURCE),
        (ROOT, OWN, Layers(resource=policy(), delegates=True), "implicitDeny", Layer.RESOURCE),
        (ROOT, OWN, Layers(resource=policy(allow(**by(OWN))), delegates=True), "allowed", Layer.RESOURCE),
        # Across accounts both sides must allow.
        (USER, OTHER, Layers([ALL]), "implicitDeny", Layer.RESOURCE),
        (USER, OTHER, Layers(resource=policy(allow(**by(USER.arn)))), "implicitDeny", Layer.IDENTITY),
        (USER, OTHER, Layers([ALL], resource=policy(allow(**by(OWN)))), "allowed", Layer.RESOURCE),
        (ROOT, OTHER, Layers(resource=policy(allow(**by(OWN)))), "allowed", Layer.RESOURCE),
        (NOBODY, OWN, Layers(resource=policy(allow(Principal="*"))), "allowed", Layer.RESOURCE),
        (NOBODY, OWN, Layers([ALL]), "implicitDeny", Layer.RESOURCE),
        (
            SERVICE,
            OWN,
            Layers(resource=policy(allow(Principal={"Service": "s3.amazonaws.com"}))),
            "allowed",
            Layer.RESOURCE,
        ),
        (
            USER,
            OWN,
            Layers([ALL], resource=policy(deny(NotPrincipal={"AWS": USER.arn}))),
            "explicitDeny",
            Layer.RESOURCE,
        ),
        (
            USER,
            OWN,
            Layers([ALL], resource=policy(deny(NotPrincipal={"AWS": [USER.arn, OWN]}))),
            "allowed",
            Layer.IDENTITY,
        ),
    ],
)
def test_layers_decide_as_the_evaluation_logic_says(
    principal: Principal, owner: str, layers: Layers, kind: str, layer: Layer
) -> None:
    decision = evaluate(ask(principal, owner), layers)
    assert (decision.kind, decision.layer) == (kind, layer)


@pytest.mark.parametrize(
    ("condition", "values", "holds"),
    [
        ({"StringEquals": {"k": "a"}}, ("a",), True),
        ({"StringEquals": {"k": "a"}}, ("A",), False),
        ({"StringEquals": {"k": ["a", "b"]}}, ("b",), True),
        ({"StringEquals": {"k": "a"}}, None, False),
        ({"StringEqualsIfExists": {"k": "a"}}, None, True),
        ({"StringEqualsIfExists": {"k": "a"}}, ("b",), False),
        ({"StringNotEquals": {"k": ["a", "b"]}}, ("b",), False),
        ({"StringNotEquals": {"k": ["a", "b"]}}, ("c",), True),
        ({"StringNotEquals": {"k": "a"}}, None, True),
        ({"StringEqualsIgnoreCase": {"k": "aB"}}, ("Ab",), True),
        ({"StringNotEqualsIgnoreCase": {"k": "aB"}}, ("Ab",), False),
        ({"StringLike": {"k": "a*c?"}}, ("abbcd",), True),
        ({"StringLike": {"k": "a*c?"}}, ("abbc",), False),
        ({"StringNotLike": {"k": "a*"}}, ("abc",), False),
        ({"NumericLessThanEquals": {"k": "10"}}, ("10",), True),
        ({"NumericGreaterThan": {"k": "10"}}, ("10",), False),
        ({"NumericNotEquals": {"k": "10"}}, ("10.0",), False),
        ({"NumericEquals": {"k": "10"}}, ("ten",), False),
        ({"DateLessThan": {"k": "2030-01-01T00:00:00Z"}}, ("2029-12-31T23:59:59Z",), True),
        ({"DateGreaterThan": {"k": "2030-01-01"}}, ("2029-12-31T23:59:59Z",), False),
        ({"DateEquals": {"k": "1893456000"}}, ("2030-01-01T00:00:00Z",), True),
        ({"Bool": {"k": True}}, ("true",), True),
        ({"Bool": {"k": "false"}}, ("true",), False),
        ({"BinaryEquals": {"k": "QmluYXJ5"}}, ("QmluYXJ5",), True),
        ({"IpAddress": {"k": "203.0.113.0/24"}}, ("203.0.113.9",), True),
        ({"IpAddress": {"k": "2001:db8::/32"}}, ("2001:db8::1",), True),
        ({"NotIpAddress": {"k": "203.0.113.0/24"}}, ("203.0.113.9",), False),
        ({"ArnLike": {"k": "arn:aws:sns:*:111111111111:t*"}}, ("arn:aws:sns:eu-west-1:111111111111:top",), True),
        ({"ArnEquals": {"k": "arn:aws:s*:111111111111:t"}}, ("arn:aws:sns:eu-west-1:111111111111:t",), False),
        ({"ArnNotLike": {"k": "arn:aws:sns:*:*:*"}}, ("arn:aws:sns:eu-west-1:111111111111:t",), False),
        ({"Null": {"k": "true"}}, None, True),
        ({"Null": {"k": "false"}}, None, False),
        ({"Null": {"k": False}}, ("a",), True),
        ({"ForAllValues:StringEquals": {"k": ["a", "b"]}}, ("a", "b"), True),
        ({"ForAllValues:StringEquals": {"k": ["a", "b"]}}, ("a", "c"), False),
        ({"ForAllValues:StringEquals": {"k": ["a", "b"]}}, None, True),
        ({"ForAnyValue:StringEquals": {"k": ["a", "b"]}}, ("c", "b"), True),
        ({"ForAnyValue:StringEquals": {"k": ["a", "b"]}}, None, False),
        ({"ForAnyValue:StringNotEquals": {"k": ["a"]}}, ("a", "b"), True),
        ({"ForAllValues:StringNotEquals": {"k": ["a"]}}, ("a", "b"), False),
        ({"StringEquals": {"k": "${other}"}}, ("o",), True),
        ({"StringLike": {"k": "x${other}*"}}, ("xoz",), True),
        ({"StringEquals": {"k": "${missing, 'd'}"}}, ("d",), True),
        ({"StringEquals": {"k": "${missing}"}}, ("",), False),
        ({"StringLike": {"k": "a${*}"}}, ("a*",), True),
        ({"StringLike": {"k": "a${*}"}}, ("ab",), False),
        ({"StringLike": {"k": "${star}"}}, ("anything",), False),
        ({"NoSuchOperator": {"k": "a"}}, ("a",), False),
        ({"StringEquals": {"k": "a", "other": "o"}}, ("a",), True),
        ({"StringEquals": {"k": "a", "other": "x"}}, ("a",), False),
    ],
)
def test_condition_operators(condition: dict[str, Any], values: tuple[str, ...] | None, holds: bool) -> None:
    facts = {"other": ("o",), "star": ("*",)} | ({"k": values} if values is not None else {})
    request = ask(USER, facts=facts)
    assert evaluate(request, Layers([policy(allow(Condition=condition))])).is_allowed is holds


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        (allow("S3:get*"), True),
        (allow("s3:Put*"), False),
        ({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}, True),
        ({"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}, False),
        (allow("*", "arn:aws:s3:::b/*"), True),
        (allow("*", "arn:aws:s3:::B/*"), False),
        (allow("*", "arn:aws:s3:::b/${aws:username}"), True),
        ({"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::b/*"}, False),
        ({"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::c/*"}, True),
    ],
)
def test_actions_and_resources(statement: dict[str, Any], allowed: bool) -> None:
    request = ask(USER, facts={"aws:username": ("k",)})
    assert evaluate(request, Layers([policy(statement)])).is_allowed is allowed


def test_variables_are_plain_text_before_version_2012() -> None:
    old = compile_policy("p", {"Statement": allow("*", "arn:aws:s3:::b/${aws:username}")})
    assert not evaluate(ask(USER, facts={"aws:username": ("k",)}), Layers([old])).is_allowed


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        (Layers(), "because no identity-based policy allows the s3:GetObject action"),
        (Layers([NO]), "with an explicit deny in an identity-based policy"),
        (Layers([ALL], boundary=NONE), "because no permissions boundary allows the s3:GetObject action"),
        (Layers([ALL], scps=[[NO]]), "with an explicit deny in a service control policy"),
        (Layers([ALL], session=[NO]), "with an explicit deny in a session policy"),
    ],
)
def test_refusals_are_in_awss_words(layers: Layers, words: str) -> None:
    request = ask(USER)
    assert refusal(evaluate(request, layers), request) == (
        f"User: {USER.arn} is not authorized to perform: s3:GetObject on resource: arn:aws:s3:::b/k {words}"
    )


@pytest.mark.parametrize(
    ("pattern", "value", "matches"),
    [("a*b*c", "axxbyyc", True), ("a*b*c", "acb", False), ("*", "", True), ("a?", "ab", True), ("*a", "bba", True)],
)
def test_globs(pattern: str, value: str, matches: bool) -> None:
    assert glob(pattern)(value) is matches


def test_a_hostile_pattern_takes_no_longer_than_its_length() -> None:
    assert not glob("*a" * 40 + "b")("a" * 20_000)
    assert arn_glob("arn:aws:s3:::*")("arn:aws:s3:::x:y:z")
