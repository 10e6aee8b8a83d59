"""The processes of the local system are forked from supervisord, with the libraries it has."""

import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from unittest import mock

import pytest

from chassis import settings
from devstack import forking_supervisord
from devstack.instance import Instance, is_application
from tests.new_process import output_of

SERVE = {"command": ["/venv/bin/python", "-m", "chassis", "serve", "gateway.main:create_app"]}
SHARED_KIB = 10_000
"""Far less than the libraries that supervisord imports, far more than two Pythons share."""

IMPORT_EVERYTHING = """
import importlib, sys
from devstack import forking_supervisord, repository
for name in (*forking_supervisord.LIBRARIES, *forking_supervisord.CHASSIS):
    importlib.import_module(name)
shared = set(sys.modules)
importlib.import_module("gateway.main")
for name in repository.SERVICES:
    importlib.import_module(f"services.{name}.api_process")
    importlib.import_module(f"services.{name}.worker_process")
packages = {name.partition(".")[0] for name in set(sys.modules) - shared}
print(*sorted(packages - sys.stdlib_module_names))
"""
"""Prints the packages of the modules that the processes import beyond those of supervisord."""
OWN = {"chassis", "gateway", "services"}
UNSHARED = {"fastapi_swagger"}
"""The gateway alone imports it."""
FORK_TWICE = """
import os
from chassis.observability import request_context
for _ in range(2):
    if os.fork() == 0:
        print(request_context.new_request_id(), flush=True)
        os._exit(0)
    os.wait()
print(request_context.new_request_id())
"""


def shared_kib(pid: int) -> int:
    """Memory that the process shares with others and that is in no file."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = re.search(r"Shared_Dirty: +(\d+)", text)
    assert found
    return int(found[1])


def test_processes_share_the_memory_of_their_libraries(stack: Instance) -> None:
    sizes = {
        process.name: shared_kib(process.pid)
        for process in stack.supervisor.processes()
        if is_application(process.name)
    }

    assert len(sizes) > 10
    assert {name for name, size in sizes.items() if size < SHARED_KIB} == set()


def test_a_forked_process_has_the_name_of_its_program(stack: Instance) -> None:
    process = stack.supervisor.process("gateway")

    assert Path(f"/proc/{process.pid}/comm").read_text().strip() == "gateway"


def test_supervisord_imports_the_libraries_that_processes_need() -> None:
    assert set(output_of(IMPORT_EVERYTHING).split()) <= OWN | UNSHARED


def test_other_programs_are_not_forked() -> None:
    assert forking_supervisord.is_served(SERVE)
    assert not forking_supervisord.is_served({"command": ["/usr/bin/postgres", "-D", "data"]})


def forks(files: Sequence[str], change: Callable[[], object]) -> bool:
    """Whether supervisord still runs a process in its child after a change of these files."""
    options = forking_supervisord.Options()
    options.files = files
    options.versions = forking_supervisord.versions_of(files)
    with mock.patch("supervisor.options.os.fork", return_value=1):
        options.fork()
        assert options.is_unchanged
        change()
        options.fork()
    return options.is_unchanged


def test_a_process_is_not_forked_after_the_libraries_have_changed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "pyvenv.cfg").touch()
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    files = forking_supervisord.imported_files()

    assert not forks(files, lambda: (tmp_path / "installed-local").write_text("a checksum"))


def test_a_process_is_not_forked_after_the_chassis_has_changed(tmp_path: Path) -> None:
    changed, deleted = (str(shutil.copy(settings.__file__, tmp_path / name)) for name in "ab")

    assert settings.__file__ in forking_supervisord.imported_files()
    assert not forks([changed], lambda: Path(changed).write_text("another = True"))
    assert not forks([deleted], Path(deleted).unlink)


def test_forked_processes_give_out_different_request_ids() -> None:
    ids = output_of(FORK_TWICE).split()

    assert len({*ids}) == len(ids) == 3
