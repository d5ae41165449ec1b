// SPDX-License-Identifier: GPL-2.0

//! Two sockets, of which one receives what the other sends.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixDatagram;

use rustix::event::{poll, PollFd, PollFlags};
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use crate::clock::Clock;
use crate::failure::{check, Context, Outcome};
use crate::host;
use crate::span::Span;
use crate::sys::Ns;
use crate::timers::entry::Entry;

use super::form::Form;
use super::socket;

/// What kind of sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Udp,
    Udp6,
    Tcp,
    Unix,
    /// A packet socket that sees what a UDP socket gets.
    Packet,
}

impl Kind {
    /// All of them.
    pub(super) const ALL: [Self; 5] = [Self::Udp, Self::Udp6, Self::Tcp, Self::Unix, Self::Packet];

    /// Whether packets have stamps that come in this form.
    pub(super) fn has(self, form: &Form) -> bool {
        // Unix sockets make stamps for those only who ask by SO_TIMESTAMP.
        self != Self::Unix || !form.is_timestamping()
    }
}

/// The sockets.
pub(super) struct Link {
    pub(super) sender: OwnedFd,
    pub(super) receiver: OwnedFd,
    /// What has to be there, too.
    _beside: Option<OwnedFd>,
}

impl Link {
    /// Two sockets of a kind.
    pub(super) fn new(kind: Kind) -> Outcome<Self> {
        match kind {
            Kind::Udp => Self::udp((Ipv4Addr::LOCALHOST, 0).into()),
            Kind::Udp6 => Self::udp((Ipv6Addr::LOCALHOST, 0).into()),
            Kind::Tcp => {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("bind")?;
                let address = listener.local_addr().context("getsockname")?;
                let sender = TcpStream::connect(address).context("connect")?;
                let (receiver, _) = listener.accept().context("accept")?;
                Ok(Self::from(sender, receiver))
            }
            Kind::Unix => {
                let (sender, receiver) = UnixDatagram::pair().context("socketpair")?;
                Ok(Self::from(sender, receiver))
            }
            Kind::Packet => {
                let udp = Self::new(Kind::Udp)?;
                // The protocol is ETH_P_IP, which the kernel expects as the network has it.
                let protocol = std::num::NonZero::new(u32::from(0x0800_u16.to_be()));
                let receiver = rustix::net::socket_with(
                    AddressFamily::PACKET,
                    SocketType::DGRAM,
                    SocketFlags::CLOEXEC,
                    protocol.map(rustix::net::Protocol::from_raw),
                );
                Ok(Self {
                    receiver: receiver.context("packet socket")?,
                    sender: udp.sender,
                    _beside: Some(udp.receiver),
                })
            }
        }
    }

    fn from(sender: impl Into<OwnedFd>, receiver: impl Into<OwnedFd>) -> Self {
        Self {
            sender: sender.into(),
            receiver: receiver.into(),
            _beside: None,
        }
    }

    fn udp(address: SocketAddr) -> Outcome<Self> {
        let receiver = UdpSocket::bind(address).context("bind")?;
        let sender = UdpSocket::bind(address).context("bind")?;
        let address = receiver.local_addr().context("getsockname")?;
        sender.connect(address).context("connect")?;
        Ok(Self::from(sender, receiver))
    }

    /// Sends a packet and waits until it is there. Says when that was, by the REALTIME of this
    /// process' time namespace.
    pub(super) fn send(&self) -> Outcome<Span> {
        self.send_until(&self.receiver, PollFlags::IN)
    }

    /// As `send()`, but waits for what `socket` gets.
    pub(super) fn send_until(&self, socket: &impl AsFd, event: PollFlags) -> Outcome<Span> {
        let before = Clock::Realtime.now()?;
        rustix::io::write(&self.sender, &[1]).context("sending")?;
        let mut waiting = [PollFd::new(socket, event)];
        poll(&mut waiting, None).context("poll")?;
        check!(
            waiting[0].revents().contains(event),
            "{:?} on a socket",
            waiting[0].revents()
        );
        Ok(Span::new(before, Clock::Realtime.now()?))
    }

    /// Receives a packet, `flags` as for recvmsg(), and returns its stamp.
    pub(super) fn receive(&self, entry: Entry, form: &Form, flags: i32) -> Outcome<Ns> {
        form.find(&socket::receive(entry, &self.receiver, flags)?)
    }
}

/// Keeps the kernel stamping packets: it begins to some time after it was asked to.
pub(super) struct Stamping {
    _asked: Link,
}

impl Stamping {
    /// Waits until it has begun.
    pub(super) fn begin() -> Outcome<Self> {
        let link = Link::new(Kind::Udp)?;
        Form::TIMESTAMPING.enable(&link.receiver)?;
        loop {
            link.send()?;
            let control = socket::receive(Entry::Native, &link.receiver, 0)?;
            if Form::TIMESTAMPING.look(&control)?.is_some() {
                return Ok(Self { _asked: link });
            }
            host::pass(1_000_000)?;
        }
    }
}
