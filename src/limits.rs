// SPDX-License-Identifier: GPL-2.0

//! How far from the host's a namespace's clock may be set.

use crate::{
    arith::time::{
        NsTime,
        KTIME_MAX, //
    },
    host::Host,
    request::Request, //
};
use kernel::prelude::*;

const NSEC_PER_SEC: u64 = 1_000_000_000;

/// The latest time that a clock may be set to, ns, as mainline has it for offsets, to the second:
/// half of `KTIME_MAX`, so that the clock can go on for a while.
const SETTABLE_MAX: u64 = (KTIME_MAX / NSEC_PER_SEC / 2 + 1) * NSEC_PER_SEC - 1;

/// Checks that each clock would read a time from 0 to [`SETTABLE_MAX`] if it were set as requested
/// now, else `ERANGE`.
///
/// Any context but NMI.
pub(crate) fn validate(request: &Request) -> Result {
    let host = Host::now();
    let in_range = |host, offset: Option<i64>| {
        offset.is_none_or(|offset| {
            NsTime::ahead_of_host(host, offset).is_some_and(|time| time.as_ns() <= SETTABLE_MAX)
        })
    };

    if in_range(host.reference.as_ns(), request.monotonic)
        && in_range(host.boottime(), request.boottime)
        && in_range(host.realtime, request.realtime)
    {
        Ok(())
    } else {
        Err(ERANGE)
    }
}
