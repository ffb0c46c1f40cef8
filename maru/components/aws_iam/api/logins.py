"""Console passwords and the account's password policy.

Source: IAM API reference, CreateLoginProfile, ChangePassword, UpdateAccountPasswordPolicy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from maru.components.aws_iam.api.asks import Asker
from maru.components.aws_iam.api.book import Book
from maru.components.aws_iam.api.lookup import Lookup
from maru.components.aws_iam.engine.passwords import check, hash_blocking, matches_blocking
from maru.components.aws_iam.errors import already_exists, coded, no_such, validation
from maru.components.aws_iam.model.documents import LoginFields, PasswordPolicyFields, User
from maru.contracts.aws_access import CallerKind
from maru.contracts.aws_service import AwsCall, AwsOperation, Members
from maru.core.clock import parse_rfc3339, rfc3339
from maru.core.document import Value

_PAST_MAX = 24
_BOUNDS = (
    ("MinimumPasswordLength", "minimumPasswordLength", 6, 128),
    ("MaxPasswordAge", "maxPasswordAge", 1, 1095),
    ("PasswordReusePrevention", "passwordReusePrevention", 1, 24),
)
_FLAGS = (
    ("RequireSymbols", "requireSymbols"),
    ("RequireNumbers", "requireNumbers"),
    ("RequireUppercaseCharacters", "requireUppercase"),
    ("RequireLowercaseCharacters", "requireLowercase"),
    ("AllowUsersToChangePassword", "allowChange"),
)


class Logins:
    """See the module."""

    def __init__(self, book: Book, lookup: Lookup, asker: Asker) -> None:
        self._book = book
        self._lookup = lookup
        self._asker = asker

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        about, user, alone = self._asker.about, self._asker.user, self._asker.alone
        performs = {
            "CreateLoginProfile": self.create,
            "GetLoginProfile": self.get,
            "UpdateLoginProfile": self.update,
            "DeleteLoginProfile": self.delete,
            "ChangePassword": self.change_password,
        }
        of_account = {
            "UpdateAccountPasswordPolicy": self.update_policy,
            "GetAccountPasswordPolicy": self.get_policy,
            "DeleteAccountPasswordPolicy": self.delete_policy,
        }
        return {
            **{name: AwsOperation(perform, about(name, user)) for name, perform in performs.items()},
            **{name: AwsOperation(perform, alone(name)) for name, perform in of_account.items()},
        }

    async def create(self, call: AwsCall) -> Members:
        user = self._lookup.user(call)
        if user.fields.login is not None:
            raise already_exists(f"Login Profile for user {user.name} already exists.")
        password = call.parameters.get("Password")
        if password is None:
            raise validation(
                "1 validation error detected: Value at 'password' failed to satisfy constraint: Member must not be null"
            )
        reset = bool(call.parameters.get("PasswordResetRequired"))
        login = await self._login(user, password, reset=reset)
        await self._book.users.change(user, {"login": login})
        return {"LoginProfile": _members(self._lookup.user(call))}

    async def get(self, call: AwsCall) -> Members:
        user = self._lookup.user(call)
        _require_login(user)
        return {"LoginProfile": _members(user)}

    async def update(self, call: AwsCall) -> Members:
        user = self._lookup.user(call)
        login = _require_login(user)
        given = call.parameters
        reset = given.get("PasswordResetRequired")
        spec: Value = {"resetRequired": login.reset_required if reset is None else reset}
        if given.get("Password") is not None:
            spec = await self._login(user, given["Password"], reset=bool(spec["resetRequired"]))
        await self._book.users.change(user, {"login": spec})
        return {}

    async def delete(self, call: AwsCall) -> Members:
        user = self._lookup.user(call)
        _require_login(user)
        await self._book.users.change(user, {"login": None})
        return {}

    async def change_password(self, call: AwsCall) -> Members:
        if call.caller.kind is not CallerKind.USER:
            raise coded("InvalidUserType", "Only IAM Users can change their own password")
        user = self._lookup.user(call)
        login = _require_login(user)
        if not await asyncio.to_thread(matches_blocking, call.parameters["OldPassword"], login.hash):
            raise coded("AccessDenied", "The old password was incorrect.", 403)
        spec = await self._login(user, call.parameters["NewPassword"], reset=False)
        await self._book.users.change(user, {"login": spec})
        return {}

    async def update_policy(self, call: AwsCall) -> Members:
        given = call.parameters
        broken = []
        for member, parameter, least, most in _BOUNDS:
            value = given.get(member)
            if value is not None and not least <= value <= most:
                bound = f"less than or equal to {most}" if value > most else f"greater than or equal to {least}"
                broken.append(
                    f"Value '{value}' at '{parameter}' failed to satisfy constraint: Member must have value {bound}"
                )
        if broken:
            errors = "error" if len(broken) == 1 else "errors"
            raise validation(f"{len(broken)} validation {errors} detected: {'; '.join(broken)}")
        policy: Value = {name: bool(given.get(member)) for member, name in _FLAGS}
        policy |= {
            "minimumLength": given.get("MinimumPasswordLength") or 6,
            "maxAgeDays": given.get("MaxPasswordAge") or 0,
            "reusePrevention": given.get("PasswordReusePrevention") or 0,
            "hardExpiry": given.get("HardExpiry"),
        }
        await self._book.set_setting(call.account, {"passwordPolicy": policy})
        return {}

    async def get_policy(self, call: AwsCall) -> Members:
        return {"PasswordPolicy": _policy_members(self._policy(call))}

    async def delete_policy(self, call: AwsCall) -> Members:
        if self._book.setting(call.account).password_policy is None:
            raise no_such("The account policy with name PasswordPolicy cannot be found.")
        await self._book.set_setting(call.account, {"passwordPolicy": None})
        return {}

    def _policy(self, call: AwsCall) -> PasswordPolicyFields:
        policy = self._book.setting(call.account).password_policy
        if policy is None:
            raise no_such(f"The Password Policy with domain name {call.account} cannot be found.")
        return policy

    async def _login(self, user: User, password: str, *, reset: bool) -> Value:
        """What stands in the spec for a new password. Raises PasswordPolicyViolation."""
        policy = self._book.setting(user.account).password_policy
        check(password, policy, user.name)
        login = user.fields.login
        past = (login.hash, *login.past) if login is not None else ()
        for kept in past[: policy.reuse_prevention if policy is not None else 0]:
            if await asyncio.to_thread(matches_blocking, password, kept):
                raise coded("PasswordPolicyViolation", "Policy constraint violation with password reuse prevention")
        now = rfc3339(self._book.tools.clock.now())
        hashed = await asyncio.to_thread(hash_blocking, password, self._book.tools.ids.secret(16))
        return {
            "hash": hashed,
            "createdAt": login.created_at if login is not None else now,
            "changedAt": now,
            "resetRequired": reset,
            "past": list(past[:_PAST_MAX]),
        }


def _require_login(user: User) -> LoginFields:
    if user.fields.login is None:
        raise no_such(f"Login Profile for User {user.name} cannot be found.")
    return user.fields.login


def _members(user: User) -> Members:
    login = _require_login(user)
    return {
        "UserName": user.name,
        "CreateDate": parse_rfc3339(login.created_at),
        "PasswordResetRequired": login.reset_required,
    }


def _policy_members(policy: PasswordPolicyFields) -> Members:
    return {
        "MinimumPasswordLength": policy.minimum_length,
        "RequireSymbols": policy.require_symbols,
        "RequireNumbers": policy.require_numbers,
        "RequireUppercaseCharacters": policy.require_uppercase,
        "RequireLowercaseCharacters": policy.require_lowercase,
        "AllowUsersToChangePassword": policy.allow_change,
        "ExpirePasswords": policy.max_age_days > 0,
        "MaxPasswordAge": policy.max_age_days or None,
        "PasswordReusePrevention": policy.reuse_prevention or None,
        "HardExpiry": policy.hard_expiry,
    }
