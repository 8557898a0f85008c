"""Settings: a TOML file, then `TUTELA_*` variables, then flags; an unknown key is an error.

`describe` yields every setting with its default and meaning, from which the reference page is made.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import msgspec

from tutela.core.chat_settings import ChatSettings
from tutela.core.crawl_settings import CrawlSettings
from tutela.core.errors import SettingsError
from tutela.core.homes import config_home, data_home, state_home
from tutela.core.leads_settings import LeadsSettings
from tutela.core.media import PDQ_RADIUS_BITS

PREFIX = "TUTELA_"


class ScanSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How `tutela scan` works."""

    jobs: Annotated[
        int,
        msgspec.Meta(ge=0, le=1024, description="Worker processes; 0 means one for each core."),
    ] = 0
    radius_bits: Annotated[
        int,
        msgspec.Meta(ge=0, le=31, description="PDQ distance up to which a picture is a hit."),
    ] = PDQ_RADIUS_BITS
    item_seconds: Annotated[
        float,
        msgspec.Meta(gt=0, description="A file whose worker is silent longer has failed."),
    ] = 60.0
    worker_memory_mib: Annotated[
        int,
        msgspec.Meta(ge=512, description="Memory that a worker may add to what it starts with."),
    ] = 4096
    picture_mib: Annotated[
        int,
        msgspec.Meta(ge=1, description="Larger files are digested but not decoded as pictures."),
    ] = 256
    picture_megapixels: Annotated[
        int,
        msgspec.Meta(ge=1, description="Pictures that decode to more pixels are not decoded."),
    ] = 200
    frames: Annotated[
        int,
        msgspec.Meta(ge=1, description="Frames of one animation that are fingerprinted, at most."),
    ] = 16
    nesting: Annotated[
        int,
        msgspec.Meta(ge=0, le=32, description="How deep containers inside containers are opened."),
    ] = 6
    nested_mib: Annotated[
        int,
        msgspec.Meta(ge=1, description="Largest compressed container inside another that opens."),
    ] = 512
    container_gib: Annotated[
        int,
        msgspec.Meta(ge=1, description="Bytes that one archive may expand to."),
    ] = 1024
    expansion: Annotated[
        int,
        msgspec.Meta(ge=2, description="How many times its size an archive may expand to."),
    ] = 200
    sparse_mib: Annotated[
        int,
        msgspec.Meta(
            ge=1,
            description="Files larger than this of which under 1 % is stored are not digested.",
        ),
    ] = 4096
    state: Annotated[
        Path,
        msgspec.Meta(description="Folder of the journals that make scans resumable."),
    ] = msgspec.field(default_factory=lambda: state_home() / "scans")


class LibrarySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where imported hash lists live."""

    path: Annotated[
        Path,
        msgspec.Meta(description="Folder of the imported hash lists and their index."),
    ] = msgspec.field(default_factory=lambda: data_home() / "library")


class DatabaseSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where cases, grades, accounts and the audit log live."""

    url: Annotated[
        str,
        msgspec.Meta(
            description="SQLite file (`sqlite:////path/file.db`) or PostgreSQL server "
            "(`postgresql://user@host/name`, password from `PGPASSFILE`)."
        ),
    ] = msgspec.field(default_factory=lambda: f"sqlite:///{data_home() / 'tutela.db'}")


class VaultSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where media are kept, encrypted, for cases that keep them."""

    path: Annotated[
        Path,
        msgspec.Meta(description="Folder of the encrypted objects and their wrapped keys."),
    ] = msgspec.field(default_factory=lambda: data_home() / "vault")
    master_key: Annotated[
        str,
        msgspec.Meta(
            description="Where the master key is: `file:PATH` (32 bytes, made by `tutela init`), "
            "`env:NAME` (64 hexadecimal digits) or "
            "`pkcs11:MODULE?token=LABEL&key=LABEL&pin=env:NAME`."
        ),
    ] = msgspec.field(default_factory=lambda: f"file:{data_home() / 'keys' / 'master.key'}")


class AuditSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the audit log is signed."""

    origin: Annotated[
        str,
        msgspec.Meta(description="Name of this log in its checkpoints; keep it once chosen."),
    ] = "tutela.invalid/audit"
    signing_key: Annotated[
        Path,
        msgspec.Meta(description="Ed25519 key that signs checkpoints, made by `tutela init`."),
    ] = msgspec.field(default_factory=lambda: data_home() / "keys" / "audit.key")
    checkpoint_minutes: Annotated[
        int,
        msgspec.Meta(ge=1, description="`tutela serve` signs a checkpoint so often."),
    ] = 10


class WebSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How `tutela serve` serves people."""

    host: Annotated[str, msgspec.Meta(description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535, description="Port to listen on.")] = 8470
    origin: Annotated[
        str,
        msgspec.Meta(
            description="The address people type, scheme and host, for passkeys and links; "
            "`http` is accepted for localhost only."
        ),
    ] = "http://localhost:8470"
    idle_minutes: Annotated[
        int, msgspec.Meta(ge=1, description="A session that is not used ends after so long.")
    ] = 30
    session_hours: Annotated[
        int, msgspec.Meta(ge=1, description="Every session ends after so long.")
    ] = 10
    language: Annotated[
        str, msgspec.Meta(description="Language of the pages where a person chose none: en, de.")
    ] = "en"
    oidc_issuer: Annotated[
        str, msgspec.Meta(description="OpenID Connect issuer of the agency; empty for none.")
    ] = ""
    oidc_client_id: Annotated[
        str, msgspec.Meta(description="Client id that the issuer knows us by.")
    ] = ""
    oidc_secret_file: Annotated[
        Path | None, msgspec.Meta(description="File with the client secret.")
    ] = None


class ApiSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How `tutela serve --api` serves programs."""

    host: Annotated[str, msgspec.Meta(description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535, description="Port to listen on.")] = 8471
    origin: Annotated[
        str,
        msgspec.Meta(
            description="The address programs use, scheme and host, for links in answers."
        ),
    ] = "http://localhost:8471"
    requests_per_minute: Annotated[
        int,
        msgspec.Meta(ge=1, description="Requests that one account may make in a minute."),
    ] = 6000
    body_mib: Annotated[
        int, msgspec.Meta(ge=1, description="Largest request, a file to be matched included.")
    ] = 32
    feed_key: Annotated[
        Path,
        msgspec.Meta(description="Ed25519 key that signs pages of `/feed`, made by `tutela init`."),
    ] = msgspec.field(default_factory=lambda: data_home() / "keys" / "feed.key")


class MatchSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How `tutela serve --api` matches for platforms."""

    files: Annotated[
        bool,
        msgspec.Meta(
            description="Whether files may be sent to be matched; they are decoded in confined "
            "processes and not kept."
        ),
    ] = False
    quarantine_contents: Annotated[
        int,
        msgspec.Meta(
            ge=0,
            description="An entry that so many different contents resemble within the window does "
            "not answer by resemblance any more until its owner releases it; 0 for never.",
        ),
    ] = 1000
    quarantine_minutes: Annotated[
        int, msgspec.Meta(ge=1, description="The window in which those contents are counted.")
    ] = 60
    quarantine_reports: Annotated[
        int,
        msgspec.Meta(
            ge=0,
            description="An entry that so many members report as a false positive does not answer "
            "at all until its owner releases it; 0 for never.",
        ),
    ] = 2
    prefix_anonymity: Annotated[
        int,
        msgspec.Meta(
            ge=1, description="Digests of a member's lists that share a prefix, on average."
        ),
    ] = 64
    prefixes_per_day: Annotated[
        int,
        msgspec.Meta(ge=1, description="Different prefixes that one member may ask in a day."),
    ] = 20_000


class ExchangeSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How lists are published, and those of others subscribed to."""

    publication: Annotated[
        Path,
        msgspec.Meta(description="Folder that a static host serves: what this installation gives."),
    ] = msgspec.field(default_factory=lambda: data_home() / "publication")
    keys: Annotated[
        Path,
        msgspec.Meta(description="Folder of the keys that sign the publication, and of drafts."),
    ] = msgspec.field(default_factory=lambda: data_home() / "keys" / "exchange")
    timestamp_hours: Annotated[
        int,
        msgspec.Meta(
            ge=1,
            le=24 * 30,
            description="How old the newest publication may be before subscribers call it frozen; "
            "`tutela serve --api` renews it four times as often.",
        ),
    ] = 24
    subscriptions: Annotated[
        Path,
        msgspec.Meta(description="Folder of what this installation knows of those it follows."),
    ] = msgspec.field(default_factory=lambda: state_home() / "subscriptions")
    sync_seconds: Annotated[
        int, msgspec.Meta(ge=1, description="How often `tutela list sync` looks for something new.")
    ] = 60
    file_gib: Annotated[
        int, msgspec.Meta(ge=1, description="Largest file of a publication that is fetched.")
    ] = 64


class FederationSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How `tutela serve --federation` speaks with partner nodes: installations of other nations."""

    host: Annotated[str, msgspec.Meta(description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535, description="Port to listen on.")] = 8472
    url: Annotated[
        str,
        msgspec.Meta(description="The address at which partner nodes reach this one, `https`."),
    ] = "https://localhost:8472"
    name: Annotated[
        str, msgspec.Meta(description="What this node is called by its partners, such as `de`.")
    ] = ""
    country: Annotated[
        str, msgspec.Meta(description="Its nation: ISO 3166-1 alpha-2, such as `DE`.")
    ] = ""
    contact: Annotated[
        str,
        msgspec.Meta(
            description="Whom a partner asks about what is known here: a desk, no person."
        ),
    ] = ""
    key: Annotated[
        Path,
        msgspec.Meta(description="Key of this node, made by `tutela node key`."),
    ] = msgspec.field(default_factory=lambda: data_home() / "keys" / "node.key")
    answer_lists: Annotated[
        tuple[str, ...],
        msgspec.Meta(
            description="Lists of the library in which questions of partners are looked up, beside "
            "the media of cases; only lists that are yours to speak of."
        ),
    ] = ()
    seconds: Annotated[
        int,
        msgspec.Meta(ge=1, description="How often waiting messages are sent, and lists synced."),
    ] = 10
    silence_seconds: Annotated[
        int,
        msgspec.Meta(ge=1, le=600, description="A node that is silent for so long is tried later."),
    ] = 30


class CliSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who the command line is."""

    credential: Annotated[
        Path,
        msgspec.Meta(description="Token file of the account that the command line acts as."),
    ] = msgspec.field(default_factory=lambda: config_home() / "credential")


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All settings, one section each."""

    scan: ScanSettings = msgspec.field(default_factory=ScanSettings)
    library: LibrarySettings = msgspec.field(default_factory=LibrarySettings)
    database: DatabaseSettings = msgspec.field(default_factory=DatabaseSettings)
    vault: VaultSettings = msgspec.field(default_factory=VaultSettings)
    audit: AuditSettings = msgspec.field(default_factory=AuditSettings)
    web: WebSettings = msgspec.field(default_factory=WebSettings)
    api: ApiSettings = msgspec.field(default_factory=ApiSettings)
    match: MatchSettings = msgspec.field(default_factory=MatchSettings)
    exchange: ExchangeSettings = msgspec.field(default_factory=ExchangeSettings)
    federation: FederationSettings = msgspec.field(default_factory=FederationSettings)
    crawl: CrawlSettings = msgspec.field(default_factory=CrawlSettings)
    leads: LeadsSettings = msgspec.field(default_factory=LeadsSettings)
    chat: ChatSettings = msgspec.field(default_factory=ChatSettings)
    cli: CliSettings = msgspec.field(default_factory=CliSettings)


def default_file() -> Path:
    """Return the settings file read when none is named: `$XDG_CONFIG_HOME/tutela/tutela.toml`."""
    return config_home() / "tutela.toml"


def load(file: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Read settings from `file` (must exist; the default file may be absent), then variables.

    Raises:
        SettingsError: the file cannot be read or parsed, or a key or value is not ours.
    """
    chosen = file or default_file()
    values = _parse(chosen, may_be_absent=file is None)
    for key, text in sorted((environ if environ is not None else os.environ).items()):
        if key.startswith(PREFIX) and key != f"{PREFIX}DEBUG":
            section, name = _split_variable(key)
            values.setdefault(section, {})[name] = _literal(text)
    return _checked(values, f"{chosen} or a {PREFIX}* variable")


def override(settings: Settings, section: str, values: Mapping[str, object]) -> Settings:
    """Return `settings` with some values of one section replaced by flags.

    Raises:
        SettingsError: a value is out of range.
    """
    merged = {
        name: msgspec.structs.asdict(getattr(settings, name)) for name in settings.__struct_fields__
    }
    merged[section] |= values
    return _checked(merged, "a flag")


def _checked(values: dict[str, Any], source: str) -> Settings:
    try:
        return msgspec.convert(values, Settings, strict=False, dec_hook=_convert)
    except msgspec.ValidationError as error:
        raise SettingsError(
            f"{error} (in {source})", hint="docs/reference/settings.md lists every setting"
        ) from None


def _parse(file: Path, *, may_be_absent: bool) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            return tomllib.load(stream)
    except OSError as error:
        if may_be_absent and isinstance(error, (FileNotFoundError, NotADirectoryError)):
            return {}
        raise SettingsError(f"cannot read settings file {file}: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"settings file {file} is not valid TOML: {error}") from error


def _split_variable(key: str) -> tuple[str, str]:
    section, _, name = key.removeprefix(PREFIX).lower().partition("_")
    known = get_type_hints(Settings)
    if section not in known or name not in known[section].__struct_fields__:
        raise SettingsError(
            f"unknown variable {key}",
            hint=f"a setting of section [scan] is written {PREFIX}SCAN_JOBS, for example",
        )
    return section, name


def _convert(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, (str, Path)):
        return Path(value).expanduser()
    raise NotImplementedError(kind)


def _literal(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def describe() -> Iterator[tuple[str, str, str, str]]:
    """Yield (section, key, default, meaning) of every setting, in order of definition."""
    home = str(Path.home())
    for section, kind in get_type_hints(Settings).items():
        hints = get_type_hints(kind, include_extras=True)
        values = kind()
        for key in kind.__struct_fields__:
            meta = next(m for m in hints[key].__metadata__ if isinstance(m, msgspec.Meta))
            shown = str(getattr(values, key)).replace(home, "~")
            yield section, key, shown, meta.description or ""
