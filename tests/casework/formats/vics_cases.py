"""VICS case files for tests: drawn numbers and invented words, no content behind any digest."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

ROOT_20 = "http://github.com/VICSDATAMODEL/ProjectVic/DataModels/2.0.xml/{}/$metadata#Cases"
ROOT_13 = "http://github.com/ICMEC/ProjectVic/DataModels/{}.xml#Cases"


def digests(name: str) -> dict[str, str]:
    """MD5, SHA1 and SHA256 of a made-up content."""
    data = name.encode()
    return {
        "MD5": hashlib.md5(data).hexdigest().upper(),
        "SHA1": hashlib.sha1(data).hexdigest().upper(),
        "SHA256": hashlib.sha256(data).hexdigest(),
    }


def medium(name: str = "a", *, sha256: bool = True, **more: Any) -> dict[str, Any]:
    """One Media record; a keyword of None is written as null, `...` leaves a key out."""
    made = digests(name)
    record: dict[str, Any] = {
        "MediaID": 1,
        "Category": None,
        "MD5": made["MD5"],
        "SHA1": made["SHA1"],
        "MimeType": "image/png",
        "MediaSize": 143,
        "RelativeFilePath": f"Files\\{name}.png",
    }
    if sha256:
        record["AlternativeHashes"] = [
            {"MD5": made["MD5"], "HashName": "SHA256", "HashValue": made["SHA256"]}
        ]
    record["MediaFiles"] = [place(name)]
    record |= more
    return {key: value for key, value in record.items() if value is not ...}


def place(name: str = "a", folder: str = "EXH01\\DCIM", **more: Any) -> dict[str, Any]:
    """One MediaFile."""
    record = {
        "MD5": digests(name)["MD5"],
        "FileName": f"{name}.png",
        "FilePath": f"{folder}\\{name}.png",
        "Created": "2026-10-01T09:00:00.0000000Z",
        "Written": "2026-10-01T09:00:00.0000000Z",
        "Unallocated": False,
        "Deleted": False,
        "SourceID": "EXH01",
        "PhysicalLocation": 4096,
    } | more
    return {key: value for key, value in record.items() if value is not ...}


def case(*media: Any, **more: Any) -> dict[str, Any]:
    """One case."""
    return {
        "CaseID": "{00000000-0000-0000-0000-000000000001}",
        "CaseNumber": "TEST/0001/26",
        "ContactOrganization": "Example Constabulary",
        "SourceApplicationName": "sample-maker",
        "SourceApplicationVersion": "0.1",
        "TotalMediaFiles": len(media),
        **more,
        "Media": list(media),
    }


def document(*cases: Any, profile: str = "US", version: str = "2.0", **more: Any) -> bytes:
    """A whole file."""
    key, context = "@odata.context", ROOT_20.format(profile)
    if version != "2.0":
        key, context = "odata.metadata", ROOT_13.format(version)
    return json.dumps({key: context, **more, "value": list(cases)}).encode()


def written(folder: Path, content: bytes, name: str = "case.json") -> Path:
    """Put a file somewhere."""
    path = folder / name
    path.write_bytes(content)
    return path
