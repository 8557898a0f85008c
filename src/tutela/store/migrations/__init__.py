"""The steps that bring the tables of a database from one revision to the next.

`versions` holds one module a step, the same for SQLite and PostgreSQL; `dialect` what each of them
says in its own way. `tutela.store.schema` runs them; `tools/make_migration.py` writes new ones.
"""
