"""A service asks its database whether it is ready: one connection, one statement, and no Alembic."""
