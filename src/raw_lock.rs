// SPDX-License-Identifier: GPL-2.0

//! A lock for data that hard interrupt context reads.
//!
//! `kernel::sync::SpinLock` is a `spinlock_t`, which sleeps on PREEMPT_RT. What a clock protects is
//! a few hundred bytes of arithmetic, and in the end also wanted by timers, under the raw
//! lock of their CPU: so this one is a `raw_spinlock_t` with interrupts off.

use kernel::{
    bindings,
    ffi,
    sync::lock::{
        Backend,
        Lock, //
    }, //
};

/// A [`Lock`] that never sleeps. Interrupts are off while it is held.
pub(crate) type RawSpinLock<T> = Lock<T, RawSpinLockBackend>;

/// A `raw_spinlock_t` taken with `raw_spin_lock_irqsave()`.
pub(crate) struct RawSpinLockBackend;

// SAFETY: A `raw_spinlock_t` ensures mutual exclusion, and `relock` is the default, which locks the
// same way.
unsafe impl Backend for RawSpinLockBackend {
    type State = bindings::raw_spinlock_t;
    type GuardState = ffi::c_ulong;

    #[inline]
    unsafe fn init(
        ptr: *mut Self::State,
        name: *const ffi::c_char,
        key: *mut bindings::lock_class_key,
    ) {
        // SAFETY: The caller guarantees that `ptr` may be written to, and that `name` and `key`
        // live forever.
        unsafe { bindings::raw_spin_lock_init_key(ptr, name, key) }
    }

    #[inline]
    unsafe fn lock(ptr: *mut Self::State) -> Self::GuardState {
        // SAFETY: The caller guarantees that the lock was initialised.
        unsafe { bindings::raw_spin_lock_irqsave(ptr) }
    }

    #[inline]
    unsafe fn unlock(ptr: *mut Self::State, guard_state: &Self::GuardState) {
        // SAFETY: The caller owns the lock, and the flags are those that locking it returned.
        unsafe { bindings::raw_spin_unlock_irqrestore(ptr, *guard_state) }
    }

    #[inline]
    unsafe fn try_lock(ptr: *mut Self::State) -> Option<Self::GuardState> {
        let mut flags = 0;
        // SAFETY: The caller guarantees that the lock was initialised; `flags` is a local.
        let locked = unsafe { bindings::raw_spin_trylock_irqsave(ptr, &mut flags) };

        (locked != 0).then_some(flags)
    }

    #[inline]
    unsafe fn assert_is_held(ptr: *mut Self::State) {
        // SAFETY: The caller guarantees that the lock was initialised.
        unsafe { bindings::raw_spin_assert_is_held(ptr) }
    }
}
