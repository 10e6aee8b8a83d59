"""The browser that the page is tried in: Chromium, installed where this machine lacks one."""

import os
import shutil
import subprocess
from pathlib import Path

from .places import tool
from .terminal import Refused, step

_NAMES = ("chromium", "google-chrome-stable", "google-chrome")
_PACKAGES = ("chromium",)
_FONTS = ("fonts-noto-core", "fonts-noto-cjk", "fonts-noto-color-emoji")


def chromium() -> str | None:
    """The program's path; None stands for the one that Playwright has fetched for itself.

    Raises Refused where there is none and none can be installed.
    """
    found = _found()
    if found or _fetched():
        return found
    if _may_install():
        with step("Chromium, from the distribution's packages"):
            _apt(*_PACKAGES)
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
            _apt(*_FONTS)


def _found() -> str | None:
    given = os.environ.get("WARBLE_CHROMIUM")
    return given or next(filter(None, map(shutil.which, _NAMES)), None)


def _fetched() -> bool:
    folder = os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright"
    return any(Path(folder).glob("chromium*"))


def _may_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def _apt(*packages: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
        ran = subprocess.run(
            ["apt-get", *arguments], env=environment, capture_output=True, text=True, check=False
        )
    if ran.returncode:
        print(ran.stdout[-2000:], ran.stderr[-2000:])
