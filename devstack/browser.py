"""The browser that the tests of the web page use: Chromium, installed if this machine has none."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from operate.terminal import CommandFailed, step

from . import apt
from .repository import tool

_NAMES = ("chromium", "google-chrome-stable", "google-chrome")
_HEADLESS = "chromium-headless-shell"
_PACKAGES = ("chromium", _HEADLESS)
"""Installed one after another, because an older distribution lacks the second one."""
_DPKG_LOCK_SECONDS = 600
_FONTS = ("fonts-noto-core", "fonts-noto-cjk", "fonts-noto-color-emoji")


def chromium() -> str | None:
    """The program's path, or None for the browser that Playwright has downloaded for itself.

    Raises CommandFailed if there is none and none can be installed.
    """
    with _locked():
        path = _installed_path()
        if path or _is_downloaded_by_playwright():
            return path
        if _may_install():
            with step("Chromium, from the distribution's packages"):
                for package in _PACKAGES:
                    _install(package)
            if path := _installed_path():
                return path
        with step("Chromium, downloaded by Playwright"):
            result = subprocess.run([tool("playwright"), "install", "chromium"], check=False)
        if result.returncode == 0 and _is_downloaded_by_playwright():
            return None
    raise CommandFailed(
        "The tests of the web page need Chromium, which is not installed. "
        "As root: apt-get install chromium"
    )


def headless() -> str | None:
    """As `chromium`, but without windows if that is installed: it needs a third of the processor
    time. Its letters differ by a few pixels."""
    path = chromium()
    if path is None or "WARBLE_CHROMIUM" in os.environ:
        return path
    return shutil.which(_HEADLESS) or path


def fonts() -> None:
    """Installs fonts for names in all scripts and for emoji. Without root it does nothing."""
    listed = subprocess.run(["fc-list"], capture_output=True, text=True, check=False).stdout
    if _may_install() and not all(name in listed for name in ("Emoji", "CJK", "Arabic")):
        with step("fonts, from the distribution's packages"):
            _install(*_FONTS)


def _installed_path() -> str | None:
    configured = os.environ.get("WARBLE_CHROMIUM")
    return configured or next(filter(None, map(shutil.which, _NAMES)), None)


def _is_downloaded_by_playwright() -> bool:
    folder = os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright"
    return any(Path(folder).glob("chromium*"))


def _may_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def _install(*packages: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
        result = subprocess.run(
            ["apt-get", "-o", f"DPkg::Lock::Timeout={_DPKG_LOCK_SECONDS}", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    if result.returncode:
        print(result.stdout[-2000:], result.stderr[-2000:])


@contextmanager
def _locked() -> Iterator[None]:
    """Several test processes need the browser at once; a half-installed one looks complete."""
    file = apt.cache_folder("browser.lock")
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
