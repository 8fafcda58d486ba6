"""Services whose parts are where few have them: one of each way, each sound, each with a package that is called `app`.

    laid = layouts.WAYS["no-ini"](folder / "no-ini")

`laid.lands` is the folder to which a baseline of `laid.made` is to come.
"""

from __future__ import annotations

import dataclasses
import sys
import sysconfig
import textwrap
import venv
from collections.abc import Callable
from pathlib import Path

from tests.support import projects

__all__ = ["CODED", "FUNCTION", "WAYS", "Laid", "baseline", "first", "interpreter", "without_future"]


@dataclasses.dataclass(frozen=True)
class Laid:
    """A service, and the folder of its revision files."""

    made: projects.Made
    lands: Path


Way = Callable[[Path], tuple[projects.Made, str]]

WAYS: dict[str, Callable[[Path], Laid]] = {}
"""Name (also the service's) to what writes the service."""

NO_VERSIONS = "[alembic]\nscript_location = {}\nprepend_sys_path = .\n"


def baseline(revision: str) -> projects.Revision:
    """A first revision that makes `product` as `make_service` has it by default."""
    return projects.revision(
        revision,
        upgrade="""
        op.create_table("product", sa.Column("id", sa.Integer(), nullable=False),
                        sa.Column("name", sa.String(), nullable=False), sa.PrimaryKeyConstraint("id"))
        """,
        downgrade='op.drop_table("product")',
    )


def interpreter(folder: Path, package: str) -> tuple[Path, Path]:
    """A virtual environment with what this one has, and one package more; its interpreter, and the package's folder."""
    venv.create(folder, symlinks=True, with_pip=False)
    installed = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    (installed / "ours.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (installed / package).mkdir()
    (installed / package / "__init__.py").write_text("")
    return folder / "bin" / "python", installed / package


def _way(write: Way) -> Way:
    def laid(folder: Path) -> Laid:
        made, lands = write(folder)
        return Laid(made, folder / lands)

    WAYS[write.__name__.replace("_", "-")] = laid
    return write


def _moved(made: projects.Made, to: str) -> None:
    target = made.path / to
    target.parent.mkdir(parents=True, exist_ok=True)
    made.migrations.rename(target)


@_way
def ini_elsewhere(folder: Path) -> tuple[projects.Made, str]:
    """`config:` in a folder of its own; its `script_location` starts at the service's folder."""
    made = projects.make_service(folder, config="conf/database.ini", files={"alembic.ini": None})
    made.write("conf/database.ini", NO_VERSIONS.format("database/migrations"))
    _moved(made, "database/migrations")
    return made, "database/migrations/versions"


@_way
def no_ini(folder: Path) -> tuple[projects.Made, str]:
    """`script_location:` alone."""
    made = projects.make_service(folder, script_location="database", files={"alembic.ini": None})
    _moved(made, "database")
    return made, "database/versions"


@_way
def absolute(folder: Path) -> tuple[projects.Made, str]:
    """`script_location:` as an absolute path."""
    made = projects.make_service(folder, script_location=str(folder / "elsewhere"), files={"alembic.ini": None})
    _moved(made, "elsewhere")
    return made, "elsewhere/versions"


@_way
def installed(folder: Path) -> tuple[projects.Made, str]:
    """`package:folder` of a distribution that only the service's own interpreter has."""
    made = projects.make_service(folder, script_location="bakedgoods:migrations", files={"alembic.ini": None})
    python, package = interpreter(folder / ".venv", "bakedgoods")
    made.migrations.rename(package / "migrations")
    made.settings["python"] = str(python)
    return made, str((package / "migrations" / "versions").relative_to(folder))


@_way
def section(folder: Path) -> tuple[projects.Made, str]:
    """`ini_section:`, where another section stands before it."""
    ini = f"[alembic]\nscript_location = nowhere\n\n[shop]{projects.INI.partition('[alembic]')[2]}"
    return projects.make_service(folder, ini=ini, ini_section="shop"), "migrations/versions"


@_way
def no_section(folder: Path) -> tuple[projects.Made, str]:
    """An ini file for logging alone."""
    return projects.make_service(folder, ini="[loggers]\nkeys = root\n", script_location="migrations"), (
        "migrations/versions"
    )


@_way
def several_folders(folder: Path) -> tuple[projects.Made, str]:
    """Two version locations in the ini file; a history whose head is in the second."""
    made = projects.make_service(
        folder, ini=projects.INI + "version_locations = %(here)s/migrations/core:%(here)s/migrations/more\n"
    )
    made.versions.rename(made.migrations / "core")
    made.write("migrations/core/0001_.py", baseline("0001").text)
    made.write("migrations/more/0002_.py", projects.revision("0002", "0001").text)
    return made, "migrations/core"


@_way
def folders_declared(folder: Path) -> tuple[projects.Made, str]:
    """`version_locations:` of the registry, over an ini file that says nothing of them."""
    made = projects.make_service(folder, version_locations=["history/old", "history/new"])
    made.write("history/old/0001_.py", baseline("0001").text)
    (folder / "history/new").mkdir()
    return made, "history/old"


@_way
def by_year(folder: Path) -> tuple[projects.Made, str]:
    """Folders by year: where the file template puts them."""
    ini = projects.INI + "recursive_version_locations = true\nfile_template = %%(year)d/%%(rev)s_%%(slug)s\n"
    made = projects.make_service(folder, ini=ini)
    made.write("migrations/versions/2019/0001_.py", baseline("0001").text)
    return made, "migrations/versions"


@_way
def pyproject(folder: Path) -> tuple[projects.Made, str]:
    """[tool.alembic], and no ini file."""
    made = projects.make_service(folder, files={"alembic.ini": None})
    made.write(
        "pyproject.toml",
        '[project]\nname = "shop"\n[tool.alembic]\nscript_location = "%(here)s/migrations"\nprepend_sys_path = ["."]\n'
        'version_locations = ["%(here)s/migrations/v"]\n',
    )
    made.versions.rename(made.migrations / "v")
    return made, "migrations/v"


@_way
def own_table(folder: Path) -> tuple[projects.Made, str]:
    """A version table of its own in a schema of its own, prefixed tables, and one that is called nearly as Alembic's."""
    models = projects.table("shop_product", "name: Mapped[str]") + projects.table("shop_alembic_version_note")
    configure = "version_table='shop_version', version_table_schema='noted'"
    return projects.make_service(folder, models=models, configure=configure), "migrations/versions"


@_way
def source_folder(folder: Path) -> tuple[projects.Made, str]:
    """Code in `src`, which only `prepend_sys_path:` tells."""
    ini = "[alembic]\nscript_location = migrations\n"
    made = projects.make_service(folder, ini=ini, prepend_sys_path=["src"])
    (folder / "src").mkdir()
    (folder / "app").rename(folder / "src/app")
    return made, "migrations/versions"


@_way
def needs_setup(folder: Path) -> tuple[projects.Made, str]:
    """`setup:`, without which env.py fails."""
    env = "import app.startup\nassert app.startup.ready, 'not ready'\n" + without_future(projects.ENV)
    startup = "ready = False\n\n\nasync def prepare():\n    global ready\n    ready = True\n"
    made = projects.make_service(folder, env=env, setup="app.startup:prepare", files={"app/startup.py": startup})
    return made, "migrations/versions"


@_way
def in_thread(folder: Path) -> tuple[projects.Made, str]:
    """`run_in: thread`, for an env.py that refuses to run in the main thread."""
    refuse = "import threading\nassert threading.current_thread() is not threading.main_thread(), 'main thread'\n"
    return projects.make_service(folder, env=refuse + without_future(projects.ENV), run_in="thread"), (
        "migrations/versions"
    )


@_way
def needs_variables(folder: Path) -> tuple[projects.Made, str]:
    """Settings that want variables which migrations do not need: `env:`."""
    settings = "import os\n\nREDIS_URL = os.environ['REDIS_URL']\nWORKERS = int(os.environ['WORKERS'])\n"
    made = projects.make_service(
        folder,
        env="import app.settings\n" + without_future(projects.ENV),
        env_variables={"REDIS_URL": "unused", "WORKERS": 4},
        files={"app/settings.py": settings},
    )
    made.settings["env"] = made.settings.pop("env_variables")
    return made, "migrations/versions"


FUNCTION = "CREATE OR REPLACE FUNCTION next_code() RETURNS text LANGUAGE sql AS $$ SELECT 'code'::text $$"
CODED = projects.table(
    "product", "name: Mapped[str]", 'code: Mapped[str] = mapped_column(server_default=text("next_code()"))'
)


@_way
def bootstrap_function(folder: Path) -> tuple[projects.Made, str]:
    """`bootstrap:` as a function: it makes what a column's default calls, and a table that no model shows."""
    made = projects.make_service(folder, models=CODED, bootstrap="app.first:prepare")
    made.write("app/first.py", first(made.url_variable, "CREATE TABLE IF NOT EXISTS elders (id int PRIMARY KEY)"))
    return made, "migrations/versions"


@_way
def bootstrap_command(folder: Path) -> tuple[projects.Made, str]:
    """`bootstrap:` as a command, which learns the database as env.py does."""
    made = projects.make_service(folder, models=CODED, bootstrap=["python", "-m", "app.first"])
    made.write("app/first.py", textwrap.dedent(first(made.url_variable)) + "\n\nasyncio.run(prepare())\n")
    return made, "migrations/versions"


@_way
def shadows(folder: Path) -> tuple[projects.Made, str]:
    """Modules called as the standard library's, and a migrations folder called `alembic` that is a package."""
    ini = "[alembic]\nscript_location = alembic\nprepend_sys_path = .\n"
    raising = "raise AssertionError('not the standard library')\n"
    files = {"logging.py": raising, "typing.py": raising, "calendar.py": raising, "migrations/__init__.py": ""}
    made = projects.make_service(folder, ini=ini, files=files)
    _moved(made, "alembic")
    return made, "alembic/versions"


@_way
def task_in_a_loop(folder: Path) -> tuple[projects.Made, str]:
    """An env.py that only schedules a task where a loop runs."""
    run = "asyncio.run(run_online())"
    assert run in projects.ENV
    careful = (
        f"try:\n        asyncio.get_running_loop().create_task(run_online())\n    except RuntimeError:\n        {run}"
    )
    return projects.make_service(folder, env=projects.ENV.replace(run, careful)), "migrations/versions"


def without_future(env: str) -> str:
    """The text without what has to stand first in a file."""
    return env.replace("from __future__ import annotations\n", "")


def first(variable: str, *statements: str) -> str:
    """A module that prepares an empty database."""
    return f"""
    import asyncio
    import os

    import asyncpg


    async def prepare():
        connection = await asyncpg.connect(os.environ["{variable}"].replace("+asyncpg", ""))
        for statement in {[FUNCTION, *statements]!r}:
            await connection.execute(statement)
        await connection.close()
    """
