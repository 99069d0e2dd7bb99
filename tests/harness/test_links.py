"""Links of a device: which wire they are, and what their transcripts hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from adapters.errors import BenchError
from adapters.registry import HttpChannel, Secret
from adapters.transports.http import HttpClient
from adapters.transports.http_transcript import HttpTranscript
from harness.config.bench_file import HttpLink
from harness.evidence.wirelog import WireLog
from harness.links import Links
from harness.scrub import Scrubber
from tests.virtual_rig.http_models import Served, serving

TOKEN = b"demo-token-0123456789"


@pytest.fixture
def served() -> Iterator[Served]:
    """A service in virtual time."""
    with serving("virtual") as made:
        yield made


def links(served: Served, wire_dir: Path, logs: dict[str, WireLog], **options: str) -> Links:
    """Return the links of a device ``tms``: ``api`` over HTTP, ``console`` over TCP."""
    http = HttpLink.model_validate({"transport": "http", "url": served.url, **options})
    host, _, port = served.server.address.rpartition(":")
    scrubber = Scrubber()
    scrubber.add("tms.token", TOKEN)
    return Links(
        device="tms",
        options={"api": http.options(), "console": {"transport": "tcp", "host": host, "port": port}},
        clock=served.clock,
        logs=logs,
        decoder=lambda options: HttpTranscript(),
        wire_dir=wire_dir,
        scrubber=scrubber,
    )


def test_http_link_transcript_reads_like_the_conversation_and_hides_the_token(
    served: Served, tmp_path: Path
) -> None:
    """Requests, answers and bodies in words; the token in no notation, nor in the pcap."""
    logs: dict[str, WireLog] = {}
    channel: HttpChannel = links(served, tmp_path / "wire", logs).open_http("api")
    channel.authorize(Secret(TOKEN))
    assert channel.request("GET", "/v1/who").json() == {"authorization": f"Bearer {TOKEN.decode()}"}
    channel.request("POST", "/v1/units", json={"serial": "00012345"})
    channel.close()
    for log in logs.values():
        log.close()
    files = sorted(path.name for path in (tmp_path / "wire").iterdir())
    assert files == ["tms-api.log", "tms-api.pcap"]
    text = (tmp_path / "wire" / "tms-api.log").read_text()
    for expected in (
        "| GET /v1/who",
        "| GET /v1/who -> 200 OK  application/json 48 octets",
        '{"authorization":"Bearer [secret tms.token]"}',
        "| POST /v1/units  application/json 21 octets",
        '{"serial":"00012345"}',
        "| POST /v1/units -> 201 Created  application/json 32 octets",
    ):
        assert expected in text
    for path in (tmp_path / "wire").iterdir():
        content = path.read_bytes()
        assert TOKEN not in content
        assert TOKEN.hex(" ").encode() not in content


def test_http_link_options_reach_the_client(served: Served, tmp_path: Path) -> None:
    """Time-out and name of the server, as the bench file has them."""
    client = links(served, tmp_path / "wire", {}, timeout_s="2.5", server_name="head-end.example").open_http(
        "api"
    )
    assert isinstance(client, HttpClient)
    assert client._timeout_s == 2.5
    assert client._base.authority == "head-end.example"
    client.close()


def test_link_of_another_kind_is_refused(served: Served, tmp_path: Path) -> None:
    """HTTP is not a stream, and a stream is not HTTP."""
    both = links(served, tmp_path / "wire", {})
    with pytest.raises(BenchError, match=r"tms\.api: no stream transport 'http'"):
        both.open_stream("api")
    with pytest.raises(BenchError, match=r"tms\.console: transport 'tcp' is not http"):
        both.open_http("console")


def test_link_parallel_connections_have_transcripts_of_their_own(served: Served, tmp_path: Path) -> None:
    """Two at a time are two files; one after the other share one."""
    logs: dict[str, WireLog] = {}
    both = links(served, tmp_path / "wire", logs)
    first, second = both.open_stream("console"), both.open_stream("console")
    first.stream.close()
    third = both.open_stream("console")
    for opened in (second, third):
        opened.stream.close()
    assert sorted(logs) == ["tms-console", "tms-console-2"]
    options: Mapping[str, str] = third.options
    assert options["transport"] == "tcp"
    for log in logs.values():
        log.close()
