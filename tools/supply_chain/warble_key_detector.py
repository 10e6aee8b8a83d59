"""A plugin of detect-secrets that recognises API keys of Warble."""

import re
from collections.abc import Generator

from detect_secrets.plugins.base import RegexBasedDetector

from chassis.auth import api_keys


class WarbleKey(RegexBasedDetector):
    """Finds keys with a correct checksum, which invented examples do not have."""

    secret_type = "Warble key"  # noqa: S105 (the name of the kind)
    denylist = (re.compile(re.escape(api_keys.PREFIX) + r"[\w-]{48}(?![\w-])"),)

    def analyze_string(self, string: str) -> Generator[str, None, None]:
        for key in super().analyze_string(string):
            if not api_keys.is_mistyped(key.encode()):
                yield key
