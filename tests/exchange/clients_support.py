"""Followers of servers of others, and servers that do what a test says, on loopback."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import msgspec

from tutela.core.entry import Role
from tutela.core.media import PDQ, Digests, Fingerprint
from tutela.exchange.clients.kept import Mark
from tutela.exchange.clients.report import report
from tutela.exchange.clients.sync import ClientSync
from tutela.exchange.clients.wire import Limits
from tutela.exchange.subscribe.subscription import Followed, Subscription, Subscriptions
from tutela.hashlist.library import Library
from tutela.hashlist.live import LiveList

SECRET = "wHbEaaKqLhjfJkYzRrTtUuVv-never-told"
CREDENTIALS = {
    "ncmec": 'user = "platform"\npassword = "{}"\n',
    "stopncii": 'subscription_key = "platform"\nfetch_key = "{0}"\nfeedback_key = "{0}"\n',
    "threatexchange": 'app_token = "{}"\n',
}
QUICK = Limits(
    page_bytes=1 << 20, page_s=1.0, silence_s=0.5, tries=2, backoff_s=0.0, pages=50, empty_pages=5
)


class Follower:
    """A machine with a library that follows one server."""

    def __init__(self, home: Path, kind: str, url: str, secret: str = SECRET, **options) -> None:
        self.home, self.kind = home, kind
        home.mkdir(parents=True, exist_ok=True)
        self.credential = home / "credential.toml"
        self.credential.write_text(CREDENTIALS[kind].format(secret))
        self.credential.chmod(0o600)
        self.subscriptions = Subscriptions(home / "subscriptions")
        self.library = home / "library"
        self.limits, self.paused = QUICK, []
        role = options.pop("role", Role.ALERT)
        self.subscriptions.add(
            Subscription(
                name="there",
                url=url,
                kind=kind,
                credential=str(self.credential),
                lists={"there": Followed(local="there", role=role.value)},
                **options,
            )
        )

    def sync(self, *, refused: str = "", **limits):
        """Sync once; check that every row is counted, and that it is refused as `refused` says."""
        one = ClientSync(
            self.subscriptions,
            self.subscriptions.one("there"),
            self.library,
            replace(self.limits, **limits),
            self.paused.append,
        )
        (done,) = one.sync()
        self.subscriptions.save(one.subscription)
        assert (done.error.code if done.error else "") == refused, done.error
        removed = done.removed - done.missing
        assert done.rows == done.added + done.replaced + removed + done.unchanged + done.quarantined
        assert done.unchanged >= 0
        return done

    def report(self, hash_, verdict, *reasons):
        one = self.subscriptions.one("there")
        return report(
            one, self.library, hash_, verdict, reasons, limits=QUICK, pause=self.paused.append
        )

    @property
    def live(self) -> LiveList:
        return LiveList.open(self.library, "there")

    @property
    def mark(self) -> Mark:
        return msgspec.json.decode(self.live.checkpoint(), type=Mark)

    def earlier(self, seconds: int) -> None:
        """Let the last round be longer ago."""
        mark = self.mark
        place = msgspec.structs.replace(
            mark.place,
            since=mark.place.since - seconds,
            asked_at=mark.place.asked_at - seconds,
            full_at=mark.place.full_at - seconds,
        )
        self.live.apply([], msgspec.structs.replace(mark, place=place).encoded())

    def entries(self):
        live = self.live
        return list(live.library.entries(live.info.number))

    def values(self) -> set[str]:
        """Return the values that match, each as hexadecimal."""
        found = set()
        for entry in self.entries():
            digests = (entry.digests.md5, entry.digests.sha1, entry.digests.sha256)
            found |= {one.hex() for one in digests if one}
            found |= {one.bits.hex() for one in entry.fingerprints if one.algorithm == PDQ}
        return found

    def matches(self, *, md5: str = "", pdq: str = "") -> bool:
        digests = Digests(md5=bytes.fromhex(md5) if md5 else None)
        prints = (Fingerprint(PDQ, bytes.fromhex(pdq)),) if pdq else ()
        return bool(Library.open(self.library).find(digests, prints))

    def quarantine(self) -> list[dict]:
        path = self.home / "subscriptions" / "there" / "quarantine.jsonl"
        lines = path.read_bytes().splitlines() if path.exists() else []
        return [msgspec.json.decode(line) for line in lines]

    def everything_kept(self) -> bytes:
        """Return all bytes on disk but those of the credential itself."""
        files = [path for path in self.home.rglob("*") if path.is_file()]
        return b"\n".join(p.read_bytes() for p in files if p != self.credential)


class Server(http.server.ThreadingHTTPServer):
    """Answers each request as `answers` says, in order; the last one again and again."""

    daemon_threads = True

    def handle_error(self, *_):
        pass  # clients hang up on what is too much


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        length = int(self.headers.get("Content-Length", 0))
        self.body = self.rfile.read(length)
        self.query = {key: value[0] for key, value in parse_qs(urlsplit(self.path).query).items()}
        asked = self.server.asked
        names = ("command", "path", "query", "body")
        asked.append(SimpleNamespace(**{name: getattr(self, name) for name in names}))
        answers = self.server.answers
        answer = answers if callable(answers) else answers[min(len(asked), len(answers)) - 1]
        if callable(answer):
            answer = answer(self)
        if answer is not None:
            send(self, *(answer if isinstance(answer, tuple) else (200, answer)))

    do_POST = do_PUT = do_GET  # noqa: N815 the names that the base looks for


def send(handler, status: int, body: bytes | dict, **headers) -> None:
    if isinstance(body, dict):
        body = msgspec.json.encode(body)
    handler.send_response(status)
    for name, value in ({"Content_Length": len(body)} | headers).items():
        handler.send_header(name.replace("_", "-"), str(value))
    handler.end_headers()
    handler.wfile.write(body)


@contextlib.contextmanager
def serving(answers):
    server = Server(("127.0.0.1", 0), _Handler)
    server.asked, server.answers = [], answers
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


AT = 1_790_000_000
TOKEN = f"12345678|{SECRET}"
NS = "https://hashsharing.ncmec.org/hashsharing/v2"


def pdq(number: int) -> str:
    return hashlib.sha256(b"invented %d" % number).hexdigest()


def md5(number: int) -> str:
    return hashlib.md5(b"invented %d" % number).hexdigest()


def record(number: int, **others) -> dict:
    said = {
        "lastModtimestamp": AT + number,
        "signalType": "ImagePDQ",
        "hashValue": pdq(number),
        "hashStatus": "Active",
        "caseNumbers": {str(number): "Active"},
    }
    return said | others


def page(*records, token: str | None = None, more: bool | None = None, until: int = AT) -> dict:
    return {
        "count": len(records),
        "nextPageToken": token,
        "nextSetTimestamp": until,
        "hasMoreRecords": bool(token) if more is None else more,
        "hashRecords": list(records),
    }


def image(number: int, inside: str | None = None, *, member: int = 42) -> str:
    prints = f"<pdq>{pdq(number)}</pdq><md5>{md5(number)}</md5>" if inside is None else inside
    return (
        f'<image><member id="{member}">Ex</member><timestamp>2026-10-24T15:10:00Z</timestamp>'
        f"<id>i{number}</id><classification>A1</classification>"
        f"<fingerprints>{prints}</fingerprints></image>"
    )


def gone(number: int) -> str:
    return f'<deletedImage><member id="42">Ex</member><id>i{number}</id></deletedImage>'


def document(*images: str, following: str = "") -> bytes:
    paging = f"<paging><next>{following}</next></paging>" if following else ""
    return (
        f'<?xml version="1.0"?><queryResult xmlns="{NS}"><images count="{len(images)}">'
        f'{"".join(images)}</images><videos count="0"/>{paging}</queryResult>'
    ).encode()


def update(number: int, *descriptors, **others) -> dict:
    said = descriptors or ({"id": "77", "owner": {"id": "5"}, "status": "MALICIOUS"},)
    return {
        "id": str(number),
        "indicator": pdq(number),
        "type": "HASH_PDQ",
        "last_updated": AT + number,
        "should_delete": False,
        "descriptors": {"data": list(said)},
    } | others


def follow(tmp_path, server, kind="stopncii", **options) -> Follower:
    if kind == "threatexchange":
        return Follower(tmp_path / kind, kind, f"{server.url}/v1", TOKEN, wanted=("99",), **options)
    return Follower(tmp_path / kind, kind, f"{server.url}/v1", **options)


CORRUPT = {
    "stopncii": msgspec.json.encode(page(record(1), record(2)))[:-40],
    "threatexchange": msgspec.json.encode({"data": [update(1)]})[:-5],
    "ncmec": document(image(1), image(2))[:-30],
}
