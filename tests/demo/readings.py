# SPDX-License-Identifier: GPL-2.0
"""The readings of the clocks, and what follows from them.

A reading is not made at an instant but between two: the host's MONOTONIC just
before and just after it. So what follows is an interval too, and whether two
things agree is whether their intervals overlap, without any further allowance.
"""

from fractions import Fraction
from typing import NamedTuple

import clocks


class Reading(NamedTuple):
    """What a program said of a clock; times in ns."""

    sample: int
    clock: str
    program: str
    # The host's MONOTONIC
    before: int
    after: int
    value: int
    text: str

    @classmethod
    def parse(cls, fields):
        sample, clock, program, before, after, value, text = fields
        return cls(int(sample), clock, program, int(before), int(after), int(value), text)


class Interval(NamedTuple):
    """A number that is known to lie between two others."""

    low: Fraction
    high: Fraction

    def overlaps(self, other):
        return self.low <= other.high and other.low <= self.high

    @property
    def middle(self):
        return Fraction(self.low + self.high) / 2

    @property
    def radius(self):
        return Fraction(self.high - self.low) / 2


def elapsed(first, last):
    """How much of the host's time passed between two readings."""
    # Both ends are rounded down to a ns.
    return Interval(last.before - first.after - 1, last.after - first.before + 1)


def advance(first, last, grain):
    """How far the clock itself went from one reading to another."""
    step = last.value - first.value
    return Interval(step - grain, step + grain)


def rate(first, last, grain):
    """The clock's seconds for one of the host's, between two readings."""
    went, passed = advance(first, last, grain), elapsed(first, last)
    quotients = [Fraction(ours, hosts) for ours in went for hosts in passed]
    return Interval(min(quotients), max(quotients))


def in_ppm(found, wanted):
    """A rate as what it differs from another."""
    error, radius = (float(part * 10**6) for part in (found.middle - wanted, found.radius))
    digits = 2 if radius < 10 else 0
    # Without the sign of a zero.
    error = round(error, digits) + 0.0
    return f"{error:+.{digits}f} ± {radius:.{digits}f}"


def fits(first, last, grain, wanted):
    """Whether a clock of a rate in the interval `wanted` can have given both readings."""
    passed = elapsed(first, last)
    expected = Interval(wanted.low * passed.low, wanted.high * passed.high)
    return advance(first, last, grain).overlaps(expected)


class Readings:
    """All readings, by clock and program."""

    def __init__(self, readings=()):
        self.series = {}
        self.listing = []
        for reading in readings:
            self.add(reading)

    def add(self, reading):
        if reading.program == "timens list":
            self.listing.append(reading.text)
        else:
            self.series.setdefault((reading.clock, reading.program), {})[reading.sample] = reading

    def get(self, clock, program, sample):
        return self.series[clock, program][sample]

    def count(self, sample):
        """How many readings there are of a sample, not counting the first dates."""
        return sum(
            sample in series
            for (_, program), series in self.series.items()
            if program != "first date"
        )

    def complete(self):
        """Whether every reading has been made that the judgement is about."""
        starts = sum(program == "first date" for _, program in self.series)
        return (
            starts == len(clocks.CLOCKS)
            and self.count(clocks.BEFORE) == len(clocks.WITNESSES)
            and all(self.full(sample) for sample in range(clocks.SAMPLES))
        )

    def full(self, sample):
        return self.count(sample) == clocks.READINGS_PER_SAMPLE

    def gain(self, clock, sample):
        """How far the host's MONOTONIC and the clock's own went since the first sample."""
        first, last = (self.get(clock, clocks.MONOTONIC.name, number) for number in (0, sample))
        return elapsed(first, last).middle, last.value - first.value
