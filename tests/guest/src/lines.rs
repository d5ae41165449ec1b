// SPDX-License-Identifier: GPL-2.0

//! The lines that user space writes for a clock.

use std::fmt;

use crate::rate::Rate;
use crate::sys::Ns;

/// Up to one line of each kind.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lines {
    /// Offset from the host's clock, ns.
    pub(crate) monotonic: Option<Ns>,
    /// Offset from the host's clock, ns.
    pub(crate) boottime: Option<Ns>,
    /// Offset from the host's clock, ns.
    pub(crate) realtime: Option<Ns>,
    rate: Option<(u64, u32)>,
}

impl Lines {
    /// No line yet.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// With a line for MONOTONIC.
    pub(crate) fn monotonic(self, ns: Ns) -> Self {
        Self {
            monotonic: Some(ns),
            ..self
        }
    }

    /// With a line for BOOTTIME.
    pub(crate) fn boottime(self, ns: Ns) -> Self {
        Self {
            boottime: Some(ns),
            ..self
        }
    }

    /// With a line for REALTIME.
    pub(crate) fn realtime(self, ns: Ns) -> Self {
        Self {
            realtime: Some(ns),
            ..self
        }
    }

    /// With a line for the rate.
    pub(crate) fn rate(self, secs: u64, nsecs: u32) -> Self {
        Self {
            rate: Some((secs, nsecs)),
            ..self
        }
    }

    /// What the line for the rate sets, if there is one.
    pub(crate) fn set_rate(&self) -> Option<Rate> {
        self.rate.map(|(secs, nsecs)| Rate::new(secs, nsecs))
    }
}

impl fmt::Display for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SEC: Ns = 1_000_000_000;
        let offsets = [
            ("monotonic", self.monotonic),
            ("boottime", self.boottime),
            ("realtime", self.realtime),
        ];
        for (name, offset) in offsets {
            if let Some(ns) = offset {
                writeln!(f, "{name} {} {}", ns.div_euclid(SEC), ns.rem_euclid(SEC))?;
            }
        }
        if let Some((secs, nsecs)) = self.rate {
            writeln!(f, "rate {secs} {nsecs}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text() {
        let lines = Lines::new()
            .rate(1, 50_000)
            .realtime(-1)
            .monotonic(5_000_000_001);
        assert_eq!(
            lines.to_string(),
            "monotonic 5 1\nrealtime -1 999999999\nrate 1 50000\n"
        );
    }
}
