"""What can be tried on this machine: folders, the port, the stores, the address of links."""

import errno
import ipaddress
import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import redis
from sqlalchemy.exc import SQLAlchemyError

from agents.incident.errors import ResponderError
from bot.journal.journal import check as check_journal
from bot.queue import connect_briefly
from bot.setup.checks import Check, address


def loopback(name: str) -> bool:
    """Whether this host is this machine and no other can reach it."""
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return name == "localhost"


def writable(what: str, folder: Path) -> Check:
    """Whether files can be made in *folder*, or in the nearest folder above that exists. Makes none."""
    there = folder.absolute()
    while not there.exists() and there != there.parent:
        there = there.parent
    ok = there.is_dir() and os.access(there, os.W_OK | os.X_OK)
    says = (
        "can be written"
        if ok
        else f"{there} is no folder that {_me()} may write to; change its owner, or name another"
    )
    return Check(what=f"{what} {folder}", ok=ok, says=says)


def _me() -> str:
    return f"user {os.getuid()}" if hasattr(os, "getuid") else "this user"


def port_free(host: str, port: int) -> Check:
    """Whether the receiver could listen; one of ours that does already is well too."""
    what = f"port {port} on {host}"
    if not 1 <= port <= 65535:
        return Check(what=what, ok=False, says="FIRSTRESPONDER_PORT must be 1 to 65535")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, proto, _, place = found[0]
        with socket.socket(family, kind, proto) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(place)
    except OSError as error:
        if error.errno == errno.EADDRINUSE and _ours(host, port):
            return Check(
                what=what, ok=True, says="firstresponder listens there already; restart it to apply changes"
            )
        if error.errno == errno.EADDRINUSE:
            return Check(what=what, ok=False, says="something else listens there; choose another (--port)")
        says = f"cannot be listened on ({type(error).__name__}); see FIRSTRESPONDER_HOST and FIRSTRESPONDER_PORT"
        return Check(what=what, ok=False, says=says)
    return Check(what=what, ok=True, says="free")


def _ours(host: str, port: int) -> bool:
    at = "127.0.0.1" if host in {"0.0.0.0", "::", ""} else host  # noqa: S104  # compared, not listened on
    try:
        got = httpx.get(f"http://{at}:{port}/healthz", timeout=2, trust_env=False)
    except (httpx.HTTPError, OSError):
        return False
    return got.status_code == 200


def page_url(url: str) -> Check:
    """What links begin with: https, unless it is this machine."""
    what = "page address"
    wrong = address(url)
    if wrong:
        return Check(what=what, ok=False, says=f"{wrong}; see FIRSTRESPONDER_PAGE__URL")
    parts = urlsplit(url)
    if parts.query or parts.fragment:
        return Check(what=what, ok=False, says="FIRSTRESPONDER_PAGE__URL must end before ? and #")
    if parts.scheme == "http" and not loopback(parts.hostname or ""):
        says = (
            f"{url} is not https: sessions and sign-in links would be read on the way; put a proxy with TLS in"
            " front and set FIRSTRESPONDER_PAGE__URL to its address"
        )
        return Check(what=what, ok=False, says=says)
    here = " (opens on this machine only; FIRSTRESPONDER_PAGE__URL changes it)" if parts.scheme == "http" else ""
    return Check(what=what, ok=True, says=f"{url}{here}")


def redis_answers(url: str) -> Check:
    """PING."""
    try:
        connect_briefly(url).ping()
    except (redis.RedisError, ValueError, OSError) as error:
        says = f"does not answer ({type(error).__name__}); check FIRSTRESPONDER_REDIS_URL"
        return Check(what="redis", ok=False, says=says)
    return Check(what="redis", ok=True, says="answers")


def journal_answers(url: str) -> Check:
    """Reachable; that its tables are not made yet is no fault before the first start."""
    file = url.removeprefix("sqlite:///")
    if url.startswith("sqlite:///") and not Path(file).exists():
        ready = writable("folder", Path(file).parent)
        return Check(what="journal", ok=ready.ok, says="made at the first start" if ready.ok else ready.says)
    try:
        check_journal(url)
    except ResponderError as error:
        behind = "revision" in str(error)
        says = "reached; brought up to date at the next start" if behind else str(error)
        return Check(what="journal", ok=behind, says=says)
    except (SQLAlchemyError, ImportError, ValueError) as error:  # an address that no driver understands
        says = f"cannot be opened ({type(error).__name__}); check FIRSTRESPONDER_JOURNAL_URL"
        return Check(what="journal", ok=False, says=says)
    return Check(what="journal", ok=True, says="at this version's tables")
