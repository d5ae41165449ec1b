// SPDX-License-Identifier: GPL-2.0

//! A namespace whose clock is looked at and changed more than once, while this program stays on its
//! own clock.

use crate::clock::{Clock, Request};
use crate::error::Error;
use crate::namespace::Inode;
use crate::procfs::{Control, Link, Procfs, Who};
use crate::run::say_request;
use crate::sys::stand_in::StandIn;
use crate::target::{Route, Subject};
use crate::Log;
use std::fs::File;

/// A namespace, and whom to ask about it.
#[derive(Debug)]
pub(crate) struct Held {
    procfs: Procfs,
    log: Log,
    inode: Inode,
    who: Who,
    /// Asked where no process of the namespace can be.
    _stand_in: Option<StandIn>,
    /// Keeps the namespace, so that no other gets its number.
    keeper: Option<File>,
}

impl Held {
    /// Holds a namespace that is to be looked at.
    pub(crate) fn hold(procfs: &Procfs, subject: &Subject, log: Log) -> Result<Held, Error> {
        let (who, stand_in, keeper) = match subject.route() {
            Route::Speaker(pid) => {
                let who = Who::Pid(*pid);
                // That of somebody else's process cannot be opened, while its clock can be seen.
                let keeper = File::open(procfs.link(who, Link::TimeForChildren)).ok();
                (who, None, keeper)
            }
            Route::Enter(link) => {
                let stand_in = crate::target::send_stand_in(link)?;
                (Who::Pid(stand_in.pid()), Some(stand_in), None)
            }
        };
        Ok(Held {
            procfs: procfs.clone(),
            log,
            inode: subject.inode,
            who,
            _stand_in: stand_in,
            keeper,
        })
    }

    /// Holds a namespace that is to be changed, which the host's own is not.
    pub(crate) fn to_change(procfs: &Procfs, subject: &Subject, log: Log) -> Result<Held, Error> {
        match subject.inode {
            Inode::HOST => Err(Error::HostNamespace),
            _ => Held::hold(procfs, subject, log),
        }
    }

    /// Its clock.
    pub(crate) fn clock(&mut self) -> Result<Clock, Error> {
        self.ask(|procfs, who| match procfs.clock(who)? {
            None => {
                // So is that of a process that has ended meanwhile.
                procfs.namespace(who, Link::TimeForChildren)?;
                Err(Error::PlainNamespace)
            }
            Some(clock) => Ok(clock),
        })
    }

    /// Changes its clock.
    pub(crate) fn request(&mut self, request: &Request) -> Result<(), Error> {
        self.ask(|procfs, who| procfs.request(who, Control::Clock, request))?;
        say_request(self.log, request);
        Ok(())
    }

    /// Asks a process, and if that has ended meanwhile another one of the same namespace.
    fn ask<T>(&mut self, question: impl Fn(&Procfs, Who) -> Result<T, Error>) -> Result<T, Error> {
        match self.put(&question) {
            Err(Error::NoSuchProcess(_)) if self.keeper.is_some() => {
                let processes = self.procfs.processes()?;
                let mut processes = processes.seen.iter();
                let other = processes
                    .find(|process| process.children == self.inode)
                    .ok_or(Error::NobodyLeft(self.inode))?;
                self.who = Who::Pid(other.pid);
                self.put(&question)
            }
            answer => answer,
        }
    }

    /// Asks the process, unless it speaks of another namespace by now: it may have got the number
    /// of one that has ended.
    fn put<T>(&self, question: impl Fn(&Procfs, Who) -> Result<T, Error>) -> Result<T, Error> {
        match self.procfs.namespace(self.who, Link::TimeForChildren) {
            Ok(inode) if inode == self.inode => question(&self.procfs, self.who),
            Ok(_) | Err(Error::LookNotPermitted(_)) => Err(Error::NoSuchProcess(self.who)),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rate::Rate;
    use crate::target::Target;
    use crate::testing::{clock_text, FakeProc, HOST, QUIET};
    use std::fs;

    fn hold(proc: &FakeProc, pid: u32) -> Result<Held, Error> {
        let subject = Target::Process(pid).find(&proc.fs())?;
        Held::to_change(&proc.fs(), &subject, QUIET)
    }

    #[test]
    fn another_process_takes_the_place_of_one_that_has_ended() {
        let proc = FakeProc::new();
        for pid in [20, 21] {
            proc.process(pid, 5, 5, 1);
            proc.write(
                &format!("{pid}/timens_clock"),
                &clock_text("running", "9 0", "2 0"),
            );
        }
        let mut held = hold(&proc, 20).unwrap();
        // The link of a false /proc leads nowhere.
        held.keeper = Some(File::open(proc.root()).unwrap());
        fs::remove_dir_all(proc.root().join("20")).unwrap();
        assert_eq!(held.clock().unwrap().rate.to_string(), "2");
        held.request(&Request::rate(Rate::ONE)).unwrap();
        assert!(proc.read("21/timens_clock").starts_with("rate 1 0\n"));

        fs::remove_dir_all(proc.root().join("21")).unwrap();
        let result = held.clock();
        assert!(
            matches!(result, Err(Error::NobodyLeft(Inode(5)))),
            "{result:?}"
        );
    }

    #[test]
    fn a_process_that_has_got_the_number_of_another_is_not_asked() {
        let proc = FakeProc::new();
        let text = clock_text("running", "9 0", "2 0");
        proc.process(20, 5, 5, 1);
        proc.write("20/timens_clock", &text);
        let mut held = hold(&proc, 20).unwrap();
        fs::remove_dir_all(proc.root().join("20")).unwrap();
        proc.process(20, 6, 6, 2);
        proc.write("20/timens_clock", &text);
        let result = held.request(&Request::rate(Rate::ONE));
        assert!(matches!(result, Err(Error::NoSuchProcess(_))), "{result:?}");
        assert_eq!(proc.read("20/timens_clock"), text);

        held.keeper = Some(File::open(proc.root()).unwrap());
        proc.process(21, 5, 5, 1);
        proc.write("21/timens_clock", &text);
        held.request(&Request::rate(Rate::ONE)).unwrap();
        assert_eq!(proc.read("20/timens_clock"), text);
        assert!(proc.read("21/timens_clock").starts_with("rate 1 0\n"));
    }

    #[test]
    fn what_has_no_clock_or_is_the_hosts_is_not_changed() {
        let proc = FakeProc::new();
        proc.process(1, HOST, HOST, 1);
        proc.process(20, 5, 5, 1);
        proc.write("20/timens_clock", "");
        assert!(matches!(hold(&proc, 1), Err(Error::HostNamespace)));
        let result = hold(&proc, 20).unwrap().clock();
        assert!(matches!(result, Err(Error::PlainNamespace)), "{result:?}");
    }
}
