"""PromQL expressions that several rows use."""

WINDOW = "$__rate_interval"


def rate(counter: str, by: str, only: str) -> str:
    return f"sum by ({by}) (rate({counter}{{{only}}}[{WINDOW}]))"


def quantile(share: str, histogram: str, by: str, only: str) -> str:
    return f"histogram_quantile({share}, {rate(f'{histogram}_bucket', f'{by}, le', only)})"


def legend(by: str) -> str:
    return " ".join(f"{{{{{label}}}}}" for label in by.split(", "))
