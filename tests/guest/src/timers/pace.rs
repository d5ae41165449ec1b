// SPDX-License-Identifier: GPL-2.0

//! Something that happens again and again on the host's time, for calls that look at their timeout
//! only when something happens.

use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;

use crate::failure::{Context, Outcome};
use crate::host;
use crate::sys::Ns;
use crate::task::Task;

/// How often it happens.
pub(crate) const INTERVAL: Ns = 250_000;

/// A process on the host that sends datagrams of one byte.
pub(crate) struct Pace {
    sender: Task,
    receiver: UnixDatagram,
}

impl Pace {
    /// Starts it.
    pub(crate) fn start() -> Outcome<Self> {
        let (receiver, sending) = UnixDatagram::pair().context("socketpair")?;
        sending.set_nonblocking(true).context("O_NONBLOCK")?;
        let sender = Task::spawn(|| loop {
            match sending.send(&[0]) {
                Err(error) if error.kind() != ErrorKind::WouldBlock => {
                    return Err(error).context("send")
                }
                _ => host::pass(INTERVAL)?,
            }
        })?;
        Ok(Self { sender, receiver })
    }

    /// The socket that receives them.
    pub(crate) fn socket(&self) -> Outcome<OwnedFd> {
        Ok(self.receiver.try_clone().context("dup")?.into())
    }

    /// Ends it.
    pub(crate) fn stop(self) -> Outcome {
        self.sender.stop()
    }
}
