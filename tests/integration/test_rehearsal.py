"""The rehearsal in the parent of workers: it works with the libraries at hand, and nothing of it stays."""

from __future__ import annotations

import subprocess
import sys

from stillroom.runtime.wire import rehearsal

_MODELS = """
import gc, re, sys
from stillroom.runtime.connections import compiled
from stillroom.runtime.wire import rehearsal
compiled.share()
gc.freeze()  # as the parent does: what goes has to go without looking at what was there before
rehearsal.rehearse()
gc.collect()
from sqlalchemy import orm
class Base(orm.DeclarativeBase): pass
class Bottle(Base):
    __tablename__ = "bottle"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
class Shelf(Base):
    __tablename__ = "shelf"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
orm.configure_mappers()
print(sorted(Base.metadata.tables), orm.Session().get_bind.__name__)
ours = {type(each).__name__ for each in gc.get_objects() if type(each).__module__ == rehearsal.__name__}
print([each.__name__ for each in Base.__subclasses__()], [each.__name__ for each in orm.DeclarativeBase.__subclasses__()])
print(sorted(ours))
"""


def test_it_goes_through() -> None:
    """In the parent an error is swallowed; here it is not."""
    rehearsal.rehearse()


def test_models_of_a_service_do_not_meet_those_of_the_rehearsal() -> None:
    """Classes and tables of the same names are the service's own, and none of the rehearsal's objects is left."""
    ran = subprocess.run([sys.executable, "-W", "error", "-c", _MODELS], capture_output=True, text=True, timeout=60)
    assert ran.stderr == ""
    assert ran.stdout.splitlines() == ["['bottle', 'shelf'] get_bind", "['Bottle', 'Shelf'] ['Base']", "[]"]
