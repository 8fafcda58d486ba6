"""`env.py`, run without a database, for what it configures: Alembic's offline mode, and what is left where that fails.

Many an `env.py` has no offline branch, or a broken one. Then its metadata may still be found among its names, as they
were when it failed; and whether it would fail with a database as well shows in where it failed.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import dataclasses
import io
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any

from .. import facts, faults
from ..connections import guard, urls
from ..reading import revision_head
from . import blame, environment, project

if TYPE_CHECKING:
    from alembic.runtime.environment import EnvironmentContext
    from alembic.runtime.migration import MigrationContext

__all__ = ["NOWHERE", "Ran", "run"]

NOWHERE = "postgresql+asyncpg://nobody@stillroom.invalid:1/nothing"
"""A database that is not there: what code gets that has no database to connect to, and must not connect to any."""

_DOING = "running env.py without a database"


@dataclasses.dataclass(frozen=True)
class Ran:
    """What became of `env.py`.

    Attributes:
        metadatas: those that it gives to Alembic (none, where target_metadata is None); None: not known.
        version_table: the one that it configures; None: not known.
        fault: why it did not come to an end; None if it did.
        certain: whether the fault would come with a database, too.
        url: what it gave to Alembic as `url`, as text; None: nothing, or not known. It may hold a password.
    """

    metadatas: tuple[Any, ...] | None = None
    version_table: project.VersionTable | None = None
    fault: faults.Fault | None = None
    certain: bool = False
    url: str | None = dataclasses.field(default=None, repr=False)


def run(service: facts.ServiceFacts, url: str | None) -> Ran:
    """Runs `env.py` in Alembic's offline mode, where every connection is refused.

    Args:
        service: whose project it is.
        url: of the service's database, which `env.py` may read and must not connect to; None: a made-up one.
    """
    watch = _Watch(service.name, url)
    try:
        of = project.Project(service)
        with watch.before(known=url is not None), environment.working_on(service, url or NOWHERE):
            config = of.config()
        script = of.script(config)
        with (
            environment.pointed_at(service, url or NOWHERE),
            environment.only(service, NOWHERE),
            blame.blamed(service.name, _DOING),
        ):
            watch.run(config, script)
    except faults.Fault as fault:
        return watch.failed(fault)
    return watch.ended()


class _Watch:
    """Notes what one run of `env.py` does."""

    def __init__(self, service: str, url: str | None) -> None:
        self._service = service
        self._own = urls.address(url).key if url else ""
        self._env = ""
        self._asked_for_mode = False
        self._given: list[Any] = []
        self._url: str | None = None
        self._contexts: list[MigrationContext] = []
        self._error: BaseException | None = None
        self._certain_before = False
        self._told: set[str] = set()
        self._names: dict[str, Any] = {}

    @contextlib.contextmanager
    def before(self, *, known: bool) -> Iterator[None]:
        """What `setup:` does, in the service's own database as always: `known` says that it has one."""
        self._certain_before = known
        yield
        self._certain_before = False

    def run(self, config: Any, script: Any) -> None:
        """Runs it, and lets through what it raises."""
        from alembic.runtime.environment import EnvironmentContext

        self._env = str(script.env_py_location)
        options = {"as_sql": True, "starting_rev": None, "destination_rev": None, "output_buffer": io.StringIO()}
        context = EnvironmentContext(config, script, fn=self._migrate, **options)
        self._listen(context)
        # Alembic tells the log of the SQL that it would write; nobody reads that here.
        before = logging.root.manager.disable
        logging.disable(logging.INFO)
        try:
            with context, _unwritten():
                script.run_env()
        except (Exception, SystemExit) as error:
            self._error = error
            raise
        finally:
            logging.disable(before)

    def ended(self) -> Ran:
        """What is known after it came to an end."""
        if self._contexts:
            last = self._contexts[-1]
            return Ran(self._metadatas_of(last), self._version_table_of(last), url=self._url)
        fault = faults.ProjectFault(
            "env-did-nothing",
            f"{self._service}: env.py ended in offline mode without running any migration ({self._env})",
            "env.py must reach context.run_migrations() in offline mode, too",
        )
        return Ran(self._metadatas(), None, fault, url=self._url)

    def _metadatas_of(self, context: MigrationContext) -> tuple[Any, ...] | None:
        """Those of the branch for a database, where the one for offline mode names none."""
        if "target_metadata" in self._told:
            return tuple(project.metadatas(context))
        said = _said(self._env, self._names, "target_metadata")
        return () if said is _ABSENT else None if said is _UNKNOWN else project.as_metadatas(said)

    def _version_table_of(self, context: MigrationContext) -> project.VersionTable | None:
        table = project.version_table(context)
        found: dict[str, Any] = {"version_table": table.name, "version_table_schema": table.schema}
        for option in found:
            said = _ABSENT if option in self._told else _said(self._env, self._names, option)
            if said is _UNKNOWN:
                return None
            found[option] = found[option] if said is _ABSENT else said
        return project.VersionTable(found["version_table"] or table.name, found["version_table_schema"])

    def failed(self, fault: faults.Fault) -> Ran:
        """What is known after it failed."""
        return Ran(self._metadatas(), None, fault, self._certain(fault), self._url)

    def _listen(self, context: EnvironmentContext) -> None:
        """Alembic's module `context` takes its functions from the object when that is entered."""
        asked: Callable[[], bool] = context.is_offline_mode
        configure: Callable[..., None] = context.configure

        def is_offline_mode() -> bool:
            self._asked_for_mode = True
            return asked()

        def configured(*arguments: Any, **options: Any) -> None:
            self._told |= set(options)
            self._names = _names_in(self._env) or self._names
            self._given.append(options.get("target_metadata"))
            self._url = urls.render(options["url"]) if options.get("url") else self._url
            configure(*arguments, **options)

        vars(context).update(is_offline_mode=is_offline_mode, configure=configured)

    def _migrate(self, revision: Any, context: MigrationContext) -> Sequence[Any]:
        self._contexts.append(context)
        return []

    def _certain(self, fault: faults.Fault) -> bool:
        """Whether it would fail with a database, too: an import failed, or it failed before it asked for its mode."""
        if self._certain_before:
            return True
        if isinstance(fault, guard.Violation):
            return fault.key not in (self._own, urls.address(NOWHERE).key)
        if isinstance(fault, faults.DatabaseFault) or self._error is None:
            return False
        frames = [frame.f_code.co_filename for frame in _frames(self._error)]
        below = frames[frames.index(self._env) + 1 :] if self._env in frames else []
        if not self._asked_for_mode or any(name.startswith("<frozen importlib") for name in below):
            return True
        # A name that the file never binds, and uses elsewhere as well: in the branch for a database, that is.
        return isinstance(self._error, NameError) and _unbound(self._env, self._error.name or "") > 1

    def _metadatas(self) -> tuple[Any, ...] | None:
        """The metadata that it configured before it failed, or what its source names as such, by its names as they are."""
        if self._given:
            return project.as_metadatas(self._given[-1])
        for frame in _frames(self._error):
            if frame.f_code.co_filename == self._env and frame.f_code.co_name == "<module>":
                return _named_in(self._env, frame.f_globals)
        return None


@contextlib.contextmanager
def _unwritten() -> Iterator[None]:
    """An `env.py` for several databases opens a `NAME.sql` for each in offline mode: that goes nowhere here."""
    opened = builtins.open

    def nowhere(file: Any, mode: str = "r", *told: Any, **more: Any) -> Any:
        written = set(mode) & set("wax+") and str(file).endswith(".sql")
        return opened(os.devnull if written else file, mode.replace("x", "w") if written else mode, *told, **more)

    builtins.open = nowhere
    try:
        yield
    finally:
        builtins.open = opened


def _frames(error: BaseException | None) -> Iterator[FrameType]:
    """The frames through which an exception came, and those of what caused it."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        for frame, _ in traceback.walk_tb(error.__traceback__):
            yield frame
        error = error.__cause__ or error.__context__


def _nodes(env: str) -> list[ast.AST]:
    """The nodes of the file's tree; none if it can't be read."""
    try:
        with open(env, "rb") as file:  # noqa: PTH123 - the name is Alembic's
            return list(ast.walk(revision_head.parse_module(file.read(), env)))
    except (OSError, SyntaxError):
        return []


def _unbound(env: str, name: str) -> int:
    """How often the file uses a name that it never binds."""
    uses = [node for node in _nodes(env) if isinstance(node, ast.Name) and node.id == name]
    return len(uses) if all(isinstance(node.ctx, ast.Load) for node in uses) else 0


def _names_in(env: str) -> dict[str, Any]:
    """The names of `env.py`, of whose code this is called; none if it is not."""
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_code.co_filename != env:
        frame = frame.f_back
    return frame.f_globals if frame is not None else {}


def _named_in(env: str, names: dict[str, Any]) -> tuple[Any, ...] | None:
    """What `configure(target_metadata=NAME.ATTRIBUTE)` gives, where all calls in the file say the same."""
    said = _said(env, names, "target_metadata")
    return None if said is _UNKNOWN or said is _ABSENT else project.as_metadatas(said)


def _said(env: str, names: dict[str, Any], option: str) -> Any:
    """What the calls in the file give as this option; `_ABSENT` if none has it, `_UNKNOWN` if it can't be told."""
    said = {
        ast.unparse(keyword.value): keyword.value
        for node in _nodes(env)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == option
    }
    if not said:
        return _ABSENT
    return _value(next(iter(said.values())), names) if len(said) == 1 else _UNKNOWN


_ABSENT = object()
_UNKNOWN = object()


_OF_TEXT = frozenset({"join", "lower", "upper", "strip", "format", "replace", "removeprefix", "removesuffix"})


def _value(node: ast.expr, names: dict[str, Any]) -> Any:
    """What an expression stands for: names, their attributes, and text put together of them; nothing else is called."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return names.get(node.id, _UNKNOWN)
    if isinstance(node, ast.Attribute):
        owner = _value(node.value, names)
        return _UNKNOWN if owner is _UNKNOWN else getattr(owner, node.attr, _UNKNOWN)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        both = _value(node.left, names), _value(node.right, names)
        return both[0] + both[1] if all(isinstance(each, str) for each in both) else _UNKNOWN
    if isinstance(node, (ast.List, ast.Tuple)):
        several = [_value(each, names) for each in node.elts]
        return _UNKNOWN if any(each is _UNKNOWN for each in several) else several
    return _text_made(node, names) if isinstance(node, ast.Call) else _UNKNOWN


def _text_made(call: ast.Call, names: dict[str, Any]) -> Any:
    """What a method of text gives: `"_".join([prefix, "version"])`."""
    if not isinstance(call.func, ast.Attribute) or call.func.attr not in _OF_TEXT or call.keywords:
        return _UNKNOWN
    text, given = _value(call.func.value, names), [_value(each, names) for each in call.args]
    if type(text) is not str or any(each is _UNKNOWN for each in given):
        return _UNKNOWN
    try:
        return getattr(text, call.func.attr)(*given)
    except (TypeError, ValueError, LookupError):
        return _UNKNOWN
