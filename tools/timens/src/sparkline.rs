// SPDX-License-Identifier: GPL-2.0

//! Plots that fit on a line.

/// Bars from the lowest to the highest.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A bar for each value, between the lowest and the highest of them.
pub(crate) fn sparkline(values: impl Iterator<Item = i128> + Clone) -> String {
    let lowest = values.clone().min().unwrap_or(0);
    let span = values.clone().max().unwrap_or(0) - lowest;
    values
        .map(|value| match span {
            0 => BARS[0],
            // CAST: from 0 to 7.
            _ => BARS[((value - lowest) * 7 / span) as usize],
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(values: &[i128]) -> String {
        sparkline(values.iter().copied())
    }

    #[test]
    fn bars_reach_from_the_lowest_to_the_highest_value() {
        assert_eq!(plot(&[-7, -6, -5, -4, -3, -2, -1, 0]), "▁▂▃▄▅▆▇█");
        assert_eq!(plot(&[10, 0, 5, 10]), "█▁▄█");
    }

    #[test]
    fn what_does_not_change_is_flat() {
        assert_eq!(plot(&[5, 5, 5]), "▁▁▁");
        assert_eq!(plot(&[]), "");
    }
}
