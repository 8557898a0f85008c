"""The database: engine, transactions, tables and migrations; SQLite by default or PostgreSQL.

`database` opens it and gives transactions; `tables` say what is kept, one module a domain;
`schema` brings a database to the present revision; `bulk` moves many rows at once.
"""

from tutela.store.database import Database

__all__ = ["Database"]
