"""For detect-secrets: how a key of Warble's own is recognised."""

import re
from collections.abc import Generator

from detect_secrets.plugins.base import RegexBasedDetector

from chassis import api_keys


class WarbleKey(RegexBasedDetector):
    """A key whose checksum is right: no example that somebody made up has one."""

    secret_type = "Warble key"  # noqa: S105 (how it is called)
    denylist = (re.compile(re.escape(api_keys.PREFIX) + r"[\w-]{48}(?![\w-])"),)

    def analyze_string(self, string: str) -> Generator[str, None, None]:
        for key in super().analyze_string(string):
            if not api_keys.is_mistyped(key.encode()):
                yield key
