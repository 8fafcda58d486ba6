"""A service's Alembic project: where its parts are, how its env.py learns its URL, and how it is entered."""
