"""Second factors that are typed: codes of an authenticator (TOTP) and recovery codes.

TOTP is RFC 6238 with 30 seconds, six digits and SHA-1, which is what authenticator apps know. The
secret is sealed; a step that was used, and all before it, are never accepted again (section 5.2).
"""

from __future__ import annotations

import base64
import hashlib
import io
import secrets
from typing import Final

import pyotp
import segno
from sqlalchemy import Connection, delete, or_, select, update

from tutela.access.seal import Sealer
from tutela.core.ids import AccountId
from tutela.core.time import now
from tutela.store.bulk import insert_rows
from tutela.store.tables.access import Account, RecoveryCode

ISSUER: Final = "Tutela"
STEP_S: Final = 30
DRIFT_STEPS: Final = 1
SECRET_BYTES: Final = 20  # RFC 4226, section 4, requirement 6: 160 bits recommended
RECOVERY_CODES: Final = 10
RECOVERY_BYTES: Final = 10  # 80 bits: a plain hash keeps them


def uri(secret: bytes, account_name: str) -> str:
    """Return what an authenticator app reads from a QR code (`otpauth://totp/...`)."""
    return _totp(secret).provisioning_uri(name=account_name, issuer_name=ISSUER)


def qr_svg(text: str) -> str:
    """Return a QR code as an SVG document without styles."""
    drawn = io.BytesIO()
    segno.make(text, error="m", micro=False).save(
        drawn, kind="svg", scale=4, border=4, xmldecl=False, light="#fff", svgclass=None
    )
    return drawn.getvalue().decode()


def shown(secret: bytes) -> str:
    """Return a secret in base32, in groups of four, for those who type it."""
    text = base64.b32encode(secret).decode().rstrip("=")
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


def sealed(sealer: Sealer, account_id: AccountId, secret: bytes) -> bytes:
    """Return what is kept of an account's secret."""
    return sealer.seal(secret, _about(account_id))


def step_of(secret: bytes, code: str) -> int | None:
    """Return the time step that `code` is of, now or one step off, or None for a wrong code."""
    present = int(now().timestamp()) // STEP_S
    totp = _totp(secret)
    found = None
    typed = _typed(code)
    for step in range(present - DRIFT_STEPS, present + DRIFT_STEPS + 1):
        expected = totp.generate_otp(step)
        if secrets.compare_digest(expected.encode(), typed.encode("utf-8", "surrogatepass")):
            found = step
    return found


def consume(tx: Connection, sealer: Sealer, account_id: AccountId, code: str) -> str:
    """Use up a code of this account; return `totp`, `recovery`, or nothing for a wrong code.

    An account that is not there costs the same work as one whose code is wrong.
    """
    kept = tx.execute(
        select(Account.totp_secret).where(Account.id == account_id)
    ).scalar_one_or_none()
    secret = bytes(SECRET_BYTES) if kept is None else sealer.open(kept, _about(account_id))
    step = step_of(secret, code)
    if kept is not None and step is not None:
        used = update(Account).where(
            Account.id == account_id,
            or_(Account.totp_last_step.is_(None), Account.totp_last_step < step),
        )
        return "totp" if tx.execute(used.values(totp_last_step=step)).rowcount else ""
    spent = delete(RecoveryCode).where(
        RecoveryCode.account_id == account_id, RecoveryCode.code_hash == _kept(account_id, code)
    )
    return "recovery" if tx.execute(spent).rowcount else ""


def renew_recovery(tx: Connection, account_id: AccountId) -> list[str]:
    """Replace an account's recovery codes, and return the new ones to be shown once."""
    codes = [_recovery_code() for _ in range(RECOVERY_CODES)]
    tx.execute(delete(RecoveryCode).where(RecoveryCode.account_id == account_id))
    rows = [{"code_hash": _kept(account_id, code), "account_id": account_id} for code in codes]
    insert_rows(tx, RecoveryCode, rows)
    return codes


def _recovery_code() -> str:
    text = base64.b32encode(secrets.token_bytes(RECOVERY_BYTES)).decode().lower()
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))


def _kept(account_id: AccountId, code: str) -> bytes:
    plain = _typed(code).lower().encode("utf-8", "surrogatepass")
    return hashlib.sha256(b"%d:%s" % (account_id, plain)).digest()


def _typed(code: str) -> str:
    """Return a code as it was meant: people type spaces and hyphens as they are shown."""
    return "".join(code.split()).replace("-", "")


def _totp(secret: bytes) -> pyotp.TOTP:
    return pyotp.TOTP(base64.b32encode(secret).decode(), interval=STEP_S)


def _about(account_id: AccountId) -> str:
    return f"account:{account_id} totp"
