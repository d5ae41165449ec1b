# SPDX-License-Identifier: GPL-2.0
"""What must hold of the readings."""

from fractions import Fraction
from typing import NamedTuple

import clocks
from readings import Interval, fits, in_ppm, rate

# Readings that leave the rate more uncertain than this would prove little.
FINEST = Fraction(5, 10**6)


class Judgement(NamedTuple):
    """Something that must hold, and whether it does."""

    holds: bool
    text: str


def judge(readings):
    """Yields every judgement."""
    if not readings.complete():
        yield Judgement(False, "host: not all of the readings have been made")
        return
    yield host_unmoved(readings, "REALTIME")
    yield host_unmoved(readings, "BOOTTIME")
    yield host_pace(readings)
    for clock in clocks.CLOCKS:
        yield own_rate(readings, clock)
        if clock.command:
            yield own_date(readings, clock)


def witnessed(readings, witness):
    """First and last reading: before the first container, and with all of them running."""
    return (
        readings.get("host", witness.name, clocks.BEFORE),
        readings.get("host", witness.name, clocks.SAMPLES - 1),
    )


def host_unmoved(readings, name):
    witness = next(witness for witness in clocks.WITNESSES if witness.name == name)
    first, last = witnessed(readings, witness)
    before, after = (
        Interval(reading.value - reading.after, reading.value - reading.before)
        for reading in (first, last)
    )
    holds = before.overlaps(after)
    moved = after.middle - before.middle
    within = before.radius + after.radius
    return Judgement(
        holds and within < clocks.SECOND // 1000,
        f"host: {name} - MONOTONIC is "
        + ("what it was before the containers" if holds else f"off by {float(moved) / 1e9:.9f} s")
        + f", to {float(within) / 1000:.1f} us",
    )


def host_pace(readings):
    """The host's MONOTONIC against what no software disciplines."""
    parts, holds = [], True
    for witness in clocks.WITNESSES:
        if witness.tolerance:
            first, last = witnessed(readings, witness)
            wanted = Interval(1 - witness.tolerance, 1 + witness.tolerance)
            holds = holds and fits(first, last, witness.grain, wanted)
            found = rate(first, last, witness.grain)
            parts.append(f"{witness.name} {in_ppm(found, 1)} ppm")
    return Judgement(holds, "host: its second against the hardware's: " + ", ".join(parts))


def measured(readings, clock, program):
    """The rate of a clock from the first to the last reading of a program."""
    return rate(
        readings.get(clock.name, program.name, 0),
        readings.get(clock.name, program.name, clocks.SAMPLES - 1),
        program.grain,
    )


def own_rate(readings, clock):
    """Every reading of every program is one that a clock of the set rate can give."""
    wanted = Interval(clock.rate, clock.rate)
    wrong = []
    for program in clocks.PROGRAMS:
        series = [
            readings.get(clock.name, program.name, sample) for sample in range(clocks.SAMPLES)
        ]
        misfits = sum(not fits(series[0], last, program.grain, wanted) for last in series)
        if misfits:
            wrong.append(f"{misfits} of {program.name}")
    found = measured(readings, clock, clocks.MONOTONIC)
    setting = f"{float(clock.rate):.6g}"
    if wrong:
        text = f"readings that are wrong for rate {setting}: " + ", ".join(wrong)
    else:
        count = len(clocks.PROGRAMS) * clocks.SAMPLES
        text = f"all {count} readings are right for rate {setting};"
        text += f" MONOTONIC's is off by {in_ppm(found, clock.rate)} ppm"
    return Judgement(not wrong and found.radius <= FINEST, f"{clock.name}: {text}")


def own_date(readings, clock):
    """The first date that a program prints is the one that was set, or a little later."""
    reading = readings.get(clock.name, "first date", 0)
    if clock.date is None:
        host = readings.get("host", "REALTIME", clocks.BEFORE)
        date = Interval(host.value - host.after, host.value - host.before)
        date = Interval(date.low + reading.before, date.high + reading.before)
        text = "the host's"
    else:
        date = Interval(clock.date * clocks.SECOND, clock.date * clocks.SECOND)
        text = "the date that was set"
    # The container's clock starts at some point of the way, and goes at the
    # host's rate until then.
    longest = max(clock.rate, 1) * (reading.after - reading.before)
    possible = Interval(date.low, date.high + longest)
    holds = possible.overlaps(Interval(reading.value, reading.value))
    return Judgement(
        holds,
        f"{clock.name}: its first date, {reading.text}, is {'' if holds else 'not '}{text}"
        f" or at most {float(longest) / 1e9:.3f} s later",
    )
