"""The browser that the page is tried in: Chromium, installed where this machine lacks one."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import apt
from .places import tool
from .terminal import Refused, step

_NAMES = ("chromium", "google-chrome-stable", "google-chrome")
_PACKAGES = ("chromium",)
_LOCK_SECONDS = 600
_FONTS = ("fonts-noto-core", "fonts-noto-cjk", "fonts-noto-color-emoji")


def chromium() -> str | None:
    """The program's path; None stands for the one that Playwright has fetched for itself.

    Raises Refused where there is none and none can be installed.
    """
    with _turn():
        found = _found()
        if found or _fetched():
            return found
        if _may_install():
            with step("Chromium, from the distribution's packages"):
                _install(*_PACKAGES)
            if found := _found():
                return found
        with step("Chromium, as Playwright brings it"):
            ran = subprocess.run([tool("playwright"), "install", "chromium"], check=False)
        if ran.returncode == 0 and _fetched():
            return None
    raise Refused(
        "The page is tried in Chromium, which is not here. As root: apt-get install chromium"
    )


def fonts() -> None:
    """For pictures of the page with names in any script, and emoji. Without root: as it is."""
    listed = subprocess.run(["fc-list"], capture_output=True, text=True, check=False).stdout
    if _may_install() and not all(name in listed for name in ("Emoji", "CJK", "Arabic")):
        with step("fonts, from the distribution's packages"):
            _install(*_FONTS)


def _found() -> str | None:
    given = os.environ.get("WARBLE_CHROMIUM")
    return given or next(filter(None, map(shutil.which, _NAMES)), None)


def _fetched() -> bool:
    folder = os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright"
    return any(Path(folder).glob("chromium*"))


def _may_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def _install(*packages: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
        ran = subprocess.run(
            ["apt-get", "-o", f"DPkg::Lock::Timeout={_LOCK_SECONDS}", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    if ran.returncode:
        print(ran.stdout[-2000:], ran.stderr[-2000:])


@contextmanager
def _turn() -> Iterator[None]:
    """Tests begin at once, each in need of the browser, and half of one looks like a whole."""
    file = apt.cache_folder("browser.lock")
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
