"""The one tree of errors.

TutelaError
 +- UsageError          what was asked cannot be done as asked (exit status 2)
 |   +- SettingsError   a settings file, variable or flag is wrong
 |   +- AccessError     this account may not do that, or must show who it is first
 |   +- ConflictError   somebody else was quicker: what was to be changed has changed
 +- InputError          bytes from outside are not what they should be (exit status 1)
 |   +- ListFormatError
 |   +- MediaError
 |   +- ContainerError
 +- ServiceError        something outside failed: a disk, a service, a library (exit status 3)
 |   +- SandboxError
 |   +- FetchError       what is fetched over the network did not come, or not as it should
 +- IntegrityError      what we keep is broken or does not verify (exit status 4)

Each error has a stable `code`, a sentence, and a `hint` that says what to do. Edges (cli, web, api)
map the class to an exit or HTTP status; nothing below them prints or exits.
"""

from __future__ import annotations

from typing import ClassVar


class TutelaError(Exception):
    """Something went wrong that a person can be told about.

    Args:
        message: One sentence, without a full stop at the end.
        code: A stable machine-readable word, such as `truncated`; the class default otherwise.
        hint: What the reader can do about it, or an empty string.
    """

    default_code: ClassVar[str] = "error"
    exit_status: ClassVar[int] = 3

    def __init__(self, message: str, *, code: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.hint = hint


class UsageError(TutelaError):
    """The command, argument or setting cannot be carried out as given."""

    default_code = "usage"
    exit_status = 2


class SettingsError(UsageError):
    """A settings file, environment variable or flag holds something unknown or out of range."""

    default_code = "settings"


class AccessError(UsageError):
    """Not allowed for this account, or not signed in.

    Codes: `sign_in` (nobody is signed in), `refused` (the role or the case team does not allow it),
    `second_person` (two persons must agree), `locked` (too many tries; wait).
    """

    default_code = "refused"


class ConflictError(UsageError):
    """What was to be changed is no longer as it was when it was read."""

    default_code = "conflict"


class InputError(TutelaError):
    """Bytes from outside are damaged, hostile or of an unknown kind."""

    default_code = "input"
    exit_status = 1


class ListFormatError(InputError):
    """A hash list as a whole cannot be read (a single bad row is quarantined instead)."""

    default_code = "list_format"


class MediaError(InputError):
    """A picture cannot be decoded."""

    default_code = "undecodable"


class ContainerError(InputError):
    """An archive or disk image cannot be opened or read on."""

    default_code = "container"


class ServiceError(TutelaError):
    """A disk, a service or a library outside failed."""

    default_code = "service"
    exit_status = 3


class SandboxError(ServiceError):
    """A confined process could not be started, died, or broke its limits."""

    default_code = "sandbox"


class FetchError(ServiceError):
    """Something could not be fetched; `status` is what the server said, 0 where it said nothing.

    `said` is the beginning of what it said beside that, `wait_s` for how long it asks not to be
    asked again. Codes: `unreachable`, `status`, `too_long`, `too_slow`, `redirected`; for a site
    that is crawled those of docs/explanation/fetching.md.
    """

    default_code = "unreachable"

    def __init__(  # noqa: PLR0913 what a server may have said
        self,
        message: str,
        *,
        code: str = "",
        hint: str = "",
        status: int = 0,
        said: bytes = b"",
        wait_s: int = 0,
    ) -> None:
        super().__init__(message, code=code, hint=hint)
        self.status = status
        self.said = said
        self.wait_s = wait_s


class IntegrityError(TutelaError):
    """What we keep is damaged, or does not verify."""

    default_code = "integrity"
    exit_status = 4
