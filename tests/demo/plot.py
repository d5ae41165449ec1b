# SPDX-License-Identifier: GPL-2.0
"""The clocks against the host's, as a self-contained SVG."""

from typing import NamedTuple
from xml.sax.saxutils import escape

import clocks

MINUTE = 60 * clocks.SECOND
MILLISECOND = clocks.SECOND // 1000
# Told apart by people who see few colours, too.
STYLES = {
    "host": ("#555555", "6 4"),
    "future": ("#d55e00", ""),
    "fast": ("#0072b2", ""),
    "frozen": ("#009e73", ""),
    "plain": ("#cc79a7", "2 4"),
}
WIDTH, HEIGHT = 1080, 500
TOP, BOTTOM = 104, 440
LINE = 18


class Panel(NamedTuple):
    """Where a diagram is, and what it shows."""

    left: int
    right: int
    title: str
    unit: str
    # Values of the y axis, in its unit
    ticks: range
    # {clock: [(x in minutes, y in the axis's unit), ...]}
    lines: dict

    def x(self, minutes):
        last = (clocks.SAMPLES - 1) * clocks.INTERVAL / MINUTE
        return self.left + (self.right - self.left) * minutes / last

    def y(self, value):
        low, high = self.ticks[0], self.ticks[-1]
        return BOTTOM - (BOTTOM - TOP) * (value - low) / (high - low)


def text(x, y, content, anchor="start", more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{escape(content)}</text>'


def grid(panel):
    """Axes with their labels."""
    middle = (panel.left + panel.right) / 2
    yield text(panel.left, TOP - 36, panel.title, more=' font-weight="bold"')
    yield text(panel.left, TOP - 16, panel.unit, more=' fill="#555"')
    axis = "host's CLOCK_MONOTONIC since the start, minutes"
    yield text(middle, BOTTOM + 42, axis, "middle", ' fill="#555"')
    for value in panel.ticks:
        y = panel.y(value)
        colour = "#888" if value == 0 else "#ddd"
        yield f'<path d="M{panel.left} {y:.1f}H{panel.right}" stroke="{colour}"/>'
        yield text(panel.left - 8, y + 5, f"{value:g}", "end")
    for minutes in range(0, (clocks.SAMPLES - 1) * clocks.INTERVAL // MINUTE + 1, 10):
        yield text(panel.x(minutes), BOTTOM + 20, str(minutes), "middle")


def curve(panel, name):
    colour, dashes = STYLES[name]
    points = [(panel.x(x), panel.y(y)) for x, y in panel.lines[name]]
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    yield (
        f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2.5"'
        f' stroke-dasharray="{dashes}"/>'
    )
    for x, y in points:
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>'


def names(panel, labels):
    """Each line's name at its end, moved apart where lines end together."""
    ends = sorted((panel.y(points[-1][1]), name) for name, points in panel.lines.items())
    # Where several end together, they stand around that place.
    groups = []
    for y, name in ends:
        if groups and y - groups[-1][-1][0] < LINE:
            groups[-1].append((y, name))
        else:
            groups.append([(y, name)])
    for group in groups:
        first = sum(y for y, _ in group) / len(group) - LINE * (len(group) - 1) / 2
        for number, (_, name) in enumerate(group):
            y = first + number * LINE + 5
            more = f' fill="{STYLES[name][0]}" font-weight="bold"'
            yield text(panel.right + 10, y, labels[name], more=more)


def plot(readings):
    """The whole picture."""
    advance, deviation = {}, {}
    for clock in clocks.CLOCKS:
        points = [readings.gain(clock.name, sample) for sample in range(clocks.SAMPLES)]
        advance[clock.name] = [(float(host / MINUTE), own / MINUTE) for host, own in points]
        deviation[clock.name] = [
            (float(host / MINUTE), float((own - host) / MILLISECOND)) for host, own in points
        ]
    labels = {
        "host": "host",
        "future": "future (rate 2)",
        "fast": "fast (+50 ppm)",
        "frozen": "frozen (rate 0)",
        "plain": "plain (rate not set)",
    }
    # The others are an hour away in the end.
    near = {name: deviation[name] for name in ("host", "fast", "plain")}
    panels = (
        Panel(
            60,
            380,
            "How far each clock went",
            "its CLOCK_MONOTONIC since the start, minutes",
            range(0, 121, 20),
            advance,
        ),
        Panel(
            610,
            910,
            "How far it is ahead of the host",
            "milliseconds (future and frozen are off the scale)",
            range(-50, 201, 50),
            near,
        ),
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
        f' width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="13">',
        "<title>Clocks of time namespaces against the host's</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        text(
            60,
            34,
            "One kernel, five clocks: the host and four time namespaces",
            more=' font-size="18" font-weight="bold"',
        ),
    ]
    for panel in panels:
        parts += grid(panel)
        for name in panel.lines:
            parts += curve(panel, name)
        parts += names(panel, labels)
    parts.append("</svg>")
    return "\n".join(parts) + "\n"
