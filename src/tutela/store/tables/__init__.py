"""What the database keeps, one module a domain; importing this package knows all tables."""

from tutela.store.tables import access, audit, casework, grading, vault

__all__ = ["access", "audit", "casework", "grading", "vault"]
