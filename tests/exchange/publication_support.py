"""A publication, a static server and followers of their own, for tests."""

from __future__ import annotations

import contextlib
import http.server
import shutil
import threading
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import msgspec

from tutela.core.media import Digests
from tutela.exchange import lists as published
from tutela.exchange import members
from tutela.exchange.crypt import Identity
from tutela.exchange.model import MemberPermission
from tutela.exchange.publish.ceremony import Ceremony
from tutela.exchange.publish.keys import Keyring
from tutela.exchange.publish.release import Publisher
from tutela.exchange.publish.repository import last_root
from tutela.exchange.subscribe.follow import sync_all
from tutela.exchange.subscribe.subscription import Subscription, Subscriptions
from tutela.hashlist.library import Library

DAY = timedelta(days=1)


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves files, and parts of files; breaks off where a test wants it to."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.asked.append((self.path, self.headers.get("Range")))
        for ending, answer in self.server.odd.items():
            if ending in self.path:
                answer(self)
                return
        begin = self.headers.get("Range", "").removeprefix("bytes=").rstrip("-")
        if not begin or not self.server.ranges:
            super().do_GET()
            return
        content = Path(self.translate_path(self.path)).read_bytes()[int(begin) :]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {begin}-{int(begin) + len(content) - 1}/*")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class Server(http.server.ThreadingHTTPServer):
    """A static server; `odd` answers for paths that hold a text."""

    def handle_error(self, *_):
        pass  # clients hang up on what is too long


@contextlib.contextmanager
def serving(folder):
    server = Server(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    server.asked, server.odd, server.ranges = [], {}, True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def url_of(server):
    return f"http://127.0.0.1:{server.server_address[1]}"


@dataclass
class Publication:
    """What North Force publishes; its keys are in `keys`."""

    lists: object
    folder: Path
    keys: Path
    expires: timedelta = DAY

    @property
    def ceremony(self):
        return Ceremony(self.folder, Keyring(self.keys), self.expires)

    def begin(self, root=(), targets=(), threshold=1):
        return self.ceremony.begin(root, targets, threshold)

    def publish(self):
        return Publisher(self.lists.office.database, self.lists.owner, self.ceremony).publish()

    def root(self, version=1):
        if version:
            return (self.folder / "metadata" / f"{version}.root.json").read_bytes()
        return last_root(self.folder).read_bytes()

    def member(self, organisation, identity, jurisdictions=()):
        with self.lists.office.database.write() as tx:
            members.add(
                tx,
                self.lists.owner,
                self.lists.id,
                self.lists.office.organisations[organisation],
                MemberPermission.READ,
                jurisdictions,
                identity.recipient,
            )

    def leave(self, organisation):
        with self.lists.office.database.write() as tx:
            members.remove(
                tx, self.lists.owner, self.lists.id, self.lists.office.organisations[organisation]
            )

    def role(self):
        publisher = Publisher(self.lists.office.database, self.lists.owner, self.ceremony)
        with self.lists.office.database.read() as tx:
            return publisher.role_of(published.view(tx, self.lists.owner, "known"))


class Follower:
    """A subscriber with a home of its own."""

    def __init__(self, home):
        self.home = home
        self.identity = Identity.make(home / "key.age")
        self.subscriptions = Subscriptions(home / "subscriptions")

    def follow(self, url, root, **options):
        subscription = Subscription(
            name="pub", url=url, identity=str(self.home / "key.age"), **options
        )
        self.subscriptions.add(subscription, root)

    def sync(self):
        """Sync once; return what became of each list, or raise why all was refused."""
        (outcome,) = sync_all(self.subscriptions, self.home / "library", 1 << 30, None)
        if outcome.error:
            raise outcome.error
        return list(outcome.lists)

    def moved(self, url):
        """Ask another mirror from now on."""
        one = self.subscriptions.one("pub")
        self.subscriptions.save(msgspec.structs.replace(one, url=url))

    def copy(self, home):
        """Return another one that knows what this one knows."""
        shutil.copytree(self.home, home, symlinks=True)
        twin = Follower.__new__(Follower)
        twin.home, twin.identity = home, self.identity
        twin.subscriptions = Subscriptions(home / "subscriptions")
        one = twin.subscriptions.one("pub")
        twin.subscriptions.save(msgspec.structs.replace(one, identity=str(home / "key.age")))
        return twin

    def library(self):
        return Library.open(self.home / "library")

    def matched(self, candidates, by="digest"):
        """Return the places of the contents that are found."""
        if not (self.home / "library").exists():
            return set()
        queries = [
            (one.digests, []) if by == "digest" else (Digests(), list(one.fingerprints))
            for one in candidates
        ]
        found = self.library().find_many(queries)
        return {place for place, hits in enumerate(found) if hits}
