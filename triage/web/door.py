"""Who may come in: one ASGI middleware in front of pages, WebSocket, pixels, maps and uploads alike.

Every local user reaches loopback, so the address alone is no door. A random token is made at the first start and lies
in the home folder, readable by its owner only; the address with the token opens the page once and leaves a cookie.
"""

import hashlib
import hmac
import os
import secrets
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from triage.web.words import say_in

TOKEN_PARAMETER = "token"
POLICY = "; ".join(
    (
        "default-src 'self'",
        # Streamlit imports the components' modules from blob: addresses that the page itself makes.
        "script-src 'self' blob:{inline_scripts}",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
CLOSED = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Triage</title>
<style>html{{color-scheme:dark light;font:16px/1.5 system-ui,sans-serif}}body{{margin:20vh auto;max-width:36rem;
padding:0 1.5rem}}small{{opacity:.8}}</style><main><p>{sentence}</p><p><small>{notice}</small></p></main></html>"""
NOTICE = say_in("en")("frame.notice")
WAY_IN = (
    "This page opens with the address that Triage wrote in the terminal when it started; "
    "it ends in ?token= and the content of the file named token in the home folder."
)


def read_token(home: Path) -> str:
    """The token of this home, made at the first call: 256 random bits in HOME/token, mode 0600."""
    path = home / "token"
    if not path.exists():
        # Linked in place as a whole: two processes that start together end with one and the same token.
        part = home / f"token.{os.getpid()}.part"
        part.touch(0o600)
        part.write_text(secrets.token_urlsafe(32) + "\n", encoding="ascii")
        try:
            path.hardlink_to(part)
        except FileExistsError:
            pass
        finally:
            part.unlink()
    path.chmod(0o600)
    return path.read_text(encoding="ascii").strip()


def cookie_name(token: str) -> str:
    """One name per home: cookies do not tell ports apart, and two pages on one machine must not log each other out."""
    return f"triage_{hashlib.sha256(token.encode()).hexdigest()[:12]}"


def is_loopback(host: str) -> bool:
    """Whether a Host header names this machine; any other name means that a foreign page points its own name here."""
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    name = name.strip("[]").rstrip(".").lower()
    if name == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def same_origin(headers: Headers, scheme: str) -> bool:
    """Whether the browser says that the request comes from our own page. Programs that say nothing are let through:
    they hold the cookie themselves, and no page can make them send it."""
    origin = headers.get("origin")
    secure = "s" if scheme in ("https", "wss") else ""
    if origin is not None and origin != f"http{secure}://{headers.get('host', '')}":
        return False
    return headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")


class Door:
    """Pure ASGI, so that a streamed upload stays a stream and the WebSocket passes the same check."""

    def __init__(self, app: ASGIApp, token: str, inline_scripts: Sequence[str] = ()) -> None:
        self.app, self.token, self.cookie = app, token, cookie_name(token)
        self.headers = SECURITY_HEADERS | {"Content-Security-Policy": policy(inline_scripts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, or answers it here."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        refusal = self.refusal(scope)
        if refusal is None:
            await self.app(scope, receive, with_headers(send, self.headers))
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 4401, "reason": "the door is closed"})
        else:
            await refusal(scope, receive, with_headers(send, self.headers))

    def refusal(self, scope: Scope) -> Response | None:
        """None where the request may pass."""
        headers = Headers(scope=scope)
        reading = scope["type"] == "http" and scope["method"] in SAFE_METHODS
        navigating = reading and headers.get("sec-fetch-mode") == "navigate"
        if not is_loopback(headers.get("host", "")):
            return closed(421, "Triage answers only to the name of this machine: localhost or 127.0.0.1.")
        if not navigating and not same_origin(headers, scope["scheme"]):
            return PlainTextResponse("Another site asked for this; it is refused.", 403)
        if reading and (entry := self.entry(scope)) is not None:
            return entry
        if not self.holds_cookie(headers.getlist("cookie")):
            return closed(401, WAY_IN)
        return None

    def entry(self, scope: Scope) -> Response | None:
        """The redirect that swaps a right token in the address for the cookie; None where there is no right one."""
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = [value for name, value in query if name == TOKEN_PARAMETER]
        if not given or not matches(given[-1], self.token):
            return None
        rest = urlencode([pair for pair in query if pair[0] != TOKEN_PARAMETER])
        # One leading slash: "//host/" would be another site.
        path = "/" + quote(scope["path"].lstrip("/\\"))
        response = RedirectResponse(path + (f"?{rest}" if rest else ""), 303, {"Cache-Control": "no-store"})
        response.set_cookie(self.cookie, self.token, httponly=True, samesite="strict", path="/")
        return response

    def holds_cookie(self, lines: Iterable[str]) -> bool:
        """Whether the cookie is there with the right token."""
        for line in lines:
            try:
                morsel = SimpleCookie(line).get(self.cookie)
            except CookieError:
                continue
            if morsel is not None and matches(morsel.value, self.token):
                return True
        return False


def matches(given: str, token: str) -> bool:
    """Compared in constant time."""
    return hmac.compare_digest(given.encode(), token.encode())


def closed(status: int, sentence: str) -> Response:
    """A plain page with one sentence."""
    return HTMLResponse(CLOSED.format(sentence=sentence, notice=NOTICE), status, {"Cache-Control": "no-store"})


def policy(inline_scripts: Sequence[str]) -> str:
    """What a page may load and whom it may ask: this server only. Inline scripts run only when they are these texts."""
    hashes = (b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in inline_scripts)
    return POLICY.format(inline_scripts="".join(f" 'sha256-{value}'" for value in hashes))


def with_headers(send: Send, security: Mapping[str, str]) -> Send:
    """Adds the security headers to whatever is answered."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in security.items():
                headers[name] = value
        await send(message)

    return sending
