"""${message}.

Until the first release the initial steps are written anew whenever a table changes
(`tools/make_migration.py --initial`); from then on a step is never changed.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

${imports if imports else ""}

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    """Go from the step before to this one."""
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    """Go back to the step before."""
    ${downgrades if downgrades else "pass"}
