"""Where a front listens: TCP addresses and unix sockets, bound with errors a person can act on.

A unix socket has its mode before it can be connected to (on Linux the mode of the unbound socket is
what the file gets). An address that does not exist yet, such as a bridge's, can be bound through
IP_FREEBIND. Source: ip(7), unix(7).
"""

from __future__ import annotations

import errno
import os
import socket
import stat
from dataclasses import dataclass
from pathlib import Path

from maru.core.errors import Invalid, Unavailable
from maru.core.front.tls import ServerTls

UNIX_PATH_BYTES_MAX = 107  # sockaddr_un.sun_path, less its closing zero
_BACKLOG = 1024  # connections the kernel holds for us
_VANISHED_S = (20, 10, 4)  # of silence before the first probe, between probes; probes that may go unanswered
_UNACKNOWLEDGED_MS = 60_000  # what was sent must be acknowledged within this, or the client is gone
_IP_FREEBIND = 15
_IPV6_FREEBIND = 78


@dataclass(frozen=True, slots=True)
class TcpListener:
    """address: IPv4 or IPv6, no name. port: 0 lets the kernel choose. tls: None for plain HTTP.

    may_be_absent: the address need not exist yet. takes_plain: with `tls`, plain HTTP on the same port, too.
    """

    address: str
    port: int
    tls: ServerTls | None = None
    may_be_absent: bool = False
    takes_plain: bool = False


@dataclass(frozen=True, slots=True)
class UnixListener:
    """path: its folder exists. mode: who may connect, 0o600 is the owner alone."""

    path: Path
    mode: int = 0o600


Listener = TcpListener | UnixListener


@dataclass(frozen=True, slots=True)
class Place:
    """A bound, listening, non-blocking socket. inode: of a unix socket's file, 0 elsewhere."""

    listener: Listener
    socket: socket.socket
    inode: int = 0

    def release(self) -> None:
        """Close, and remove the file of a unix socket unless somebody else put one there since."""
        self.socket.close()
        if isinstance(self.listener, UnixListener):
            try:
                if self.listener.path.stat().st_ino == self.inode:
                    self.listener.path.unlink()
            except FileNotFoundError:
                return


def bind(listener: Listener) -> Place:
    """Take the listener's place.

    Raises Unavailable (the port or path is taken, or not ours to take) or Invalid (a path too long).
    """
    if isinstance(listener, UnixListener):
        return Place(listener, _bind_unix(listener), listener.path.stat().st_ino)
    return Place(listener, _bind_tcp(listener))


def _bind_tcp(listener: TcpListener) -> socket.socket:
    family = socket.AF_INET6 if ":" in listener.address else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if listener.may_be_absent:
            level, option = (
                (socket.IPPROTO_IPV6, _IPV6_FREEBIND)
                if family == socket.AF_INET6
                else (socket.IPPROTO_IP, _IP_FREEBIND)
            )
            bound.setsockopt(level, option, 1)
        _notice_vanished(bound)
        bound.bind((listener.address, listener.port))
        bound.listen(_BACKLOG)
        bound.settimeout(0)
    except OSError as error:
        bound.close()
        raise _refused(f"port {listener.port} on {listener.address}", error) from error
    return bound


def _notice_vanished(listening: socket.socket) -> None:
    """Let the kernel end connections whose client vanished; accepted ones take these over. Source: tcp(7)."""
    idle_s, interval_s, probes = _VANISHED_S
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, idle_s)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, interval_s)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, probes)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_MS)


def _bind_unix(listener: UnixListener) -> socket.socket:
    path = str(listener.path)
    if len(os.fsencode(path)) > UNIX_PATH_BYTES_MAX:
        raise Invalid(
            what=f"unix socket {path}",
            why=f"its path is longer than {UNIX_PATH_BYTES_MAX} bytes",
            fix="choose a shorter --data-dir",
        )
    _clear_stale(listener.path)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        os.fchmod(bound.fileno(), listener.mode)
        bound.bind(path)
        listener.path.chmod(listener.mode)  # the umask may have taken bits away, never given any
        bound.listen(_BACKLOG)
        bound.settimeout(0)
    except OSError as error:
        bound.close()
        raise _refused(f"unix socket {path}", error) from error
    return bound


def _clear_stale(path: Path) -> None:
    """Remove a socket file that nobody listens on; raise Unavailable if somebody does."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise Unavailable(
            what=f"unix socket {path}", why="a file that is no socket stands there", fix=f"move {path} away"
        )
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    probe.settimeout(0)
    try:
        probe.connect(str(path))
    except ConnectionRefusedError:
        path.unlink(missing_ok=True)
        return
    except OSError as error:
        raise _refused(f"unix socket {path}", error) from error
    finally:
        probe.close()
    raise Unavailable(
        what=f"unix socket {path}",
        why="another process listens on it",
        fix="stop it (`maru down`), or start with another --data-dir",
    )


def _refused(what: str, error: OSError) -> Unavailable:
    if error.errno == errno.EADDRINUSE:
        return Unavailable(
            what=what,
            why="another process listens there",
            fix="stop that process, or start with --port-offset N",
            errno=error.errno,
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return Unavailable(
            what=what, why="this machine has no such address", fix="choose one of `ip address`", errno=error.errno
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return Unavailable(
            what=what,
            why="this user may not listen there",
            fix="run as root, or start with --port-offset N above 1024",
            errno=error.errno,
        )
    return Unavailable(what=what, why=error.strerror or str(error), fix="", errno=error.errno)
