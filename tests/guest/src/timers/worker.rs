// SPDX-License-Identifier: GPL-2.0

//! Waits of all kinds, one after the other, for as long as the process lives, and what came of them.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::clock::{Clock, Way};
use crate::failure::{During, Outcome};
use crate::host;
use crate::random::Random;
use crate::sys::Ns;
use crate::timers::board::shared_numbers;
use crate::timers::call::{Precision, Row, Site, Timeout, Wait};
use crate::timers::calls::timerfd::TimerFd;
use crate::timers::entry::Entry;

const MSEC: Ns = 1_000_000;
/// Rows that one process uses. It is killed before it gets bored.
const ROWS: usize = 10;
/// Timers that are armed at once.
const BATCH: usize = 32;

/// What a worker has done, which outlives it.
#[derive(Clone, Copy)]
pub(crate) struct Record(&'static [AtomicI64]);

/// The numbers of a record.
#[derive(Clone, Copy)]
#[repr(usize)]
enum Field {
    Expired,
    Early,
    Unjudged,
    /// The wait that is going on: its row by number, or a batch, and when it has to end, by a clock.
    Row,
    Clock,
    Until,
    Fields,
}

impl Record {
    /// One of nothing.
    pub(crate) fn new() -> Outcome<Self> {
        shared_numbers(Field::Fields as usize).map(Self)
    }

    fn get(&self, field: Field) -> i64 {
        self.0[field as usize].load(Ordering::SeqCst)
    }

    fn add(&self, field: Field) {
        self.0[field as usize].fetch_add(1, Ordering::SeqCst);
    }

    fn set(&self, field: Field, value: i64) {
        self.0[field as usize].store(value, Ordering::SeqCst);
    }

    /// Timers that have expired.
    pub(crate) fn expired(&self) -> i64 {
        self.get(Field::Expired)
    }

    /// Those that were early.
    pub(crate) fn early(&self) -> i64 {
        self.get(Field::Early)
    }

    /// Those of which nobody can say, because REALTIME was stepped more than once.
    pub(crate) fn unjudged(&self) -> i64 {
        self.get(Field::Unjudged)
    }

    /// Forgets what was waited for: somebody else will.
    pub(crate) fn hand_over(&self) {
        self.set(Field::Until, 0);
    }

    /// When the wait that is going on has to end, by which clock. None before the first, for which
    /// much has to be prepared.
    pub(crate) fn ends(&self) -> Option<(Clock, Ns)> {
        let clock = Clock::ALL
            .into_iter()
            .find(|clock| i64::from(clock.id()) == self.get(Field::Clock))?;
        match self.get(Field::Until) {
            0 => None,
            until => Some((clock, until.into())),
        }
    }

    fn wait_until(&self, row: i64, clock: Clock, until: Ns) {
        self.set(Field::Row, row);
        self.set(Field::Clock, clock.id().into());
        self.set(Field::Until, until as i64);
    }

    /// What it waits for, in words.
    pub(crate) fn waits_for(&self) -> String {
        let row = Row::all().nth(self.get(Field::Row) as usize);
        let name = row.map_or("a batch of timerfds".into(), |row| row.to_string());
        format!("{name}, until {:?}", self.ends())
    }
}

/// What of a namespace decides whether a timer of REALTIME may expire.
struct Moment {
    /// Twice the number of steps, and one more while there is one.
    steps: i64,
    /// How far REALTIME is ahead of MONOTONIC, at most.
    ahead: Ns,
}

/// A timeout of a batch's timer, seldom an alarm: all alarms of the machine share a lock, for which
/// emulated processors wait in turns, also for one that the emulator does not run at the time.
fn some_timeout(random: &mut Random) -> Timeout {
    let alarms = random.below(16) == 0;
    let usable = |timeout: &Timeout| alarms || !timeout.alarm;
    let usable: Vec<_> = Timeout::ALL.iter().copied().filter(usable).collect();
    random.pick(&usable)
}

/// A process' waits.
pub(crate) struct Worker<'a> {
    record: Record,
    /// Counted up before and after each step of REALTIME.
    steps: &'a AtomicI64,
    random: Random,
    rows: Vec<(usize, Row, Wait)>,
    batch: Vec<(Timeout, TimerFd)>,
}

impl<'a> Worker<'a> {
    /// One with some of the rows.
    pub(crate) fn new(
        record: Record,
        steps: &'a AtomicI64,
        other: i32,
        seed: u64,
    ) -> Outcome<Self> {
        let mut random = Random::new(seed);
        let usable = |row: &Row| row.call.precision == Precision::Exact && row.call.unit <= MSEC;
        let all: Vec<_> = Row::all()
            .enumerate()
            .filter(|(_, row)| usable(row))
            .collect();
        let mut rows = Vec::new();
        for _ in 0..ROWS {
            let (number, row) = random.pick(&all);
            let site = Site {
                entry: row.entry,
                timeout: row.timeout,
                other,
                pace: None,
            };
            let wait = (row.call.prepare)(site).during(row)?;
            rows.push((number, row, wait));
        }
        let mut batch = Vec::new();
        for _ in 0..BATCH {
            let timeout = some_timeout(&mut random);
            batch.push((timeout, TimerFd::new(Entry::Native, timeout, 0)?));
        }
        Ok(Self {
            record,
            steps,
            random,
            rows,
            batch,
        })
    }

    /// Goes on until the process is killed.
    pub(crate) fn run(&mut self) -> Outcome {
        loop {
            if self.random.below(4) == 0 {
                self.wait_for_batch()?;
            } else {
                self.wait_once()?;
            }
        }
    }

    /// Up to a millisecond or two, mostly much less.
    fn length(&mut self, unit: Ns) -> Ns {
        let most = self.random.pick(&[1000, 20_000, 200_000, 1_500_000]);
        let length = Ns::from(self.random.next() >> 1) % most + 1;
        (length + unit - 1) / unit * unit
    }

    fn wait_once(&mut self) -> Outcome {
        let chosen = self.random.below(self.rows.len());
        let (number, row) = (self.rows[chosen].0, self.rows[chosen].1);
        let length = self.length(row.call.unit);
        let before = self.moment()?;
        let until = row.timeout.ends_by().now()? + length;
        let clock = row.timeout.ends_by();
        self.record.wait_until(number as i64, clock, until);
        let wait = &mut self.rows[chosen].2;
        wait(if row.timeout.absolute { until } else { length }).during(row)?;
        self.judge(row.timeout, until, &before, &|| row.to_string())
    }

    fn wait_for_batch(&mut self) -> Outcome {
        let mut armed = Vec::new();
        for i in 0..self.batch.len() {
            let length = self.length(1);
            let (timeout, timer) = &self.batch[i];
            let before = self.moment()?;
            let until = timeout.ends_by().now()? + length;
            timer.arm(if timeout.absolute { until } else { length }, 0)?;
            armed.push((until, before));
        }
        for (i, (until, before)) in armed.iter().enumerate() {
            let (timeout, timer) = &self.batch[i];
            self.record.wait_until(-1, timeout.ends_by(), *until);
            timer
                .read()
                .map_err(|errno| crate::failure::Trouble::Fail(format!("read: {errno}")))?;
            self.judge(*timeout, *until, before, &|| {
                format!("a batch's timerfd {timeout}")
            })?;
        }
        Ok(())
    }

    fn moment(&self) -> Outcome<Moment> {
        let steps = self.steps.load(Ordering::SeqCst);
        let monotonic = Way::Vdso.read(Clock::Monotonic)?;
        let ahead = Way::Vdso.read(Clock::Realtime)? - monotonic;
        Ok(Moment { steps, ahead })
    }

    /// Whether a timer that has expired by now, and was armed at `before`, was due.
    ///
    /// REALTIME may have been stepped back after that. Then it was due if it was in time by the
    /// offset that was before or is now, as long as there was no third one.
    fn judge(
        &self,
        timeout: Timeout,
        until: Ns,
        before: &Moment,
        what: &dyn Fn() -> String,
    ) -> Outcome {
        self.record.add(Field::Expired);
        let now = timeout.ends_by().now()?;
        if now >= until {
            return Ok(());
        }
        let after = self.moment()?;
        let steps = self.steps.load(Ordering::SeqCst);
        let stepping = steps % 2 != 0;
        if timeout.notices_steps() && (steps != before.steps || stepping) {
            let stepped_once = before.steps % 2 == 0 && steps - before.steps <= 2;
            if !stepped_once {
                self.record.add(Field::Unjudged);
                return Ok(());
            }
            // TAI is ahead of REALTIME by a constant, which is 0 here if nobody has set it.
            let ahead =
                before.ahead.max(after.ahead) + Clock::Tai.now()? - Clock::Realtime.now()?;
            if Clock::Monotonic.now()? + ahead >= until {
                return Ok(());
            }
        }
        self.record.add(Field::Early);
        println!(
            "    early: {} by {} ns: {now} instead of {until}, at the host's {}",
            what(),
            until - now,
            host::reference()?
        );
        Ok(())
    }
}
