#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Every judgement of the demonstration, on made-up clocks: right ones and wrong ones."""

import random
import unittest
from fractions import Fraction
from xml.etree import ElementTree

import clocks
from judge import judge
from plot import plot
from readings import Interval, Reading, Readings, rate

HOST_DATE = 1795459482 * clocks.SECOND + 123456789
STARTED = 5 * clocks.SECOND


class Machine:
    """Clocks that do as told, read by programs that take a random time."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.rates = {clock.name: clock.rate for clock in clocks.CLOCKS}
        self.dates = {clock.name: clock.date for clock in clocks.CLOCKS}
        self.host_steps = 0
        self.hardware_rate = Fraction(1)
        self.slowness = 1
        self.readings = Readings()

    def moments(self, due, longest):
        """A host's time before, of, and after a reading."""
        spread = sorted(self.random.randrange(longest * self.slowness) for _ in range(3))
        return (due + moment for moment in spread)

    def add(self, sample, clock, program, before, after, value):
        self.readings.add(Reading(sample, clock, program, before, after, value, "text"))

    def witness(self, sample, due):
        stepped = self.host_steps if sample > 0 else 0
        for witness in clocks.WITNESSES:
            before, now, after = self.moments(due, 2000)
            value = {
                "REALTIME": HOST_DATE + now + stepped,
                "BOOTTIME": now + stepped,
                "MONOTONIC_RAW": int(now * self.hardware_rate),
                "RTC": HOST_DATE + int(now * self.hardware_rate),
            }[witness.name]
            value -= value % witness.grain
            self.add(sample, "host", witness.name, before, after, value)

    def date(self, clock):
        """What a clock showed when it was started."""
        date = self.dates[clock.name]
        return HOST_DATE + STARTED if date is None else date * clocks.SECOND

    def own(self, sample, clock, due):
        for program in clocks.PROGRAMS:
            python = program.command is None
            before, now, after = self.moments(due, 50_000 if python else 500_000)
            passed = int((now - STARTED) * self.rates[clock.name])
            value = STARTED + 86400 * clocks.SECOND + passed
            if program in (clocks.DATE, clocks.BUSYBOX, clocks.REALTIME):
                value = self.date(clock) + passed
            value -= value % program.grain
            self.add(sample, clock.name, program.name, before, after, value)

    def run(self):
        self.witness(clocks.BEFORE, clocks.SECOND)
        for clock in clocks.CLOCKS:
            date = self.date(clock) + int(10**7 * self.rates[clock.name])
            self.add(0, clock.name, "first date", STARTED - 10**7, STARTED + 10**7, date)
        for sample in range(clocks.SAMPLES):
            due = 2 * STARTED + sample * clocks.INTERVAL
            for clock in clocks.CLOCKS:
                self.own(sample, clock, due)
            self.witness(sample, due)
        return self.readings


def failures(readings):
    """Whom the failed judgements are about."""
    return [judgement.text.split(":")[0] for judgement in judge(readings) if not judgement.holds]


class Judgements(unittest.TestCase):
    def wrong(self, **changes):
        machine = Machine(1)
        for name, value in changes.items():
            current = getattr(machine, name)
            setattr(machine, name, {**current, **value} if isinstance(value, dict) else value)
        return failures(machine.run())

    def test_right_clocks_pass(self):
        for seed in range(50):
            self.assertEqual(failures(Machine(seed).run()), [])

    def test_a_wrong_rate_is_found(self):
        for name in ("future", "fast", "frozen", "plain"):
            right = Machine(1).rates[name]
            for ppm in (-1, 1) if right else (1,):
                wrong = {name: right + Fraction(ppm, 10**6)}
                self.assertEqual(self.wrong(rates=wrong), [name], wrong)

    def test_an_uncorrected_clock_is_found(self):
        self.assertEqual(self.wrong(rates={"fast": Fraction(1)}), ["fast"])
        self.assertEqual(self.wrong(rates={"future": Fraction(1)}), ["future"])

    def test_a_wrong_date_is_found(self):
        self.assertEqual(self.wrong(dates={"future": 1893456060}), ["future"])
        self.assertEqual(self.wrong(dates={"frozen": 946684798}), ["frozen"])
        self.assertEqual(self.wrong(dates={"plain": 1893456000}), ["plain"])

    def test_a_stepped_host_is_found(self):
        self.assertEqual(self.wrong(host_steps=100_000), ["host", "host"])
        self.assertEqual(self.wrong(host_steps=-100_000), ["host", "host"])

    def test_another_pace_of_the_host_is_found(self):
        self.assertEqual(self.wrong(hardware_rate=Fraction(1, 2)), ["host"])
        self.assertEqual(self.wrong(hardware_rate=1 + Fraction(3, 10**6)), ["host"])

    def test_coarse_readings_prove_nothing(self):
        # How long it takes to read a frozen clock does not matter.
        names = set(self.wrong(slowness=10_000)) | {"frozen"}
        self.assertEqual(names, {clock.name for clock in clocks.CLOCKS})

    def test_one_wrong_reading_is_found(self):
        for program in clocks.PROGRAMS:
            readings = Machine(1).run()
            series = readings.series["future", program.name]
            series[7] = series[7]._replace(value=series[7].value + 3 * clocks.SECOND)
            self.assertEqual(failures(readings), ["future"], program.name)

    def test_a_missing_reading_is_found(self):
        complete = Machine(1).run()
        for key, series in complete.series.items():
            for sample in series:
                rest = {other: dict(values) for other, values in complete.series.items()}
                del rest[key][sample]
                readings = Readings()
                readings.series = {other: values for other, values in rest.items() if values}
                self.assertEqual(failures(readings), ["host"], (key, sample))


class Arithmetic(unittest.TestCase):
    def test_the_rate_lies_in_the_interval(self):
        first = Reading(0, "", "", 1000, 2000, 5, "")
        last = Reading(1, "", "", 101_000, 102_000, 200_005, "")
        self.assertEqual(
            rate(first, last, 1),
            Interval(Fraction(199_999, 101_001), Fraction(200_001, 98_999)),
        )

    def test_a_clock_that_goes_back_has_a_negative_rate(self):
        first = Reading(0, "", "", 0, 0, 1000, "")
        last = Reading(1, "", "", 1000, 1000, 500, "")
        self.assertLess(rate(first, last, 1).high, 0)


class Picture(unittest.TestCase):
    def test_it_is_well_formed_and_names_every_clock(self):
        root = ElementTree.fromstring(plot(Machine(1).run()))
        texts = " ".join(element.text for element in root.iter() if element.text)
        for clock in clocks.CLOCKS:
            self.assertIn(clock.name, texts)


if __name__ == "__main__":
    unittest.main()
