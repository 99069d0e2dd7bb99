"""Our HTTP client against servers that are not ours, on the wall clock; TLS; bounds; addresses."""

from __future__ import annotations

import datetime
import ipaddress
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from adapters.base import Wire
from adapters.clock import WallClock
from adapters.errors import (
    BenchError,
    ConnectError,
    ConnectTimeout,
    LinkLost,
    LocalProtocolError,
    ReadTimeout,
    RemoteProtocolError,
    TransportError,
    WriteError,
)
from adapters.transports.http import HttpClient
from adapters.transports.http_connection import MAX_BODY_BYTES
from tests.adapters.test_transports import Tape

CLOCK = WallClock()


class Library(BaseHTTPRequestHandler):
    """A server of the standard library: keep-alive, JSON, chunks, close without a length."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/chunks":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for piece in (b"in ", b"pieces"):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
        elif self.path == "/until-close":
            self.send_response(200)
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(b"all of it")
        else:
            self._json({"path": self.path, "peer": self.client_address[1], "host": self.headers["Host"]})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._json({"got": json.loads(body), "type": self.headers["Content-Type"]})

    def _json(self, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def library_server(tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Serve in a thread; yield the port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Library)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def script_server(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """Accept one connection in a thread, let ``talk`` have it, close it; yield the base address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                try:
                    talk(connection)
                except OSError:  # the client has had enough, which is the point of some tests
                    return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        thread.join(10.0)


def answering(octets: bytes) -> Callable[[socket.socket], None]:
    """Return a talk that reads a request and answers ``octets``."""

    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(octets)

    return talk


def test_client_reads_the_standard_librarys_server() -> None:
    """JSON both ways, chunks, a body that ends with the connection; kept connections are used."""
    with library_server() as port:
        client = HttpClient.open(url=f"http://localhost:{port}", clock=CLOCK, timeout_s=5.0)
        first, second = client.request("GET", "/a b").json(), client.request("GET", "/c").json()
        assert isinstance(first, dict)
        assert isinstance(second, dict)
        assert (first["path"], first["host"], first["peer"]) == (
            "/a%20b",
            f"localhost:{port}",
            second["peer"],
        )
        assert client.request("POST", "/p", json={"ü": [1, None]}).json() == {
            "got": {"ü": [1, None]},
            "type": "application/json",
        }
        assert client.request("GET", "/chunks").body == b"in pieces"
        assert client.request("GET", "/until-close").body == b"all of it"
        assert client.request("PUT", "/x").status == 501
        client.close()


# -- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """A self-signed certificate for 127.0.0.1, as authorities' file and as a server's context."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = CLOCK.utc_now()
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    file, both = folder / "authority.pem", folder / "server.pem"
    pem = made.public_bytes(serialization.Encoding.PEM)
    file.write_bytes(pem)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    both.write_bytes(private + pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    return file, context


def test_client_tls_verified_against_the_labs_authority(certificate: tuple[Path, ssl.SSLContext]) -> None:
    """Two requests on one TLS connection; the tap has the clear text and a note on what carried it."""
    file, context = certificate
    tape = Tape()
    with library_server(context) as port:
        client = HttpClient.open(
            url=f"https://127.0.0.1:{port}", clock=CLOCK, tap=tape, ca_file=str(file), timeout_s=5.0
        )
        answers = [client.request("GET", "/one"), client.request("GET", "/two")]
        client.close()
    values = [answer.json() for answer in answers]
    assert [value["path"] for value in values if isinstance(value, dict)] == ["/one", "/two"]
    assert len({value["peer"] for value in values if isinstance(value, dict)}) == 1
    assert all(answer.frame_intact for answer in answers)
    said = [entry for kind, entry in tape.entries if kind == "--"]
    words = [str(text).split(" ")[0] for text in said if "far end closed" not in str(text)]  # it may be first
    assert words == ["opened", "TLSv1.3", "closed"]
    assert ", verified; what follows is its clear text" in str(said[1])
    sent = b"".join(entry for kind, entry in tape.entries if kind == "->" and isinstance(entry, bytes))
    assert sent.startswith(b"GET /one HTTP/1.1\r\nHost: 127.0.0.1")


def test_client_tls_unknown_authority_is_refused_and_can_be_waived(
    certificate: tuple[Path, ssl.SSLContext],
) -> None:
    """A certificate nobody vouches for is a ConnectError that says why; a bench file may waive the check."""
    with library_server(certificate[1]) as port:
        url = f"https://127.0.0.1:{port}"
        with pytest.raises(ConnectError, match=r"certificate is not accepted.*self-signed"):
            HttpClient.open(url=url, clock=CLOCK).request("GET", "/one")
        tape = Tape()
        client = HttpClient.open(url=url, clock=CLOCK, tap=tape, verify_tls=False)
        assert client.request("GET", "/one").status == 200
        assert "not verified" in str(tape.entries)
        client.close()
        wrong_name = HttpClient.open(
            url=url, clock=CLOCK, ca_file=str(certificate[0]), server_name="head-end.example"
        )
        with pytest.raises(ConnectError, match=r"not accepted.*[Hh]ostname mismatch"):
            wrong_name.request("GET", "/one")


def test_client_tls_towards_a_server_without_it_is_a_connect_error() -> None:
    """Another service, one that hangs up and one that says nothing: three ways to have no TLS."""

    def greet(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"220 ready to serve whoever comes\r\n" * 3)

    for talk, message in ((greet, "no TLS"), (lambda connection: None, "hung up instead of TLS")):
        with script_server(talk) as url:
            client = HttpClient.open(url=url.replace("http", "https"), clock=CLOCK, timeout_s=5.0)
            with pytest.raises(ConnectError, match=message):
                client.request("GET", "/")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(ConnectTimeout, match=r"no TLS within 0.2 s"):
            HttpClient.open(url=url, clock=CLOCK, timeout_s=0.2).request("GET", "/")


def test_client_tls_cut_off_without_good_bye_is_lost(certificate: tuple[Path, ssl.SSLContext]) -> None:
    """An answer that ends with the connection is only whole when TLS itself said good-bye."""

    def talk(connection: socket.socket) -> None:
        secured = certificate[1].wrap_socket(connection.dup(), server_side=True)
        secured.recv(65536)
        secured.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhalf of it")
        secured.detach()
        connection.shutdown(socket.SHUT_RDWR)

    with script_server(talk) as url:
        client = HttpClient.open(
            url=url.replace("http", "https"), clock=CLOCK, verify_tls=False, timeout_s=5.0
        )
        with pytest.raises(LinkLost, match="in the middle of TLS") as caught:
            client.request("GET", "/")
    assert caught.value.received.endswith(b"half of it")


def test_client_tls_authorities_that_cannot_be_read_are_the_benchs_mistake(tmp_path: Path) -> None:
    """A missing file and one without certificates."""
    (tmp_path / "empty.pem").write_text("nothing")
    for name in ("missing.pem", "empty.pem"):
        with pytest.raises(BenchError, match=name):
            HttpClient.open(url="https://127.0.0.1", clock=CLOCK, ca_file=str(tmp_path / name))


# -- bounds


@pytest.mark.parametrize(
    "octets, error, message",
    [
        (b"", LinkLost, "after 0 octets"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", LinkLost, "after 27 octets"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", LinkLost, "after 42 octets"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", LinkLost, "after 53 octets"),
        (b"SSH-2.0-OpenSSH\r\n", RemoteProtocolError, "not HTTP.*SSH-2.0"),
        (b"HTTP/9.9 200 OK\r\n\r\n", RemoteProtocolError, "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", RemoteProtocolError, "not HTTP"),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", RemoteProtocolError, "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", RemoteProtocolError, "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9, 8\r\n\r\n", RemoteProtocolError, "not HTTP"),
        (b"HTTP/1.1 204 No\r\n\r\nbody", RemoteProtocolError, "4 octets nobody asked for"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000, RemoteProtocolError, "not HTTP.*too long"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 8388609\r\n\r\n", RemoteProtocolError, "8388609 octets is"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
            RemoteProtocolError,
            "not HTTP|is announced",
        ),
    ],
)
def test_client_answer_that_is_none_is_told_with_its_octets(
    octets: bytes, error: type[TransportError] | type[RemoteProtocolError], message: str
) -> None:
    """Closed in the middle is LinkLost, wrong octets are a protocol error; both keep what came."""
    with script_server(answering(octets)) as url:
        client = HttpClient.open(url=url, clock=CLOCK, timeout_s=5.0)
        with pytest.raises(error, match=message) as caught:
            client.request("GET", "/x")
        client.close()
    kept: bytes = getattr(caught.value, "received", b"") or getattr(caught.value, "data", b"")
    assert octets.startswith(kept)
    assert bool(kept) == bool(octets)


@pytest.mark.parametrize(
    "head, piece, message",
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", bytes(1 << 20), "more than 8388608 octets"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 40_000, "no answer begins within"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n" * 40_000, "in crumbs"),
    ],
)
def test_client_answer_without_end_costs_neither_memory_nor_patience(
    head: bytes, piece: bytes, message: str
) -> None:
    """A body, informational answers or crumbs without end are cut off."""

    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(head)
        for _ in range(2 * MAX_BODY_BYTES // len(piece)):
            connection.sendall(piece)

    with script_server(talk) as url:
        with pytest.raises(RemoteProtocolError, match=message) as caught:
            HttpClient.open(url=url, clock=CLOCK, timeout_s=20.0).request("GET", "/x")
        assert len(caught.value.data) <= 65536


def test_client_trickle_does_not_stretch_the_time_for_the_whole_answer() -> None:
    """One octet now and then is not progress without end."""

    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(1000):
            connection.sendall(b"a")
            CLOCK.sleep_s(0.02)

    with script_server(talk) as url:
        started_s = CLOCK.monotonic_s()
        with pytest.raises(ReadTimeout, match=r"no whole answer within 0.3 s") as caught:
            HttpClient.open(url=url, clock=CLOCK, timeout_s=0.3).request("GET", "/x")
        assert CLOCK.monotonic_s() - started_s < 2.0
    assert caught.value.received.endswith(b"aa")


def test_client_server_that_hangs_up_under_a_large_request_is_a_write_error_or_lost() -> None:
    """Without an answer, what failed is told: sending, or the link."""

    def talk(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")

    with script_server(talk) as url:
        client = HttpClient.open(url=url, clock=CLOCK, timeout_s=5.0)
        with pytest.raises((WriteError, LinkLost)):
            client.request("POST", "/x", json="a" * 20_000_000)


def test_client_interrupted_in_the_middle_starts_on_a_fresh_connection() -> None:
    """A Ctrl-C between request and answer leaves nothing that could be taken for a later answer."""

    class Interrupted(WallClock):
        def wait_readable(self, wire: Wire, timeout_s: float) -> bool:
            if timeout_s:  # not the look at an idle connection
                raise KeyboardInterrupt
            return super().wait_readable(wire, timeout_s)

    with library_server() as port:
        client = HttpClient.open(url=f"http://127.0.0.1:{port}", clock=CLOCK, timeout_s=5.0)
        first = client.request("GET", "/1").json()
        client._connection.octets._stream._clock = Interrupted()  # type: ignore[union-attr]
        with pytest.raises(KeyboardInterrupt):
            client.request("GET", "/2")
        second = client.request("GET", "/3").json()
        assert isinstance(first, dict)
        assert isinstance(second, dict)
        assert (second["path"], second["peer"] != first["peer"]) == ("/3", True)
        client.close()


# -- addresses and requests


@pytest.mark.parametrize(
    "url",
    ["", "head-end", "ftp://a/b", "http://", "http:///x", "http://a:99999", "http://a:b/", "http://a?x=1",
     "http://a#b", "http://[::1", "http://" + "a" * 70],
)  # fmt: skip
def test_client_address_that_is_none_is_the_benchs_mistake(url: str) -> None:
    """Told before anything is connected."""
    with pytest.raises(BenchError, match="address"):
        HttpClient.open(url=url, clock=CLOCK)


def test_client_address_with_a_password_is_refused_without_repeating_it() -> None:
    """Secrets stand under secrets."""
    with pytest.raises(BenchError, match="belong to the secrets") as caught:
        HttpClient.open(url="https://me:hunter22@head-end.example", clock=CLOCK)
    assert "hunter22" not in str(caught.value)


@pytest.mark.parametrize(
    "url, name",
    [
        ("HTTP://Head-End.example:80/api/", "http://head-end.example/api"),
        ("https://[2001:db8::7]:8443", "https://[2001:db8::7]:8443"),
        ("http://zähler.example", "http://xn--zhler-gra.example"),
    ],
)
def test_client_address_is_told_in_one_form(url: str, name: str) -> None:
    """Default ports, case, IPv6 brackets, names outside ASCII."""
    assert repr(HttpClient.open(url=url, clock=CLOCK)) == f"<HttpClient {name}>"


@pytest.mark.parametrize(
    "method, path, extra",
    [
        ("get", "/x", {}),
        ("GET", "x", {}),
        ("GET", "http://other/", {}),
        ("G ET", "/x", {}),
        ("GET", "/x", {"headers": {"Content-Length": "5"}}),
        ("GET", "/x", {"headers": {"X-Name": "zähler"}}),
        ("POST", "/x", {"json": float("nan")}),
        ("POST", "/x", {"json": {"a": object()}}),
        ("POST", "/x", {"json": "\ud800"}),
    ],
)
def test_client_request_that_cannot_be_written_is_our_mistake(
    method: str, path: str, extra: dict[str, object]
) -> None:
    """Told before anything is connected."""
    client = HttpClient.open(url="http://127.0.0.1:9", clock=CLOCK)
    with pytest.raises(LocalProtocolError):
        client.request(method, path, **extra)  # type: ignore[arg-type]


def test_client_looks_at_no_environment_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the workstation is not a proxy of the bench."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with library_server() as port:
        client = HttpClient.open(url=f"http://127.0.0.1:{port}", clock=CLOCK, timeout_s=5.0)
        assert client.request("GET", "/x").status == 200
        client.close()
