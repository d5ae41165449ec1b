#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Usage: report.py PREFIX <READINGS

Shows the readings that sample.py prints while they come, writes PREFIX.csv and
PREFIX.svg, and judges: the exit status is 0 only if everything holds.
"""

import csv
import shlex
import shutil
import sys

import clocks
from judge import judge, measured
from plot import plot
from readings import Reading, Readings, in_ppm

WIDTH = 97


def explain():
    print("\nOne machine, one kernel, five clocks: the host's, and those of four containers.\n")
    for clock in clocks.CLOCKS:
        print(f"  {clock.name:8}{shlex.join(clock.command) or '(the machine itself)'}")
    minutes = (clocks.SAMPLES - 1) * clocks.INTERVAL // (60 * clocks.SECOND)
    print(
        f"\nOrdinary programs read them for {minutes} minutes. These pass quickly, because the"
        "\nvirtual machine skips the time in which it has nothing to do.\n",
        flush=True,
    )


def moment(readings, sample):
    """The table of one sample, as lines."""
    passed = readings.gain("host", sample)[0] / clocks.SECOND
    minutes, seconds = divmod(round(passed), 60)
    yield f"{minutes}:{seconds:02d} after the start".ljust(WIDTH)
    yield (
        f"{'':8}{'date':25}{'busybox date':21}{'python3':21}{'MONOTONIC':>10}{'ahead of':>12}"
    )
    yield f"{'':75}{'advanced':>10}{'the host':>12}"
    for clock in clocks.CLOCKS:
        dates = (
            f"{readings.get(clock.name, program.name, sample).text:{width}}"
            for program, width in ((clocks.DATE, 25), (clocks.BUSYBOX, 21), (clocks.REALTIME, 21))
        )
        gain = readings.gain(clock.name, sample)
        host, own = (float(advance) / clocks.SECOND for advance in gain)
        yield f"{clock.name:8}{''.join(dates)}{own:8.2f} s{own - host:+10.3f} s"
    yield ""


class Screen:
    """Prints tables of equal height below each other, or on a terminal over each other."""

    def __init__(self):
        self.over = sys.stdout.isatty() and shutil.get_terminal_size().columns >= WIDTH
        self.height = 0

    def show(self, lines):
        if self.over and self.height:
            print(f"\033[{self.height}A", end="")
        lines = list(lines)
        print("\n".join(lines), flush=True)
        self.height = len(lines)


def watch(source, prefix):
    """Collects the readings, and shows each sample when it is complete."""
    readings, screen = Readings(), Screen()
    with open(f"{prefix}.csv", "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(Reading._fields)
        for fields in csv.reader(source):
            try:
                reading = Reading.parse(fields)
            except ValueError:
                # The machine ended in the middle of a line. Too few readings is
                # what the judgement will be.
                break
            readings.add(reading)
            table.writerow(reading)
            if reading.sample >= 0 and readings.full(reading.sample):
                screen.show(moment(readings, reading.sample))
    return readings


def rates(readings):
    """The table of the rates, from the first sample to the last."""
    shown = (clocks.MONOTONIC, clocks.DATE, clocks.BUSYBOX, clocks.UPTIME)
    print("Rates: the clock's seconds for one of the host's, from the first sample to the last\n")
    print(f"{'':29}difference in ppm, by the program that read the clock")
    heads = "".join(f" {program.name:>16}" for program in shown)
    print(f"{'':8}{'set':9}{'measured':12}{heads}")
    for clock in clocks.CLOCKS:
        found = [measured(readings, clock, program) for program in shown]
        cells = "".join(f" {in_ppm(interval, clock.rate):>16}" for interval in found)
        rate = abs(float(found[0].middle))
        print(f"{clock.name:8}{float(clock.rate):<9.6g}{rate:<12.8f}{cells}")
    print()


def main():
    prefix = sys.argv[1]
    explain()
    readings = watch(sys.stdin, prefix)
    if readings.complete():
        rates(readings)
        with open(f"{prefix}.svg", "w", encoding="utf-8") as file:
            file.write(plot(readings))
    if readings.listing:
        print("'timens list' on the host:\n")
        print("\n".join(readings.listing), end="\n\n")
    judgements = list(judge(readings))
    for judgement in judgements:
        print("PASS " if judgement.holds else "FAIL ", judgement.text)
    failed = sum(not judgement.holds for judgement in judgements)
    print(f"\n{len(judgements) - failed} of {len(judgements)} hold. Readings: {prefix}.csv", end="")
    print(f", plot: {prefix}.svg" if readings.complete() else "")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
