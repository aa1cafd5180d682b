#!/usr/bin/env bash
# Alembic 1.20.1 and MLflow: two migrations of unrelated databases in two threads of one process end each other.
#
# What one would guess: `alembic.command.upgrade(config, "head")` works on the connection and the scripts of its own
# configuration; a program may migrate its tables in one thread while a library (MLflow's SQL store migrates its database
# when it is first opened) migrates another database in another thread.
# What happens: the running migration stands in module globals of `alembic.context` and `alembic.op`. The migration that
# ends first takes them away from the other, which fails with KeyError 'config' on leaving, after its work was done.
# It shows as a rare error, where the two happen to overlap.
# A migration can do without the globals: `MigrationContext.configure(...)`, its `run_migrations(op=Operations(context))`,
# and scripts that take `op` as a parameter.
# Seen with Python 3.11 on Linux: KeyError: 'config'. Fails if that changes.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check alembic==1.20.1 sqlalchemy==2.1.9
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import os
import threading

from alembic import command
from alembic.config import Config

ENV = """
import threading
from alembic import context
from sqlalchemy import create_engine
entered, leave = context.config.attributes["entered"], context.config.attributes["leave"]
with create_engine(context.config.attributes["url"]).begin() as connection:
    context.configure(connection=connection)
    context.run_migrations()
entered.set()
leave.wait(30)
"""


def configure(name):
    os.makedirs(f"{name}/versions")
    with open(f"{name}/env.py", "w") as file:
        file.write(ENV)
    with open(f"{name}/versions/one.py", "w") as file:
        file.write("revision = 'one'\ndown_revision = None\ndef upgrade(): pass\ndef downgrade(): pass\n")
    config = Config()
    config.set_main_option("script_location", name)
    config.attributes.update(url=f"sqlite:///{name}.db", entered=threading.Event(), leave=threading.Event())
    return config


ours, theirs = configure("ours"), configure("theirs")
errors = {}


def upgrade(name, config):
    try:
        command.upgrade(config, "head")
    except Exception as error:
        errors[name] = error


first = threading.Thread(target=upgrade, args=("ours", ours))
first.start()
ours.attributes["entered"].wait(30)
second = threading.Thread(target=upgrade, args=("theirs", theirs))
second.start()
theirs.attributes["entered"].wait(30)
theirs.attributes["leave"].set()
second.join()
ours.attributes["leave"].set()
first.join()
print({name: repr(error) for name, error in errors.items()})
assert list(errors) == ["ours"] and repr(errors["ours"]) == "KeyError('config')", errors
PY
