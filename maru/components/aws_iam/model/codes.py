"""One-time codes of virtual MFA devices: six digits, new every 30 seconds. Source: RFC 6238, RFC 4226."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator

STEP_S = 30
DRIFT_STEPS = 1


def code(seed: bytes, step: int) -> str:
    """The code of one step of time."""
    digest = hmac.new(seed, step.to_bytes(8), hashlib.sha1).digest()
    offset = digest[-1] & 0xF
    number = int.from_bytes(digest[offset : offset + 4]) & 0x7FFFFFFF
    return f"{number % 1_000_000:06}"


def is_current(seed: bytes, given: str, now_s: int) -> bool:
    """Whether `given` is the code of now, a step before or a step after."""
    return any(hmac.compare_digest(code(seed, step), given) for step in _steps(now_s))


def are_consecutive(seed: bytes, first: str, second: str, now_s: int) -> bool:
    """Whether two codes follow each other, of a time near enough to be those just shown."""
    around = range(now_s // STEP_S - 20, now_s // STEP_S + 3)
    return any(code(seed, step) == first and code(seed, step + 1) == second for step in around)


def _steps(now_s: int) -> Iterator[int]:
    middle = now_s // STEP_S
    return iter(range(middle - DRIFT_STEPS, middle + DRIFT_STEPS + 1))
