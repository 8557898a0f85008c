"""A small application that takes uploads, behind the guard.

    python examples/guarded_uploads.py --service http://localhost:8471 --token-file TOKEN

    curl -F file=@holiday.jpg http://localhost:8080/uploads      # kept, unless a list knows it
    curl --data-binary @holiday.jpg http://localhost:8080/uploads

The application keeps what it is given in a folder. It knows nothing of lists: what the guard
blocks it never sees, and what the guard holds lies in another folder until a person has looked.
Pictures are decoded in confined processes, which are started before anything else.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
from pathlib import Path

import uvicorn

from tutela.client import AsyncClient
from tutela.client.guard import FOUND, Guard, Receive, Scope, Send, Upload
from tutela.core.media import Fingerprint
from tutela.scan.hasher import Hasher


async def application(folder: Path, scope: Scope, receive: Receive, send: Send) -> None:
    """Keep the body of a request, whatever it is."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    name = hashlib.sha256(body).hexdigest()
    (folder / name).write_bytes(body)
    said = {"kept": name, "remarked": FOUND in scope}
    await send(
        {
            "type": "http.response.start",
            "status": 201,
            "headers": [(b"content-type", b"application/json")],
        }
    )
    await send({"type": "http.response.body", "body": json.dumps(said).encode()})


async def lifespan(receive: Receive, send: Send) -> None:
    """Say that there is nothing to start or to end."""
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def keep_aside(folder: Path, upload: Upload) -> None:
    """Keep an upload that is held, with what was found, for a person to look at."""
    name = hashlib.sha256(upload.body).hexdigest()
    (folder / name).write_bytes(upload.body)
    entries = [
        [match.list, match.entry, match.strength.value]
        for content in upload.found.contents
        for match in content.matches
    ]
    (folder / f"{name}.json").write_text(json.dumps(entries))


def fingerprints(hasher: Hasher, data: bytes) -> list[Fingerprint]:
    """Return the fingerprints of a file, none where it is no picture."""
    (_, found), _ = hasher.known(data)
    return list(found)


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--service", default="http://localhost:8471")
    parser.add_argument("--token-file", type=Path, required=True)
    parser.add_argument("--folder", type=Path, default=Path("uploads"))
    parser.add_argument("--port", type=int, default=8080)
    asked = parser.parse_args()
    held = asked.folder / "held"
    held.mkdir(parents=True, exist_ok=True)
    with Hasher() as hasher:
        guarded = Guard(
            functools.partial(application, asked.folder),
            AsyncClient(asked.service, asked.token_file.read_text().strip()),
            fingerprints=functools.partial(fingerprints, hasher),
            held=functools.partial(keep_aside, held),
        )
        uvicorn.run(guarded, port=asked.port, log_level="warning")


if __name__ == "__main__":
    main()
