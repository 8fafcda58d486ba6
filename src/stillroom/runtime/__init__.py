"""What runs next to a service's models: on this machine, in a pod, on a host.

This package stands alone. It imports the standard library, SQLAlchemy, Alembic and the database driver, and refers to
itself only by relative imports, because it is *carried*: zipped under another name and run beside the service's own
packages (Python 3.10 and up).
"""
