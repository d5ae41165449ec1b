// SPDX-License-Identifier: GPL-2.0

//! Properties of the clock arithmetic, compared with big-integer arithmetic.

mod changes;
mod division;
mod inputs;
mod line;
mod rate;
mod timeline;
