# SPDX-License-Identifier: GPL-2.0
"""What the demonstration compares: the clocks, and the programs that read them."""

from fractions import Fraction
from typing import NamedTuple, Optional, Tuple

SECOND = 10**9

# Thirteen samples of every clock over an hour. With `scripts/vm --warp` the hour
# costs nothing, and its length is what makes 50 ppm plain to see: 180 ms.
SAMPLES = 13
INTERVAL = 300 * SECOND
# The sample taken of the host alone, before there is any container.
BEFORE = -1


class Clock(NamedTuple):
    """A clock, and the container that has it."""

    name: str
    rate: Fraction
    # What its date is set to, in seconds since 1970; None: left as the host's
    date: Optional[int]
    # What makes the time namespace; empty for the host
    command: Tuple[str, ...]


# No PID but its own, as in any container.
CONTAINER = ("unshare", "--fork", "--kill-child", "--pid", "--mount-proc")

CLOCKS = (
    Clock("host", Fraction(1), None, ()),
    Clock(
        "future",
        Fraction(2),
        1893456000,
        ("timens", "run", "--date", "2030-01-01", "--rate", "2"),
    ),
    Clock("fast", 1 + Fraction(50, 10**6), None, ("timens", "run", "--ppm", "+50")),
    Clock(
        "frozen",
        Fraction(0),
        946684799,
        ("timens", "run", "--date", "1999-12-31 23:59:59", "--rate", "0"),
    ),
    # For comparison: the time namespace that every Linux since 5.6 has.
    Clock("plain", Fraction(1), None, ("unshare", "--time", "--monotonic", "86400")),
)


class Program(NamedTuple):
    """A program that prints a clock's value, and what it prints on the line."""

    name: str
    # None: the long-lived python3
    command: Optional[str]
    # The value is the clock's, rounded down to a multiple of this.
    grain: int


# The first word is the value in seconds, the rest is what people would look at.
DATE = Program("date", "/bin/date '+%s.%N %F %T.%3N'", 1)
BUSYBOX = Program("busybox date", "busybox date '+%s %F %T'", SECOND)
UPTIME = Program("/proc/uptime", "busybox cat /proc/uptime", SECOND // 100)
MONOTONIC = Program("python3 MONOTONIC", None, 1)
REALTIME = Program("python3 REALTIME", None, 1)
PROGRAMS = (DATE, BUSYBOX, UPTIME, MONOTONIC, REALTIME)

# Runs all the time, so that it shows what a program sees that has been there
# since before: the clock is read in its vDSO, without a system call.
PYTHON = """
import sys, time
for _ in sys.stdin:
    monotonic = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    realtime = time.clock_gettime_ns(time.CLOCK_REALTIME)
    text = time.strftime("%F %T", time.localtime(realtime // 10**9))
    print(monotonic, realtime, text, flush=True)
"""


class Witness(NamedTuple):
    """Another clock of the host, by which to tell that the host's is as it was."""

    name: str
    grain: int
    # By how much its rate may differ from MONOTONIC's in any case: MONOTONIC_RAW
    # is not corrected for the rounding of a tick to whole cycles, and the real-time
    # clock is another device than the one that MONOTONIC has been calibrated from.
    tolerance: Fraction


WITNESSES = (
    Witness("REALTIME", 1, Fraction(0)),
    Witness("BOOTTIME", 1, Fraction(0)),
    Witness("MONOTONIC_RAW", 1, Fraction(1, 10**6)),
    Witness("RTC", SECOND, Fraction(500, 10**6)),
)
READINGS_PER_SAMPLE = len(CLOCKS) * len(PROGRAMS) + len(WITNESSES)
