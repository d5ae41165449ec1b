// SPDX-License-Identifier: GPL-2.0

//! What can go wrong, and what to do about it.

use crate::clock::{ClockError, Request};
use crate::namespace::Inode;
use crate::ntp::NoLine;
use crate::procfs::Who;
use crate::rate::Rate;
use crate::saved::SavedError;
use crate::sys::NewNamespace;
use crate::when::WhenError;
use jiff::SignedDuration;
use rustix::io::Errno;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

/// Anything that ends a command of this program early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// There is no /proc.
    #[error("/proc is not mounted")]
    NoProcfs,
    /// The kernel was built without time namespaces.
    #[error("this kernel has no time namespaces")]
    NoTimeNamespaces,
    /// The kernel does not have the project's patches.
    #[error("this kernel's time namespaces cannot have clocks of their own")]
    NoPatch,
    /// The kernel does, but the module is not there.
    #[error("the kernel module timens_clock is not loaded")]
    NoModule,
    /// No such process, or no longer.
    #[error("there is no process {0}")]
    NoSuchProcess(Who),
    /// Somebody else's process.
    #[error("not permitted to look at the namespaces of process {0}")]
    LookNotPermitted(Who),
    /// Somebody else's clock.
    #[error("not permitted to set that clock")]
    SetNotPermitted,
    /// No capability to create a time namespace.
    #[error("not permitted to create a time namespace")]
    CreateNotPermitted,
    /// `--user`, where unprivileged users have no user namespaces.
    #[error("not permitted to create a user namespace")]
    UserNamespacesDisabled,
    /// `--user`, where they have them, but without capabilities.
    #[error("not permitted to act as root in the new user namespace")]
    UserNamespaceRestricted,
    /// The user has too many namespaces.
    #[error("there are too many time namespaces")]
    TooManyTimeNamespaces,
    /// The user has too many user namespaces.
    #[error("there are too many user namespaces")]
    TooManyUserNamespaces,
    /// The clock cannot be read or set from outside its namespace, nor that be entered.
    #[error("not permitted to enter the time namespace {}", .0.display())]
    EnterNotPermitted(PathBuf),
    /// The clock of the machine.
    #[error("that is the host's own time namespace")]
    HostNamespace,
    /// A namespace that has no clock, where one is needed.
    #[error("that time namespace has no clock of its own")]
    PlainNamespace,
    /// A namespace that has no clock, and can get none any more.
    #[error("that time namespace is in use without a clock of its own")]
    AlreadyEntered,
    /// A clock that runs, where a frozen one is needed.
    #[error("that clock is not frozen: its rate is {0}")]
    NotFrozen(Rate),
    /// A frozen clock, which was to be frozen.
    #[error("that clock is frozen already")]
    AlreadyFrozen,
    /// A rate that somebody has set while this program was to.
    #[error("somebody else has set the rate: it is left at {0}")]
    RateTaken(Rate),
    /// What could not be set back.
    #[error("left as it is: {what}: {error}")]
    LeftOff {
        /// What it is, and how far it is off.
        what: String,
        /// Why.
        error: Box<Error>,
    },
    /// A frozen clock, where one is needed that runs.
    #[error("that clock is frozen")]
    Frozen,
    /// A slew that was waited for, and that a step has called off.
    #[error("the slew has been called off: somebody has set the date meanwhile")]
    SlewCalledOff,
    /// A slew that would be none.
    #[error("a slew is at least a microsecond; 0 ends one that is under way")]
    SlewTooSmall,
    /// A namespace that everybody has left while it was changed.
    #[error("no process is left in {0}")]
    NobodyLeft(Inode),
    /// A kernel whose clocks cannot be disciplined from inside.
    #[error("this kernel's clocks have no discipline of their own: no line '{0}' in timens_clock")]
    NoDiscipline(&'static str),
    /// The kernel did not let a clock be disciplined.
    #[error("the kernel refused to discipline that clock: {0}")]
    Adjtimex(Errno),
    /// A clock that could not be restored.
    #[error("that clock cannot be saved: {0}")]
    Unsavable(SavedError),
    /// A file that `timens save` has not written, or that somebody has changed.
    #[error("{}: {error}", .path.display())]
    Saved {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: SavedError,
    },
    /// The host's date is before the one at which a clock was saved.
    #[error("the host's date is {0:#} before that of the save")]
    SavedInFuture(SignedDuration),
    /// A file that is no time namespace.
    #[error("{} is not a time namespace", .0.display())]
    NotATimeNamespace(PathBuf),
    /// A clock would leave its range.
    #[error("a clock would be out of range with '{}'", one_line(.0))]
    OutOfRange(Request),
    /// The kernel could not make a clock.
    #[error("there is no memory for that clock")]
    NoMemory,
    /// The kernel refused a request for a reason that the interface does not have.
    #[error("the kernel refused '{}': {errno}", one_line(.request))]
    Refused {
        /// What it refused.
        request: Request,
        /// What it answered.
        errno: Errno,
    },
    /// The kernel took a part of a request only.
    #[error("the kernel took {taken} bytes only of '{}'", one_line(.request))]
    TakenInPart {
        /// What it was asked.
        request: Request,
        /// How much of it the kernel took.
        taken: usize,
    },
    /// The state of a clock does not read as this program knows it.
    #[error("{}: {error}", .path.display())]
    Unreadable {
        /// The file of the state.
        path: PathBuf,
        /// What is wrong with it.
        error: ClockError,
    },
    /// An impossible date or duration.
    #[error(transparent)]
    When(#[from] WhenError),
    /// The command could not be executed.
    #[error("{}: {error}", .command.to_string_lossy())]
    Exec {
        /// The command.
        command: OsString,
        /// Why.
        error: io::Error,
    },
    /// Standard output.
    #[error("standard output: {0}")]
    Output(io::Error),
    /// Anything else with a file or a system call.
    #[error("{what}: {error}")]
    System {
        /// The file or the system call.
        what: String,
        /// What went wrong with it.
        error: io::Error,
    },
}

fn one_line(request: &Request) -> String {
    request.to_string().trim_end().replace('\n', "; ")
}

impl Error {
    /// What the user can do, when that is not plain from the message.
    pub(crate) fn advice(&self) -> Option<&'static str> {
        Some(match self {
            Error::NoProcfs => "mount it: mount -t proc proc /proc",
            Error::NoTimeNamespaces => "it needs CONFIG_TIME_NS=y and CONFIG_TIME_NS_CLOCK=y",
            Error::NoPatch => {
                "boot a kernel with the timens_clock patches and CONFIG_TIME_NS_CLOCK=y \
                 (such a kernel has the file /proc/self/timens_clock)"
            }
            Error::NoModule => "load it, as root: modprobe timens_clock, or insmod where it was built",
            Error::LookNotPermitted(_) => {
                "only the owner of a process, and root, can see which namespaces it is in"
            }
            Error::SetNotPermitted => {
                "it needs CAP_SYS_TIME in the user namespace that owns the time namespace: \
                 be the user who created it (timens run --user), or root"
            }
            Error::CreateNotPermitted => {
                "it needs CAP_SYS_ADMIN: be root, or create a user namespace with it: \
                 timens run --user"
            }
            Error::UserNamespacesDisabled => {
                "an administrator has disabled user namespaces for unprivileged users \
                 (sysctl kernel.unprivileged_userns_clone), or this is a chroot: be root and leave \
                 out --user"
            }
            Error::UserNamespaceRestricted => {
                "a security policy takes the capabilities in new user namespaces away (on Ubuntu, \
                 sysctl kernel.apparmor_restrict_unprivileged_userns): be root and leave out --user"
            }
            Error::TooManyTimeNamespaces => {
                "the limit is the sysctl user.max_time_namespaces; timens list shows who uses them"
            }
            Error::TooManyUserNamespaces => {
                "the limit is the sysctl user.max_user_namespaces; 0 disables user namespaces"
            }
            Error::EnterNotPermitted(_) => {
                "its clock can only be reached from inside, and entering it needs CAP_SYS_ADMIN in \
                 the user namespace that owns it: be root"
            }
            Error::HostNamespace => {
                "timens never touches the host's clock: name a process in another namespace \
                 (timens list shows them)"
            }
            Error::PlainNamespace => {
                "start the program with timens run, which gives its namespace a clock"
            }
            Error::AlreadyEntered => {
                "a namespace gets its clock before the first process enters it, or never: start \
                 the program with timens run"
            }
            Error::Frozen => "let it go on first: timens thaw",
            Error::AlreadyFrozen => "the rate from before is what the first timens freeze printed",
            Error::NoDiscipline(_) => {
                "boot a kernel, and load a module timens_clock, with adjtimex(2) in time namespaces; \
                 on this one it would act on the host's clock"
            }
            Error::Unsavable(_) => {
                "timens restore could not set such a clock: no date beyond 2116-02-20 23:53:38 UTC, \
                 for example, which can only be set from inside"
            }
            Error::Saved {
                error: SavedError::Version(_),
                ..
            } => return None,
            Error::Saved { .. } => "a saved clock is what timens save has written",
            Error::LeftOff { error, .. } => return error.advice(),
            Error::SavedInFuture(_) => {
                "set the host's date right, or leave out --elapsed: then the clocks go on where \
                 they were"
            }
            Error::NotFrozen(_) => "to change the rate of a running clock, use timens set --rate",
            Error::NotATimeNamespace(_) => {
                "name a process by its number, or a file such as /proc/PID/ns/time or a bind mount \
                 of one"
            }
            Error::OutOfRange(_) => {
                "no clock may start below zero, nor beyond 146 years; CLOCK_MONOTONIC and \
                 CLOCK_BOOTTIME count from the start of the machine (see /proc/uptime)"
            }
            Error::NoMemory => {
                "it is charged to the control group that timens is in: give that more (memory.max)"
            }
            Error::Refused { .. } | Error::TakenInPart { .. } | Error::Unreadable { .. } => {
                "timens and the kernel's timens_clock may be of different versions"
            }
            Error::NoSuchProcess(_)
            | Error::NobodyLeft(_)
            | Error::RateTaken(_)
            | Error::SlewCalledOff
            | Error::SlewTooSmall
            | Error::Adjtimex(_)
            | Error::When(_)
            | Error::Exec { .. }
            | Error::Output(_)
            | Error::System { .. } => return None,
        })
    }

    /// An error of a file or a system call that has no meaning of its own here.
    pub(crate) fn system(what: impl Into<String>, error: impl Into<io::Error>) -> Error {
        Error::System {
            what: what.into(),
            error: error.into(),
        }
    }

    /// What it means that a namespace could not be made.
    pub(crate) fn from_unshare(
        namespace: NewNamespace,
        in_user_namespace: bool,
        errno: Errno,
    ) -> Error {
        match (namespace, errno) {
            (NewNamespace::User, Errno::PERM) => Error::UserNamespacesDisabled,
            (NewNamespace::User, Errno::NOSPC | Errno::USERS) => Error::TooManyUserNamespaces,
            (NewNamespace::Time, Errno::PERM) if in_user_namespace => {
                Error::UserNamespaceRestricted
            }
            (NewNamespace::Time, Errno::PERM) => Error::CreateNotPermitted,
            (NewNamespace::Time, Errno::NOSPC) => Error::TooManyTimeNamespaces,
            (NewNamespace::Time, Errno::INVAL) => Error::NoTimeNamespaces,
            (NewNamespace::User, _) => Error::system("unshare a user namespace", errno),
            (NewNamespace::Time, _) => Error::system("unshare a time namespace", errno),
        }
    }

    /// What it means that the kernel refused a request written to a file of `who`.
    pub(crate) fn from_request(who: Who, request: &Request, errno: Errno) -> Error {
        match errno {
            Errno::OPNOTSUPP => Error::NoModule,
            Errno::PERM => Error::SetNotPermitted,
            Errno::RANGE => Error::OutOfRange(*request),
            Errno::ACCESS => Error::AlreadyEntered,
            Errno::NOMEM => Error::NoMemory,
            Errno::SRCH => Error::NoSuchProcess(who),
            _ => Error::Refused {
                request: *request,
                errno,
            },
        }
    }

    /// What it means that the clock of the namespace that this process is in was not disciplined.
    pub(crate) fn from_adjtimex(errno: Errno) -> Error {
        match errno {
            Errno::PERM => Error::SetNotPermitted,
            _ => Error::Adjtimex(errno),
        }
    }

    /// What it means that the namespace file `link` could not be entered.
    pub(crate) fn from_setns(link: PathBuf, errno: Errno) -> Error {
        match errno {
            Errno::INVAL => Error::NotATimeNamespace(link),
            Errno::PERM => Error::EnterNotPermitted(link),
            _ => Error::system(format!("enter {}", link.display()), errno),
        }
    }
}

impl From<NoLine> for Error {
    fn from(missing: NoLine) -> Error {
        Error::NoDiscipline(missing.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offset::Offset;

    const WHO: Who = Who::Pid(7);

    fn from_request(errno: Errno) -> Error {
        Error::from_request(WHO, &Request::rate(Rate::FROZEN), errno)
    }

    #[test]
    fn each_answer_to_a_request_has_its_meaning() {
        assert!(matches!(from_request(Errno::OPNOTSUPP), Error::NoModule));
        assert!(matches!(from_request(Errno::PERM), Error::SetNotPermitted));
        assert!(matches!(from_request(Errno::RANGE), Error::OutOfRange(_)));
        assert!(matches!(from_request(Errno::ACCESS), Error::AlreadyEntered));
        assert!(matches!(from_request(Errno::NOMEM), Error::NoMemory));
        assert!(matches!(
            from_request(Errno::SRCH),
            Error::NoSuchProcess(WHO)
        ));
        let refused = from_request(Errno::INVAL);
        assert!(matches!(
            refused,
            Error::Refused {
                errno: Errno::INVAL,
                ..
            }
        ));
    }

    #[test]
    fn each_failure_to_make_a_namespace_has_its_meaning() {
        use NewNamespace::{Time, User};
        let time = |errno| Error::from_unshare(Time, false, errno);
        assert!(matches!(time(Errno::PERM), Error::CreateNotPermitted));
        assert!(matches!(time(Errno::NOSPC), Error::TooManyTimeNamespaces));
        assert!(matches!(time(Errno::INVAL), Error::NoTimeNamespaces));
        assert!(matches!(time(Errno::NOMEM), Error::System { .. }));
        let inside = Error::from_unshare(Time, true, Errno::PERM);
        assert!(matches!(inside, Error::UserNamespaceRestricted));
        let user = |errno| Error::from_unshare(User, false, errno);
        assert!(matches!(user(Errno::PERM), Error::UserNamespacesDisabled));
        assert!(matches!(user(Errno::NOSPC), Error::TooManyUserNamespaces));
        assert!(matches!(user(Errno::INVAL), Error::System { .. }));
    }

    #[test]
    fn each_failure_to_enter_a_namespace_has_its_meaning() {
        let setns = |errno| Error::from_setns("/x".into(), errno);
        assert!(matches!(setns(Errno::INVAL), Error::NotATimeNamespace(_)));
        assert!(matches!(setns(Errno::PERM), Error::EnterNotPermitted(_)));
        assert!(matches!(setns(Errno::USERS), Error::System { .. }));
    }

    #[test]
    fn each_failure_to_discipline_a_clock_has_its_meaning() {
        let from = Error::from_adjtimex;
        assert!(matches!(from(Errno::PERM), Error::SetNotPermitted));
        assert!(matches!(from(Errno::INVAL), Error::Adjtimex(Errno::INVAL)));
    }

    #[test]
    fn a_message_names_what_was_asked_on_one_line() {
        let request = Request {
            monotonic: Offset::new(-5, 0),
            ..Request::rate(Rate::ONE)
        };
        assert_eq!(
            Error::from_request(WHO, &request, Errno::RANGE).to_string(),
            "a clock would be out of range with 'monotonic -5 0; rate 1 0'"
        );
    }

    #[test]
    fn durations_are_told_as_they_are_asked_for() {
        let error = Error::SavedInFuture(SignedDuration::from_millis(90_500));
        let message = error.to_string();
        assert!(message.contains("1m 30s 500ms"), "{message}");
    }

    #[test]
    fn advice_says_which_command_helps() {
        let advice = |error: Error| error.advice().unwrap();
        assert!(advice(Error::NoModule).contains("modprobe timens_clock"));
        assert!(advice(Error::NoPatch).contains("CONFIG_TIME_NS_CLOCK"));
        assert!(advice(Error::CreateNotPermitted).contains("--user"));
        assert!(advice(Error::SetNotPermitted).contains("CAP_SYS_TIME"));
        assert!(advice(Error::TooManyTimeNamespaces).contains("user.max_time_namespaces"));
        assert!(advice(Error::UserNamespacesDisabled).contains("unprivileged_userns_clone"));
        assert!(Error::NoSuchProcess(WHO).advice().is_none());
        let left = Error::LeftOff {
            what: "the date".into(),
            error: Error::NoModule.into(),
        };
        assert!(advice(left).contains("modprobe"));
        let newer = Error::Saved {
            path: "f".into(),
            error: SavedError::Version(2),
        };
        assert!(newer.advice().is_none());
    }
}
