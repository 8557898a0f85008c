"""A small OpenID Connect provider on loopback, as an agency runs one."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.server
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, quote_plus, urlsplit

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey


def _key() -> RSAKey:
    return RSAKey.generate_key(2048, {"use": "sig"}, auto_kid=True)


FIRST_KEY = _key()


class Agency:
    """Signs in whom `subject` names; the other attributes make it misbehave."""

    def __init__(self) -> None:
        self.subject = "officer-7"
        self.secret = ""
        self.claims: dict[str, Any] = {"amr": ["pwd", "mfa"]}
        self.drop: list[str] = []
        self.algorithm = "RS256"
        self.discovery: dict[str, Any] = {}
        self.padding = 0
        self.asked: list[str] = []
        self.issuer = ""
        self.key = FIRST_KEY
        self._codes: dict[str, dict[str, str]] = {}

    def new_key(self) -> None:
        self.key = _key()

    def authorise(self, url: str) -> dict[str, str]:
        """Do what the browser and the person would do; return the query that comes back."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        code = f"code-{len(self._codes)}"
        self._codes[code] = asked
        return {"code": code, "state": asked["state"], "iss": self.issuer}

    def answer(self, path: str, form: dict[str, list[str]], basic: str) -> tuple[int, Any]:
        self.asked.append(path)
        if path == "/.well-known/openid-configuration":
            return 200, {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorise",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                "padding": "x" * self.padding,
            } | self.discovery
        if path == "/keys":
            return 200, KeySet([self.key]).as_dict(private=False)
        asked = self._codes.pop(form["code"][0], None)
        verifier = form["code_verifier"][0].encode()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier).digest()).decode()
        expected = base64.b64encode(f"tutela:{quote_plus(self.secret)}".encode()).decode()
        if (
            asked is None
            or challenge.rstrip("=") != asked["code_challenge"]
            or form["redirect_uri"][0] != asked["redirect_uri"]
            or (self.secret and basic != f"Basic {expected}")
        ):
            return 400, {"error": "invalid_grant"}
        return 200, {"id_token": self._token(asked), "token_type": "Bearer", "access_token": "x"}

    def _token(self, asked: dict[str, str]) -> str:
        moment = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": "tutela",
            "sub": self.subject,
            "nonce": asked["nonce"],
            "iat": moment,
            "exp": moment + 300,
        } | self.claims
        for name in self.drop:
            del claims[name]
        header = {"alg": self.algorithm, "kid": self.key.kid}
        if self.algorithm in ("none", "HS256"):
            parts = [json.dumps(part).encode() for part in (header, claims)]
            text = ".".join(b64(part) for part in parts)
            if self.algorithm == "none":
                return f"{text}."
            # The public key, which everybody knows, taken for a shared secret.
            public = self.key.as_pem(private=False)
            return f"{text}.{b64(hmac.digest(public, text.encode(), 'sha256'))}"
        return jwt.encode(header, claims, self.key, algorithms=[self.algorithm])


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


@contextmanager
def running() -> Iterator[Agency]:
    agency = Agency()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._reply({})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            self._reply(parse_qs(body))

        def _reply(self, form: dict[str, list[str]]) -> None:
            status, said = agency.answer(self.path, form, self.headers.get("authorization", ""))
            body = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    agency.issuer = f"http://127.0.0.1:{server.server_port}"
    try:
        yield agency
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
