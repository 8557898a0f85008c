"""The root of a VICS file: which model, which profile, media or cases."""

from __future__ import annotations

import re
from typing import NamedTuple

from tutela.core.errors import UsageError

CONTEXT_KEYS = ("@odata.context", "odata.metadata")
_CONTEXT = re.compile(r"/(\d+\.\d+)\.xml(?:/([^/$#]+)/\$metadata)?#\w+$", re.ASCII)
_SCHEME = re.compile(r"vics-(\d+\.\d+)(?:-(.+))?-media$", re.ASCII)
_PROFILE = re.compile(r"\w+$", re.ASCII)
# The remark on a file whose categories cannot be understood without asking its sender.
UNKNOWN_MODEL = "files of unknown VICS model and profile"
_WRITTEN = ("1.0", "1.1", "1.2", "1.3", "2.0")


class Model(NamedTuple):
    """Model version, profile (empty before 2.0), and `media` (a hash set) or `cases`."""

    version: str
    profile: str
    kind: str

    @classmethod
    def of(cls, context: str, kind: str) -> Model:
        """Return the model that a root's context names; what the records are decides the kind."""
        match = _CONTEXT.search(context)
        return cls(match[1], match[2] or "", kind) if match else cls("unknown", "", kind)

    @classmethod
    def to_write(cls, version: str, profile: str, schemes: tuple[str, ...]) -> Model:
        """Return the model of a hash set to write.

        As told; else that of the list's own VICS scheme where it has just one, so that categories
        survive; else 2.0 Default.

        Raises:
            UsageError: the version is not one that we write, or the profile is no word.
        """
        own = [match for match in map(_SCHEME.match, schemes) if match]
        if not version and not profile and len(own) == 1 and own[0][1] in _WRITTEN:
            return cls(own[0][1], own[0][2] or "", "media")
        version = version or "2.0"
        if version not in _WRITTEN:
            raise UsageError(f"VICS {version} cannot be written", hint=", ".join(_WRITTEN))
        if version != "2.0":
            return cls(version, "", "media")
        profile = profile or "Default"
        if not _PROFILE.match(profile):
            raise UsageError(f"a VICS profile is one word, not {profile!r}")
        return cls(version, profile, "media")

    @property
    def known(self) -> bool:
        """Tell whether the root said the model, and the profile where the model has profiles."""
        return self.version != "unknown" and (self.version != "2.0" or bool(self.profile))

    @property
    def scheme(self) -> str:
        """The name of the scheme of its category numbers, such as `vics-2.0-US-media`."""
        return "-".join(part for part in ("vics", *self) if part)

    @property
    def root(self) -> tuple[str, str]:
        """The first key and its value, letter for letter as strict readers compare them."""
        fragment = "Cases" if self.kind == "cases" else "Media"
        if self.version == "2.0":
            base = "http://github.com/VICSDATAMODEL/ProjectVic/DataModels/2.0.xml"
            return CONTEXT_KEYS[0], f"{base}/{self.profile}/$metadata#{fragment}"
        base = "http://github.com/ICMEC/ProjectVic/DataModels"
        return CONTEXT_KEYS[1], f"{base}/{self.version}.xml#{fragment}"
