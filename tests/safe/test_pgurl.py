"""The URL of a PostgreSQL database: what it may say, what it means for TLS, and that it is never repeated."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from holdfast.errors import ConfigurationError
from holdfast.safe.databases import passwords_in
from holdfast.safe.pgurl import Place


@pytest.mark.parametrize(
    "url",
    [
        "mysql://hunter2:p@h/d",
        "postgresql://hunter2:p@/d",
        "postgresql://:hunter2@h/d",
        "postgresql://hunter2:p@h",
        "postgresql://hunter2/d",
        "postgresql://hunter2:p@h/d/e",
        "postgresql://hunter2:p@h:port/d",
        "postgresql://hunter2:p@h:99999/d",
        "postgresql://hunter2:p@[::1/d",
        "postgresql://hunter2:p@a,b/d",
        "postgresql://hunter2:p@/d?host=a,b",
        "postgresql://hunter2:p@h/d#hunter2",
        "postgresql://u:p@h/d?password=hunter2",
        "postgresql://u:p@h/d?options=-csearch_path%3Dhunter2",
        "postgresql://u:p@h/d?service=hunter2",
        "postgresql://u:p@h/d?sslmode=hunter2",
        "postgresql://u:p@h/d?sslmode=require&sslmode=disable",
        "postgresql://u:p@h/d?hunter2",
        "postgresql://u%00:hunter2@h/d",
    ],
)
def test_a_url_that_does_not_fit_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Place.of(url)
    assert "hunter2" not in str(caught.value)


def test_every_argument_is_given_so_that_nothing_comes_from_the_environment() -> None:
    place = Place.of("postgresql+asyncpg://us%40er:p%2Fw@localhost/d%20b")
    assert place.arguments() == {
        "host": "localhost", "port": 5432, "user": "us@er", "password": "p/w", "database": "d b", "ssl": False,
        "direct_tls": False, "target_session_attrs": "any",
    }  # fmt: skip
    assert Place.of("postgres://u@/d?host=/run/pg").arguments()["host"] == "/run/pg"
    assert Place.of("postgres://u@/d?host=/run/pg").arguments()["password"] == ""
    assert Place.of("postgres://u@/d?host=/run/pg&sslmode=verify-full").arguments()["ssl"] is False  # no TLS there
    assert Place.of("postgres://u@h/d?host=i&sslmode=require&sslrootcert=r&sslcert=c&sslkey=k").host == "i"
    assert repr(place) == "Place()"


@pytest.mark.parametrize(
    "query, verified, hostname, unproven",
    [
        ("", ssl.CERT_REQUIRED, True, False),
        ("?sslmode=verify-full", ssl.CERT_REQUIRED, True, False),
        ("?sslmode=verify-ca", ssl.CERT_REQUIRED, False, False),
        ("?sslmode=require", ssl.CERT_NONE, False, True),
    ],
)
def test_beyond_this_machine_the_server_is_proven_unless_the_url_says_otherwise(
    query: str, verified: ssl.VerifyMode, hostname: bool, unproven: bool
) -> None:
    place = Place.of(f"postgresql://u:p@db.example/d{query}")
    context = place.arguments()["ssl"]
    assert (context.verify_mode, context.check_hostname, place.unproven) == (verified, hostname, unproven)


def test_a_certificate_that_is_named_is_asked_for_in_require_too(tmp_path: Path) -> None:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "root")])
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(days=1))
    root = tmp_path / "root.pem"
    root.write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    context = Place.of(f"postgresql://u:p@db.example/d?sslmode=require&sslrootcert={root}").arguments()["ssl"]
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, False)  # as libpq does


def test_the_weak_modes_are_taken_and_known_as_such(tmp_path: Path) -> None:
    for mode, given in (("disable", False), ("allow", "prefer"), ("prefer", "prefer")):
        place = Place.of(f"postgresql://u:p@db.example/d?sslmode={mode}")
        assert (place.arguments()["ssl"], place.unproven) == (given, True)
    assert not Place.of("postgresql://u:p@127.0.0.1/d").unproven
    assert not Place.of("postgres://u@/d?host=/run/pg&sslmode=prefer").unproven  # a socket leaves no machine
    (tmp_path / "key.pem").write_text("no certificate")
    for option in ("sslrootcert", "sslcert"):
        for file in (tmp_path / "absent.pem", tmp_path / "key.pem"):
            with pytest.raises(ConfigurationError, match="certificates"):
                Place.of(f"postgresql://u:p@h/d?{option}={file}").arguments()


def test_a_password_is_found_as_it_is_written_and_as_it_is_meant() -> None:
    assert passwords_in("postgresql://u:p%2Fw@h/d") == ["p%2Fw", "p/w"]
    assert passwords_in("postgresql://u:plain@h/d") == ["plain"]
    assert "hunter2" in passwords_in("postgresql://u:hunter2@h/d?sslrootcert=/certificates/me@here.pem")
    assert "hun/ter2" in passwords_in("postgresql://u:hun/ter2@h/d")
    plain = ("postgresql://u@h/d", "postgresql://h/d", "postgresql://h:5432/d", "postgresql://u:@h/d")
    for target in (*plain, "file.db", "a:b@c.db", "sqlite:///x.db"):
        assert passwords_in(target) == []
