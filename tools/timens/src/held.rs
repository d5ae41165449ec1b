// SPDX-License-Identifier: GPL-2.0

//! A namespace whose clock is looked at and changed more than once, while this program stays on its
//! own clock.

use crate::clock::{Clock, Request};
use crate::error::Error;
use crate::namespace::Inode;
use crate::procfs::{Control, Link, Procfs, Who};
use crate::run::say_request;
use crate::sys::stand_in::StandIn;
use crate::target::Subject;
use crate::Log;
use std::fs::File;

/// A namespace, and whom to ask about it.
#[derive(Debug)]
pub(crate) struct Held {
    procfs: Procfs,
    log: Log,
    subject: Subject,
    who: Who,
    /// Asked where no process of the namespace can be.
    stand_in: Option<StandIn>,
    /// Keeps the namespace, so that no other gets its number, and leads into it.
    keeper: Option<File>,
    /// Whether a stand-in is sent when nobody else is left.
    enters: bool,
}

impl Held {
    /// Holds a namespace that is to be looked at.
    pub(crate) fn hold(procfs: &Procfs, subject: &Subject, log: Log) -> Result<Held, Error> {
        let (who, stand_in, keeper) = match subject.speaker {
            // What leads to somebody else's cannot be opened, while its clock can be seen.
            Some(pid) => (Who::Pid(pid), None, subject.open().ok()),
            None => {
                let keeper = subject.open()?;
                let stand_in = send(subject, &keeper)?;
                (Who::Pid(stand_in.pid()), Some(stand_in), Some(keeper))
            }
        };
        Ok(Held {
            procfs: procfs.clone(),
            log,
            subject: subject.clone(),
            who,
            enters: stand_in.is_some(),
            stand_in,
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

    /// From here on, what was changed is set back: also where everybody has left, for a mount may
    /// keep the namespace, and where nobody reads what is said of it.
    pub(crate) fn begin_to_set_back(&mut self) {
        self.enters = true;
        self.log = self.log.unless_blocked();
    }

    /// Its clock.
    pub(crate) fn clock(&mut self) -> Result<Clock, Error> {
        self.ask(Procfs::clock)?.ok_or(Error::PlainNamespace)
    }

    /// Changes its clock.
    pub(crate) fn request(&mut self, request: &Request) -> Result<(), Error> {
        self.persist(|held| {
            held.is_there()?;
            let taken = held.procfs.request(held.who, Control::Clock, request);
            // Who refused is known only if it is still there.
            taken.or_else(|error| held.is_there().and(Err(error)))
        })?;
        say_request(self.log, request);
        Ok(())
    }

    /// Asks about it, without changing anything.
    pub(crate) fn ask<T>(
        &mut self,
        question: impl Fn(&Procfs, Who) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.persist(|held| {
            held.is_there()?;
            let answer = question(&held.procfs, held.who);
            held.is_there().and(answer)
        })
    }

    /// Tries with a process, and if that has ended meanwhile with another one of the same namespace.
    fn persist<T>(
        &mut self,
        mut attempt: impl FnMut(&Held) -> Result<T, Error>,
    ) -> Result<T, Error> {
        loop {
            match attempt(self) {
                Err(gone @ Error::NoSuchProcess(_)) => self.turn(gone)?,
                answer => return answer,
            }
        }
    }

    /// Turns to another process of the namespace, now that one is gone. A stand-in is replaced by
    /// another one, which does not leave as somebody may who just looks in.
    fn turn(&mut self, gone: Error) -> Result<(), Error> {
        let keeper = self.keeper.as_ref().ok_or(gone)?;
        let other = match self.stand_in {
            Some(_) => None,
            None => self.procfs.speaker(self.subject.inode)?,
        };
        match other {
            Some(other) => self.who = Who::Pid(other),
            None if self.enters => {
                let stand_in = send(&self.subject, keeper)?;
                self.who = Who::Pid(stand_in.pid());
                self.stand_in = Some(stand_in);
            }
            None => return Err(Error::NobodyLeft(self.subject.inode)),
        }
        Ok(())
    }

    /// Fails if the process speaks of another namespace: it may have entered that, or its number may
    /// be another's, as it has ended.
    fn is_there(&self) -> Result<(), Error> {
        match self.procfs.namespace(self.who, Link::TimeForChildren) {
            Ok(inode) if inode == self.subject.inode => Ok(()),
            Ok(_) | Err(Error::LookNotPermitted(_)) => Err(Error::NoSuchProcess(self.who)),
            Err(error) => Err(error),
        }
    }
}

/// Sends a process into a namespace.
fn send(subject: &Subject, keeper: &File) -> Result<StandIn, Error> {
    StandIn::send(keeper).map_err(|errno| Error::from_setns(subject.link.clone(), errno))
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
    fn so_does_a_third_one() {
        let proc = FakeProc::new();
        for pid in [20, 21, 22] {
            proc.process(pid, 5, 5, 1);
        }
        let mut held = hold(&proc, 20).unwrap();
        held.keeper = Some(File::open(proc.root()).unwrap());
        let end = |pid: u32| fs::remove_dir_all(proc.root().join(pid.to_string())).unwrap();
        end(20);
        let answer = held.ask(|_, who| match who {
            Who::Pid(22) => Ok(22),
            Who::Pid(pid) => {
                end(pid);
                Err(Error::NoSuchProcess(who))
            }
            Who::Caller => panic!("this process is elsewhere"),
        });
        assert_eq!(answer.unwrap(), 22);
    }

    #[test]
    fn what_everybody_has_left_is_entered_to_set_it_back() {
        let proc = FakeProc::new();
        proc.process(20, 5, 5, 1);
        let mut held = hold(&proc, 20).unwrap();
        held.keeper = Some(File::open(proc.root()).unwrap());
        fs::remove_dir_all(proc.root().join("20")).unwrap();
        let result = held.clock();
        assert!(matches!(result, Err(Error::NobodyLeft(_))), "{result:?}");
        held.begin_to_set_back();
        // No directory is a time namespace.
        let result = held.clock();
        assert!(
            matches!(result, Err(Error::NotATimeNamespace(_))),
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
    fn a_process_that_leaves_while_it_is_asked_is_not_believed() {
        let proc = FakeProc::new();
        let text = clock_text("running", "9 0", "2 0");
        for pid in [20, 21] {
            proc.process(pid, 5, 5, 1);
            proc.write(&format!("{pid}/timens_clock"), &text);
        }
        let mut held = hold(&proc, 20).unwrap();
        held.keeper = Some(File::open(proc.root()).unwrap());
        let answer = held.ask(|_, who| match who {
            Who::Pid(21) => Ok("right"),
            _ => {
                fs::remove_dir_all(proc.root().join("20")).unwrap();
                proc.process(20, HOST, HOST, 1);
                Ok("the host's")
            }
        });
        assert_eq!(answer.unwrap(), "right");
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
