"""An issuer of tokens: real keys, tokens of every kind right and wrong, and a real server that publishes the keys."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Mapping
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

ISSUER = "https://issuer.example/tenant"
RESOURCE = "https://mcp.example/mcp"
NOW = 1_700_000_000.0
"""What ``FakeClock`` says at its beginning."""


@lru_cache(maxsize=8)
def rsa_key(number: int = 0, bits: int = 2048) -> rsa.RSAPrivateKey:
    """A key of its own for each number; making one takes 50 ms."""
    return rsa.generate_private_key(public_exponent=65_537, key_size=bits)


@lru_cache(maxsize=8)
def ec_key(number: int = 0) -> ec.EllipticCurvePrivateKey:
    """A key on P-256."""
    return ec.generate_private_key(ec.SECP256R1())


@lru_cache(maxsize=8)
def ed_key(number: int = 0) -> ed25519.Ed25519PrivateKey:
    """A key on Ed25519."""
    return ed25519.Ed25519PrivateKey.generate()


def jwk(key: Any, **more: Any) -> dict[str, Any]:
    """The public key as a JWK."""
    public = key.public_key()
    maker: Any = OKPAlgorithm
    if isinstance(public, rsa.RSAPublicKey):
        maker = RSAAlgorithm
    elif isinstance(public, ec.EllipticCurvePublicKey):
        maker = ECAlgorithm
    found: dict[str, Any] = maker.to_jwk(public, as_dict=True)
    return {name: value for name, value in found.items() if name != "key_ops"} | more


def pem(key: Any) -> bytes:
    """The public key as everybody may see it."""
    found: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return found


def key_set(*keys: Mapping[str, Any]) -> str:
    """A JWKS."""
    return json.dumps({"keys": list(keys)})


def usual_keys() -> str:
    """One key of each type, named by it."""
    return key_set(
        jwk(rsa_key(), kid="rsa", use="sig"),
        jwk(ec_key(), kid="ec", alg="ES256"),
        jwk(ed_key(), kid="ed", use="sig", alg="EdDSA"),
    )


def claims(**changed: Any) -> dict[str, Any]:
    """What a good token says; a value of ``None`` leaves a claim out."""
    good = {"iss": ISSUER, "aud": RESOURCE, "sub": "ada", "exp": NOW + 300, "iat": NOW - 5, "scope": "read write"}
    return {name: value for name, value in (good | changed).items() if value is not None}


def signed(
    body: Mapping[str, Any] | None = None,
    *,
    key: Any = None,
    alg: str = "RS256",
    kid: str | None = "rsa",
    **header: Any,
) -> str:
    """A token as an issuer makes it."""
    named = header if kid is None else {"kid": kid, **header}
    return jwt.encode(dict(claims() if body is None else body), key or rsa_key(), algorithm=alg, headers=named)


def b64(raw: bytes | str | Mapping[str, Any]) -> str:
    """Base64url without padding, of JSON where it is given as an object."""
    data = raw if isinstance(raw, bytes) else raw.encode() if isinstance(raw, str) else json.dumps(raw).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def handmade(header: Any, body: Any, signature: bytes | str = b"") -> str:
    """A token of any parts."""
    return f"{b64(header)}.{b64(body)}.{signature if isinstance(signature, str) else b64(signature)}"


class Publisher:
    """A real HTTP server on 127.0.0.1 that answers with ``pages`` and notes what was asked for."""

    def __init__(self) -> None:
        self.pages: dict[str, str | tuple[int, str, dict[str, str]]] = {}
        self.asked: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                owner.asked.append(self.path)
                owner.gate.wait(10)
                page = owner.pages.get(self.path, (404, "", {}))
                status, text, headers = (200, page, {}) if isinstance(page, str) else page
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


def now() -> float:
    """The real time, for servers with a real clock."""
    return time.time()
