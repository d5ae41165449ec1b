#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Starts the containers, reads their clocks and the host's, prints the readings.

Runs as root in the virtual machine; report.py makes something of the output.
Every reading comes with the host's MONOTONIC just before and just after it, so
that nothing has to be assumed about how long a program takes.
"""

import calendar
import csv
import fcntl
import os
import shlex
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import clocks
from readings import Reading

REPOSITORY = Path(__file__).resolve().parents[2]
RTC_RD_TIME = 0x80247009
OUTPUT = csv.writer(sys.stdout, lineterminator="\n")


def host_now():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def emit(reading):
    OUTPUT.writerow(reading)
    sys.stdout.flush()


class Wakefulness:
    """Keeps the machine from being idle, except in between.

    With `scripts/vm --warp` it would be idle whenever it waits for its disk, and
    skip to the next timer: no harm, but a program could take minutes to start.
    """

    def __init__(self):
        spin = ["chrt", "--idle", "0", "sh", "-c", "while :; do :; done"]
        self.process = subprocess.Popen(spin)

    def sleep(self, seconds):
        self.process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.process.send_signal(signal.SIGCONT)

    def end(self):
        self.process.kill()


class Conversation:
    """A process that answers each line with one line."""

    def __init__(self, command):
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def ask(self, question):
        """Returns the answer and the host's time before and after it."""
        before = host_now()
        try:
            self.process.stdin.write(question + "\n")
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        after = host_now()
        if not answer:
            sys.exit(f"no answer from {shlex.join(self.process.args)}")
        return before, after, answer.strip()

    def child(self):
        """The first child of the process."""
        pid = self.process.pid
        return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0]


class Container:
    """A shell as the first process of a container, and a python3 next to it."""

    def __init__(self, clock):
        self.clock = clock
        starting = host_now()
        if clock.command:
            # A time namespace is for what is executed after it has been made.
            made = clock.command + (("--",) if clock.command[0] == "timens" else ())
            self.shell = Conversation([*made, *clocks.CONTAINER, "sh"])
        else:
            self.shell = Conversation(["sh"])
        self.first_date(starting)
        enter = []
        if clock.command:
            enter = ["nsenter", "--all", "--target", self.shell.child()]
        self.python = Conversation([*enter, "python3", "-c", clocks.PYTHON])
        self.python.ask("")

    def first_date(self, starting):
        """Its bracket is from when there was no container to when it has printed its date."""
        _, after, answer = self.shell.ask(clocks.DATE.command)
        value, _, text = answer.partition(" ")
        emit(Reading(0, self.clock.name, "first date", starting, after, nanoseconds(value), text))

    def read(self, sample):
        for program in clocks.PROGRAMS:
            if program.command:
                before, after, answer = self.shell.ask(program.command)
                value, _, text = answer.partition(" ")
                reading = before, after, nanoseconds(value), text
                yield Reading(sample, self.clock.name, program.name, *reading)
        before, after, answer = narrowest(lambda: self.python.ask(""))
        monotonic, realtime, text = answer.split(" ", 2)
        for program, value in ((clocks.MONOTONIC, monotonic), (clocks.REALTIME, realtime)):
            reading = before, after, int(value), text
            yield Reading(sample, self.clock.name, program.name, *reading)


def nanoseconds(seconds):
    whole, _, fraction = seconds.partition(".")
    return int(whole) * clocks.SECOND + int(fraction.ljust(9, "0") or 0)


def narrowest(attempt):
    """The best of several: the first finds cold caches, any can be interrupted."""
    return min((attempt() for _ in range(10)), key=lambda result: result[1] - result[0])


def read_rtc():
    answer = bytearray(36)
    with open("/dev/rtc0", "rb") as device:
        fcntl.ioctl(device, RTC_RD_TIME, answer)
    second, minute, hour, day, month, year = struct.unpack("6i", answer[:24])
    date = (year + 1900, month + 1, day, hour, minute, second)
    return calendar.timegm(date) * clocks.SECOND


def read_witnesses(sample):
    """Reads the host's other clocks, in this process."""
    for witness in clocks.WITNESSES:

        def attempt(name=witness.name):
            before = host_now()
            if name == "RTC":
                value = read_rtc()
            else:
                value = time.clock_gettime_ns(getattr(time, "CLOCK_" + name))
            return before, host_now(), value

        before, after, value = narrowest(attempt)
        emit(Reading(sample, "host", witness.name, before, after, value, ""))


def main():
    # So that every date is printed in the zone that it is set in.
    os.environ["TZ"] = "UTC"
    os.environ["PATH"] = f"{REPOSITORY}/target/release:{os.environ['PATH']}"
    wakefulness = Wakefulness()
    read_witnesses(clocks.BEFORE)
    containers = [Container(clock) for clock in clocks.CLOCKS]
    # Not to be seen: programs and libraries come from the disk here.
    for container in containers:
        list(container.read(0))
    start = host_now()
    for sample in range(clocks.SAMPLES):
        due = start + sample * clocks.INTERVAL
        wakefulness.sleep(max(0, due - host_now()) / clocks.SECOND)
        for container in containers:
            for reading in container.read(sample):
                emit(reading)
        read_witnesses(sample)
    listing = subprocess.run(["timens", "list"], check=True, capture_output=True, text=True)
    for line in listing.stdout.splitlines():
        emit(Reading(clocks.SAMPLES, "", "timens list", 0, 0, 0, line))
    for container in containers:
        container.python.process.kill()
        container.shell.process.stdin.close()
        container.shell.process.wait()
    wakefulness.end()


if __name__ == "__main__":
    main()
