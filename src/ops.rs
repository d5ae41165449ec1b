// SPDX-License-Identifier: GPL-2.0

//! The operations as the kernel proper calls them, and their registration.
//!
//! C header: `include/linux/timens_clock.h`. This is where its types become ours: a pointer
//! to a [`NamespaceClock`], a clock id, times that do not mix.

use crate::{
    arith::{
        error,
        rate::Rate,
        segment::Clock,
        time::{
            NsTime,
            RefTime, //
        }, //
    },
    clock::NamespaceClock,
    limits,
    published::Published,
    request::Request,
    timers::Timers,
    timex, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull,
    slice, //
};
use kernel::{
    alloc::flags::GFP_KERNEL_ACCOUNT,
    bindings,
    error::{
        from_result,
        to_result, //
    },
    ffi,
    module::{
        this_module,
        ModuleMetadata, //
    },
    prelude::*,
    seq_file::SeqFile,
    types::ForeignOwnable, //
};

/// What `struct timens_clock` holds for us.
type Data = Pin<KBox<NamespaceClock>>;

/// The registration of a module's operations, until it is dropped.
///
/// # Invariants
///
/// `ops` is registered.
pub(crate) struct Registration {
    ops: &'static bindings::timens_clock_ops,
}

// SAFETY: The operations are constant.
unsafe impl Send for Registration {}
// SAFETY: As above.
unsafe impl Sync for Registration {}

impl Registration {
    /// Registers the operations for module `M`. Fails with `EBUSY` if there are others already.
    ///
    /// Process context; sleeps.
    pub(crate) fn new<M: ModuleMetadata>() -> Result<Self> {
        let ops = &Ops::<M>::TABLE;
        // SAFETY: The operations are there for as long as the module, which has to drop
        // the registration first.
        to_result(unsafe { bindings::timens_clock_register(ops) })?;
        // INVARIANT: Just done.
        Ok(Self { ops })
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // SAFETY: By the type invariants they are registered. There is no clock, as it would
        // hold the module.
        unsafe { bindings::timens_clock_unregister(self.ops) }
    }
}

struct Ops<M>(PhantomData<M>);

impl<M: ModuleMetadata> Ops<M> {
    const TABLE: bindings::timens_clock_ops = bindings::timens_clock_ops {
        owner: this_module::<M>().as_ptr(),
        create: Some(create),
        destroy: Some(destroy),
        parse: Some(parse),
        validate: Some(validate),
        configure: Some(configure),
        catch_up: Some(catch_up),
        start: Some(start),
        change: Some(change),
        settime: Some(settime),
        adjtimex: Some(adjtimex),
        steer: Some(steer),
        show: Some(show),
        read: Some(read),
        to_ref: Some(to_ref),
    };
}

/// # Safety
///
/// `clock` must be a valid clock that [`create`] succeeded for, and must not be destroyed while
/// the result is used.
#[inline]
unsafe fn borrow<'a>(clock: *const bindings::timens_clock) -> Pin<&'a NamespaceClock> {
    // SAFETY: By the safety requirements, `create` stored this pointer.
    unsafe { Data::borrow((*clock).data) }
}

/// # Safety
///
/// `clock` must be valid with `published` set, as must be `parent` if it is not null, which
/// [`create`] succeeded for.
unsafe extern "C" fn create(
    clock: *mut bindings::timens_clock,
    parent: *const bindings::timens_clock,
) -> ffi::c_int {
    from_result(|| {
        // SAFETY: `clock` is valid.
        let page = NonNull::new(unsafe { (*clock).published }).ok_or(EINVAL)?;
        // SAFETY: The page belongs to the clock, which outlives its data, and nobody else writes
        // to this part of it.
        let published = unsafe { Published::new(page) };
        // SAFETY: The clock outlives its data.
        let timers = unsafe { Timers::new(NonNull::new(clock).ok_or(EINVAL)?) };
        let data = if parent.is_null() {
            KBox::pin_init(NamespaceClock::new(published, timers), GFP_KERNEL_ACCOUNT)?
        } else {
            // SAFETY: The caller keeps `parent`, which is a clock, for the time of this call.
            let parent = unsafe { borrow(parent) };
            let cloned = NamespaceClock::cloned(published, timers, &parent);
            KBox::pin_init(cloned, GFP_KERNEL_ACCOUNT)?
        };
        // SAFETY: `clock` is valid, and nobody else uses it yet.
        unsafe { (*clock).data = data.into_foreign() };
        Ok(0)
    })
}

/// # Safety
///
/// `clock` must be one that [`create`] succeeded for, and nobody may use it any more.
unsafe extern "C" fn destroy(clock: *mut bindings::timens_clock) {
    // SAFETY: By the safety requirements `create` stored this pointer, and nobody borrows it.
    drop(unsafe { Data::from_foreign((*clock).data) });
}

/// # Safety
///
/// `text` must be valid for `len` bytes, `req` for writing.
unsafe extern "C" fn parse(
    text: *const ffi::c_char,
    len: usize,
    req: *mut bindings::timens_clock_request,
) -> ffi::c_int {
    from_result(|| {
        // SAFETY: By the safety requirements.
        let text = unsafe { slice::from_raw_parts(text.cast::<u8>(), len) };
        let request = Request::parse(text).map_err(errno)?;
        // SAFETY: By the safety requirements.
        unsafe { *req = request_to_c(&request) };
        Ok(0)
    })
}

/// # Safety
///
/// `req` must be valid.
unsafe extern "C" fn validate(req: *const bindings::timens_clock_request) -> ffi::c_int {
    from_result(|| {
        // SAFETY: By the safety requirements.
        limits::validate(&request_from_c(unsafe { &*req }))?;
        Ok(0)
    })
}

/// # Safety
///
/// `clock` must be one that [`create`] succeeded for, `req` must be valid.
unsafe extern "C" fn configure(
    clock: *const bindings::timens_clock,
    req: *const bindings::timens_clock_request,
) {
    // SAFETY: By the safety requirements.
    let (clock, req) = unsafe { (borrow(clock), &*req) };
    clock.configure(&request_from_c(req));
}

/// # Safety
///
/// `clock` must be one that [`create`] succeeded for.
unsafe extern "C" fn catch_up(clock: *const bindings::timens_clock) {
    // SAFETY: By the safety requirements.
    unsafe { borrow(clock) }.catch_up();
}

/// # Safety
///
/// `clock` must be one that [`create`] succeeded for.
unsafe extern "C" fn start(clock: *const bindings::timens_clock) {
    // SAFETY: By the safety requirements.
    unsafe { borrow(clock) }.start();
}

/// # Safety
///
/// `clock` must be one that [`create`] succeeded for, `req` must be valid.
unsafe extern "C" fn change(
    clock: *const bindings::timens_clock,
    req: *const bindings::timens_clock_request,
) -> ffi::c_int {
    from_result(|| {
        // SAFETY: By the safety requirements.
        let (clock, req) = unsafe { (borrow(clock), &*req) };
        clock.change(&request_from_c(req))?;
        Ok(0)
    })
}

/// # Safety
///
/// `clock` must be one that [`create`] succeeded for, `ts` must be valid.
unsafe extern "C" fn settime(
    clock: *const bindings::timens_clock,
    ts: *const bindings::timespec64,
) -> ffi::c_int {
    from_result(|| {
        // SAFETY: By the safety requirements.
        let (clock, ts) = unsafe { (borrow(clock), &*ts) };
        // CAST: As wide, or less.
        clock.settime(ts.tv_sec, ts.tv_nsec as i64)?;
        Ok(0)
    })
}

/// # Safety
///
/// `clock` must be one that [`create`] succeeded for, `txc` must be valid.
unsafe extern "C" fn adjtimex(
    clock: *const bindings::timens_clock,
    txc: *mut bindings::__kernel_timex,
) -> ffi::c_int {
    from_result(|| {
        // SAFETY: By the safety requirements.
        let (clock, txc) = unsafe { (borrow(clock), &mut *txc) };
        let mut call = timex::from_c(txc);
        let state = clock.adjtimex(&mut call)?;
        timex::to_c(&call, txc);
        // CAST: The states are small numbers.
        Ok(state as ffi::c_int)
    })
}

/// # Safety
///
/// `clock` must be one that [`create`] succeeded for.
unsafe extern "C" fn steer(clock: *const bindings::timens_clock) -> bool {
    // SAFETY: By the safety requirements.
    unsafe { borrow(clock) }.look_after()
}

/// # Safety
///
/// `clock` must be one that [`create`] succeeded for, `m` a valid file that is being read.
unsafe extern "C" fn show(clock: *const bindings::timens_clock, m: *mut bindings::seq_file) {
    // SAFETY: By the safety requirements.
    let (clock, m) = unsafe { (borrow(clock), SeqFile::from_raw(m)) };
    clock.show(m);
}

/// # Safety
///
/// `clock` must be one that [`create`] succeeded for.
unsafe extern "C" fn read(
    clock: *const bindings::timens_clock,
    clkid: u32,
    reference: u64,
    sleep: u64,
) -> u64 {
    // SAFETY: By the safety requirements.
    let clock = unsafe { borrow(clock) };
    let at = RefTime::from_ns(reference);
    // Most timers are of this clock, and without offset and sleep there is less to do.
    match clock_of(clkid) {
        Clock::Monotonic => clock.read(Clock::Monotonic, at, 0),
        other => clock.read(other, at, sleep),
    }
    .as_ns()
}

/// # Safety
///
/// `clock` must be one that [`create`] succeeded for.
unsafe extern "C" fn to_ref(
    clock: *const bindings::timens_clock,
    clkid: u32,
    ns: u64,
    sleep: u64,
    from: u64,
) -> u64 {
    // SAFETY: By the safety requirements.
    let clock = unsafe { borrow(clock) };
    let (time, from) = (NsTime::from_ns(ns), RefTime::from_ns(from));
    match clock_of(clkid) {
        Clock::Monotonic => clock.to_ref(Clock::Monotonic, time, 0, from),
        other => clock.to_ref(other, time, sleep, from),
    }
    .as_ns()
}

/// The clock of a clock id. The kernel proper asks for these only.
#[inline]
fn clock_of(clkid: u32) -> Clock {
    match clkid {
        bindings::CLOCK_REALTIME | bindings::CLOCK_REALTIME_COARSE => Clock::Realtime,
        bindings::CLOCK_BOOTTIME => Clock::Boottime,
        bindings::CLOCK_TAI => Clock::Tai,
        bindings::CLOCK_MONOTONIC_RAW => Clock::Raw,
        _ => Clock::Monotonic,
    }
}

fn errno(error: error::Error) -> Error {
    match error {
        error::Error::Malformed => EINVAL,
        error::Error::OutOfRange | error::Error::BeforeAnchor => ERANGE,
    }
}

fn request_to_c(request: &Request) -> bindings::timens_clock_request {
    let mut lines = 0;
    for (line, there) in [
        (
            bindings::TIMENS_CLOCK_MONOTONIC,
            request.monotonic.is_some(),
        ),
        (bindings::TIMENS_CLOCK_BOOTTIME, request.boottime.is_some()),
        (bindings::TIMENS_CLOCK_REALTIME, request.realtime.is_some()),
        (bindings::TIMENS_CLOCK_RATE, request.rate.is_some()),
    ] {
        if there {
            lines |= line;
        }
    }
    bindings::timens_clock_request {
        lines,
        monotonic: request.monotonic.unwrap_or(0),
        boottime: request.boottime.unwrap_or(0),
        realtime: request.realtime.unwrap_or(0),
        rate: request.rate.unwrap_or(Rate::ZERO).as_units(),
    }
}

fn request_from_c(req: &bindings::timens_clock_request) -> Request {
    let there = |line| req.lines & line != 0;
    Request {
        monotonic: there(bindings::TIMENS_CLOCK_MONOTONIC).then_some(req.monotonic),
        boottime: there(bindings::TIMENS_CLOCK_BOOTTIME).then_some(req.boottime),
        realtime: there(bindings::TIMENS_CLOCK_REALTIME).then_some(req.realtime),
        rate: there(bindings::TIMENS_CLOCK_RATE)
            .then_some(Rate::from_units(req.rate).unwrap_or(Rate::MAX)),
    }
}
