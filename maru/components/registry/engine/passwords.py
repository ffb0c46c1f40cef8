"""Names and passwords in a file that `htpasswd -B` writes; read anew when it changes.

bcrypt is slow by intent and a push asks dozens of times, so what was right once is remembered, hashed
with a key that only this process has. Source: distribution registry/auth/htpasswd.
"""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

from maru.core.errors import Unavailable

REMEMBERED_MAX = 1024
_NOBODY = b"$2b$10$C6UzMDM.H6dfI/f/IKcEeO7ZTVd7Bd5VxZuX/6cwYUxtyXEHV4CcK"  # tried for names that are not there


class Passwords:
    """file: "" when everybody may come in. Safe from any thread."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._key = os.urandom(32)
        self._turn = threading.Lock()
        self._stamp: tuple[int, int] = (0, 0)
        self._hashes: dict[str, bytes] = {}
        self._right: set[bytes] = set()

    @property
    def is_used(self) -> bool:
        """Whether there is a list at all."""
        return bool(self._file)

    def accept_blocking(self, name: str, password: str) -> bool:
        """Whether that is so. Raises Unavailable when the file cannot be read."""
        import bcrypt  # here, since most registries ask nobody

        with self._turn:
            self._read_blocking()
            secret = b"%b\0%b\0%b" % (name.encode(), password.encode(), self._hashes.get(name, b""))
            digest = hashlib.blake2b(secret, key=self._key).digest()
            if digest in self._right:
                return True
            known = self._hashes.get(name)
        try:
            is_right = bcrypt.checkpw(password.encode()[:72], known or _NOBODY) and known is not None
        except ValueError:  # a line that is no bcrypt
            return False
        if is_right:
            with self._turn:
                if len(self._right) >= REMEMBERED_MAX:
                    self._right.clear()
                self._right.add(digest)
        return is_right

    def _read_blocking(self) -> None:
        file = Path(self._file)
        try:
            status = file.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            if stamp == self._stamp:
                return
            text = file.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise Unavailable(what=f"password file {file}", why=str(error), fix="see registry.htpasswd_file") from error
        lines = [line.strip().partition(":") for line in text.splitlines() if not line.startswith("#")]
        self._hashes = {name: hashed.encode() for name, colon, hashed in lines if colon}
        self._stamp = stamp
