// SPDX-License-Identifier: GPL-2.0

//! `adjtimex()` and `clock_adjtime()`, through every way into the kernel.

use rustix::io::Errno;

use crate::failure::{Context, Outcome};
use crate::sys::Ns;
use crate::timers::entry::{syscall, Arg, Entry, Number};
use crate::timers::place::Place;

/// `ADJ_*`: what a call changes.
pub(crate) mod modes {
    pub(crate) const OFFSET: u32 = libc::ADJ_OFFSET;
    pub(crate) const FREQUENCY: u32 = libc::ADJ_FREQUENCY;
    pub(crate) const MAXERROR: u32 = libc::ADJ_MAXERROR;
    pub(crate) const ESTERROR: u32 = libc::ADJ_ESTERROR;
    pub(crate) const STATUS: u32 = libc::ADJ_STATUS;
    pub(crate) const TIMECONST: u32 = libc::ADJ_TIMECONST;
    pub(crate) const TAI: u32 = libc::ADJ_TAI;
    pub(crate) const SETOFFSET: u32 = libc::ADJ_SETOFFSET;
    pub(crate) const MICRO: u32 = libc::ADJ_MICRO;
    pub(crate) const NANO: u32 = libc::ADJ_NANO;
    pub(crate) const TICK: u32 = libc::ADJ_TICK;
    /// `adjtime()`: sets what is to be slewed, us, and gives what was left.
    pub(crate) const SINGLESHOT: u32 = libc::ADJ_OFFSET_SINGLESHOT;
    /// Only gives what is left of that.
    pub(crate) const SINGLESHOT_READ: u32 = libc::ADJ_OFFSET_SS_READ;
}

/// How many words the fields are.
const FIELDS: usize = 21;

/// The fields of `struct timex`, in their order, each as wide as any kernel has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Timex {
    /// What to change, see [`modes`].
    pub(crate) modes: u32,
    /// Phase offset, us or ns; or what is left of an `adjtime()`, us.
    pub(crate) offset: i64,
    /// Frequency offset, 2^-16 ppm.
    pub(crate) freq: i64,
    /// Maximum error, us.
    pub(crate) maxerror: i64,
    /// Estimated error, us.
    pub(crate) esterror: i64,
    /// `STA_*`.
    pub(crate) status: i32,
    /// Time constant of the loop, or TAI - UTC to set.
    pub(crate) constant: i64,
    /// Precision of the clock, us.
    pub(crate) precision: i64,
    /// The largest frequency offset, 2^-16 ppm.
    pub(crate) tolerance: i64,
    /// REALTIME, s; or how far to step it.
    pub(crate) sec: i64,
    /// The part below a second, us or ns.
    pub(crate) subsec: i64,
    /// Length of a tick of 1/100 s, us.
    pub(crate) tick: i64,
    /// What is known from a pulse-per-second signal. There is none.
    pub(crate) pps: [i64; 8],
    /// TAI - UTC, s.
    pub(crate) tai: i32,
}

impl Timex {
    /// A request that changes what `modes` says, to 0.
    pub(crate) fn of(modes: u32) -> Self {
        Self {
            modes,
            ..Self::default()
        }
    }

    /// That with a phase offset, us or ns.
    pub(crate) fn offset(self, offset: i64) -> Self {
        Self { offset, ..self }
    }

    /// That with a frequency, 2^-16 ppm.
    pub(crate) fn freq(self, freq: i64) -> Self {
        Self { freq, ..self }
    }

    /// That with status bits.
    pub(crate) fn status(self, status: i32) -> Self {
        Self { status, ..self }
    }

    /// That with a time constant, or TAI - UTC.
    pub(crate) fn constant(self, constant: i64) -> Self {
        Self { constant, ..self }
    }

    /// That with a length of the tick, us.
    pub(crate) fn tick(self, tick: i64) -> Self {
        Self { tick, ..self }
    }

    /// That with a step: seconds, and us or ns.
    pub(crate) fn step(self, sec: i64, subsec: i64) -> Self {
        Self {
            sec,
            subsec,
            ..self
        }
    }

    /// What 32-bit numbers leave of it.
    pub(crate) fn narrow(self) -> Self {
        Self::from_words(self.to_words().map(|word| (word as i32).into()))
    }

    /// How many ns one of `subsec` is, as of an answer.
    fn unit(&self) -> Ns {
        match self.status & libc::STA_NANO {
            0 => 1000,
            _ => 1,
        }
    }

    /// REALTIME, as of an answer, and how exactly, ns.
    pub(crate) fn time(&self) -> (Ns, Ns) {
        let time = Ns::from(self.sec) * 1_000_000_000 + Ns::from(self.subsec) * self.unit();
        (time, self.unit())
    }

    fn to_words(self) -> [i64; FIELDS] {
        let [ppsfreq, jitter, shift, stabil, jitcnt, calcnt, errcnt, stbcnt] = self.pps;
        [
            self.modes.into(),
            self.offset,
            self.freq,
            self.maxerror,
            self.esterror,
            self.status.into(),
            self.constant,
            self.precision,
            self.tolerance,
            self.sec,
            self.subsec,
            self.tick,
            ppsfreq,
            jitter,
            shift,
            stabil,
            jitcnt,
            calcnt,
            errcnt,
            stbcnt,
            self.tai.into(),
        ]
    }

    /// Only the lower half of a word counts where the field has 32 bits.
    fn from_words(words: [i64; FIELDS]) -> Self {
        let [modes, offset, freq, maxerror, esterror, status, constant, precision, tolerance, sec, subsec, tick, pps @ .., tai] =
            words;
        let [ppsfreq, jitter, shift, stabil, jitcnt, calcnt, errcnt, stbcnt] = pps;
        Self {
            modes: modes as u32,
            offset,
            freq,
            maxerror,
            esterror,
            status: status as i32,
            constant,
            precision,
            tolerance,
            sec,
            subsec,
            tick,
            pps: [
                ppsfreq,
                jitter,
                i64::from(shift as i32),
                stabil,
                jitcnt,
                calcnt,
                errcnt,
                stbcnt,
            ],
            tai: tai as i32,
        }
    }
}

const ADJTIMEX: Number = Number::plain(libc::SYS_adjtimex, 124);
const CLOCK_ADJTIME: Number = Number::timed(libc::SYS_clock_adjtime, 343, 405);

/// Which call it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Adjtimex,
    ClockAdjtime(i32),
}

/// A way to ask how a clock is disciplined, and to change that.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Adjuster {
    entry: Entry,
    way: Way,
    place: Place,
}

impl Adjuster {
    /// The larger of both layouts.
    const SIZE: usize = 208;

    /// `adjtimex()`, of a 64-bit program or of a 32-bit one, which has only 32-bit times.
    pub(crate) fn adjtimex(entry: Entry) -> Outcome<Self> {
        Self::new(entry, Way::Adjtimex)
    }

    /// `clock_adjtime()`.
    pub(crate) fn clock_adjtime(entry: Entry, clock: i32) -> Outcome<Self> {
        Self::new(entry, Way::ClockAdjtime(clock))
    }

    /// All that act on REALTIME.
    pub(crate) fn all() -> Outcome<Vec<Self>> {
        let adjtimex = Entry::OLD.iter().map(|&entry| Self::adjtimex(entry));
        let clock_adjtime = Entry::ALL
            .iter()
            .map(|&entry| Self::clock_adjtime(entry, libc::CLOCK_REALTIME));
        adjtimex.chain(clock_adjtime).collect()
    }

    fn new(entry: Entry, way: Way) -> Outcome<Self> {
        let place = Place::zeroed(Self::SIZE)?;
        Ok(Self { entry, way, place })
    }

    /// Whether numbers have 32 bits.
    pub(crate) fn is_narrow(&self) -> bool {
        self.entry.has_narrow_time()
    }

    fn word(&self) -> usize {
        match self.is_narrow() {
            true => 4,
            false => 8,
        }
    }

    /// Makes the call. Says what it returns, and what `request` is afterwards.
    pub(crate) fn call(&self, request: &Timex) -> (Result<usize, Errno>, Timex) {
        let word = self.word();
        for (i, value) in request.to_words().into_iter().enumerate() {
            self.place.write(i * word, &value.to_ne_bytes()[..word]);
        }
        let result = self.call_at(Arg::from(&self.place));
        let value = |i: usize| match self.is_narrow() {
            true => i32::from_ne_bytes(self.place.read(i * word)).into(),
            false => i64::from_ne_bytes(self.place.read(i * word)),
        };
        (result, Timex::from_words(std::array::from_fn(value)))
    }

    /// Makes the call with a pointer to anything.
    pub(crate) fn call_at(&self, pointer: Arg) -> Result<usize, Errno> {
        match self.way {
            Way::Adjtimex => self.entry.call(ADJTIMEX, &[pointer]),
            Way::ClockAdjtime(clock) => syscall!(self.entry, CLOCK_ADJTIME, clock, pointer),
        }
    }

    /// Makes a call that has to succeed. Says the state that it returns, and the answer.
    pub(crate) fn adjust(&self, request: &Timex) -> Outcome<(i32, Timex)> {
        let (result, answer) = self.call(request);
        let state = result.context(format_args!("{self}, {request:?}"))?;
        Ok((state as i32, answer))
    }

    /// What it says without any change.
    pub(crate) fn read(&self) -> Outcome<(i32, Timex)> {
        self.adjust(&Timex::default())
    }
}

impl std::fmt::Display for Adjuster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.way {
            Way::Adjtimex => write!(f, "adjtimex/{}", self.entry),
            Way::ClockAdjtime(clock) => write!(f, "clock_adjtime({clock})/{}", self.entry),
        }
    }
}

/// How the clock of this process' time namespace is disciplined.
pub(crate) fn read() -> Outcome<(i32, Timex)> {
    Adjuster::adjtimex(Entry::Native)?.read()
}

/// Changes that.
pub(crate) fn adjust(request: &Timex) -> Outcome<(i32, Timex)> {
    Adjuster::adjtimex(Entry::Native)?.adjust(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        let words = std::array::from_fn(|i| i as i64 + 1);
        let timex = Timex::from_words(words);
        assert_eq!((timex.modes, timex.tick, timex.tai), (1, 12, 21));
        assert_eq!(timex.to_words(), words);
    }

    #[test]
    fn time() {
        let answer = Timex::default().step(5, 7);
        assert_eq!(answer.time(), (5_000_007_000, 1000));
        assert_eq!(answer.status(libc::STA_NANO).time(), (5_000_000_007, 1));
    }
}
