"""Draws simple SVG images, in colours that suit light and dark pages."""

from xml.sax.saxutils import escape

SERIES = 7
"""The number of distinct colours."""

_STYLE = """
:root { --paper: #ffffff; --ink: #1f2328; --faint: #59636e; --grid: #d8dee4; --target: #c4320a;
 --s0: #2f6fde; --s1: #d9822b; --s2: #2a9d6f; --s3: #9a5fd0; --s4: #c2487f; --s5: #6e8b3d;
 --s6: #8c959f }
@media (prefers-color-scheme: dark) { :root { --paper: #0d1117; --ink: #e6edf3; --faint: #9198a1;
 --grid: #30363d; --target: #ff7b54; --s0: #6ea8fe; --s1: #f0a35e; --s2: #56d39b; --s3: #c297f5;
 --s4: #f083b2; --s5: #b2d17a; --s6: #8b949e } }
text { font: 13px system-ui, sans-serif; fill: var(--ink) }
.faint { fill: var(--faint); font-size: 12px }
.title { font-size: 15px; font-weight: 600 }
.grid { stroke: var(--grid); stroke-width: 1 }
.target { stroke: var(--target); stroke-width: 2; stroke-dasharray: 5 3; fill: none }
.target-text { fill: var(--target); font-size: 12px }
.curve { fill: none; stroke-width: 2; stroke-linejoin: round }
"""


class Picture:
    """Coordinates are pixels from the upper left corner."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self._width, self._height, self._title = width, height, title
        self._shapes: list[str] = []
        self.text(16, 26, title, "title")

    def text(self, x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> None:
        self._shapes.append(
            f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">'
            f"{escape(words)}</text>"
        )

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str = "grid") -> None:
        self._shapes.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'
        )

    def box(self, x: float, y: float, width: float, height: float, series: int) -> None:
        self._shapes.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{height:.1f}"'
            f' style="fill:var(--s{series % SERIES})"/>'
        )

    def curve(self, points: list[tuple[float, float]], series: int) -> None:
        """A line through the points, with a dot on each."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        colour = f"var(--s{series % SERIES})"
        self._shapes.append(
            f'<polyline points="{path}" class="curve" style="stroke:{colour}"/>'
            + "".join(
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" style="fill:{colour}"/>'
                for x, y in points
            )
        )

    def legend(self, x: float, y: float, names: list[str]) -> None:
        for number, name in enumerate(names):
            self.box(x, y - 10, 12, 12, number)
            self.text(x + 18, y, name, "faint")
            x += 40 + 7 * len(name)

    def __str__(self) -> str:
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self._width}"'
            f' height="{self._height}" viewBox="0 0 {self._width} {self._height}" role="img">'
            f"<title>{escape(self._title)}</title><style>{_STYLE}</style>"
            f'<rect width="100%" height="100%" style="fill:var(--paper)"/>\n'
            + "\n".join(self._shapes)
            + "\n</svg>\n"
        )
