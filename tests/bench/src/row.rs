// SPDX-License-Identifier: GPL-2.0

//! A row of the table.

/// Figures that are whole numbers, as computed from counts.
pub(crate) const ROUNDING: f64 = 0.01;

/// A figure, and what it is compared with.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    /// The group that it is in.
    pub(crate) group: &'static str,
    /// What is counted.
    pub(crate) name: String,
    /// The figure.
    pub(crate) figure: f64,
    /// What it is compared with.
    pub(crate) base: f64,
    /// The most that it may be, if there is a bound.
    pub(crate) bound: Option<f64>,
}

impl Row {
    /// Whether it is within its bound.
    pub(crate) fn holds(&self) -> bool {
        // Written so that a figure that is not a number does not hold.
        self.bound
            .is_none_or(|bound| self.figure <= bound + ROUNDING)
    }
}

/// A row.
pub(crate) fn row(
    group: &'static str,
    name: impl ToString,
    figure: f64,
    base: f64,
    bound: Option<f64>,
) -> Row {
    Row {
        group,
        name: name.to_string(),
        figure,
        base,
        bound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds() {
        let holds = |figure, bound| row("", "", figure, 0.0, bound).holds();
        assert!(holds(64.0, Some(64.0)));
        assert!(!holds(65.0, Some(64.0)));
        assert!(!holds(f64::NAN, Some(64.0)));
        assert!(holds(65.0, None));
    }
}
