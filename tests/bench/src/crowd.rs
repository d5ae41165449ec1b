// SPDX-License-Identifier: GPL-2.0

//! Many time namespaces with clocks of their own, in each of which timers are armed.

use std::{fs, fs::File, os::fd::AsFd, time::Duration};

use rustix::thread::{move_into_link_name_space, LinkNameSpaceType};

use crate::{
    cpu, timer,
    timer::{Timer, FAR},
    Error,
};

/// A limit that is as high as it gets.
const NAMESPACES: (&str, &str) = ("/proc/sys/user/max_time_namespaces", "2147483647");

/// The namespaces. This process is in none of them.
pub(crate) struct Crowd {
    host: File,
    members: Vec<Member>,
}

/// A namespace, and what is armed there.
struct Member {
    namespace: File,
    _timers: [Timer; 2],
}

impl Crowd {
    /// Nobody.
    pub(crate) fn new() -> Result<Self, Error> {
        timer::allow_many()?;
        let (path, limit) = NAMESPACES;
        fs::write(path, limit)?;
        Ok(Self {
            host: File::open("/proc/self/ns/time")?,
            members: Vec::new(),
        })
    }

    /// Makes more of them, until there are so many.
    pub(crate) fn grow(&mut self, number: usize) -> Result<(), Error> {
        while self.members.len() < number {
            cpu::unshare_time()?;
            let realtime = 100_000_000 + self.members.len();
            let offsets = format!("realtime {realtime} 0\nrate 1 50000\n");
            fs::write("/proc/self/timens_offsets", offsets)?;
            let namespace = File::open("/proc/self/ns/time_for_children")?;
            let timers = self.inside(&namespace, || {
                let timers = [Timer::monotonic()?, Timer::realtime()?];
                for timer in &timers {
                    timer.arm_after(Duration::from_secs(FAR))?;
                }
                Ok(timers)
            })?;
            self.members.push(Member {
                namespace,
                _timers: timers,
            });
        }
        Ok(())
    }

    /// Does something in one of them.
    pub(crate) fn visit<T>(
        &self,
        index: usize,
        work: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        let member = self.members.get(index).ok_or("no such namespace")?;
        self.inside(&member.namespace, work)
    }

    fn inside<T>(
        &self,
        namespace: &File,
        work: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        enter(namespace)?;
        let result = work();
        enter(&self.host)?;
        result
    }
}

fn enter(namespace: &File) -> Result<(), Error> {
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Time))?;
    Ok(())
}
