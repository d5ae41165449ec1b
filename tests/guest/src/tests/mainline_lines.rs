// SPDX-License-Identifier: GPL-2.0

//! Writes to timens_offsets that have only mainline's lines: answered as mainline answers them,
//! oddities included. What is expected here comes from `timens_offsets_write()` of Linux 7.3, and
//! the tests run on an unpatched kernel, too.

use rustix::fs::{seek, SeekFrom};
use rustix::io::Errno;

use crate::failure::{check, check_eq, Context, Outcome};
use crate::namespace::Pending;
use crate::proc_file::{offsets_text, read_offsets, write, ProcFile};
use crate::runner::{tests, Setting};
use crate::sys::Ns;
use crate::task::{Gate, Task};

tests![
    accepted: mainline,
    refused: mainline,
    out_of_range: mainline,
    size_and_place: mainline,
    frozen_after_entry: mainline,
    initial_namespace: mainline,
    dead_process: mainline,
    file_is_written_twice: mainline,
];

const SEC: Ns = 1_000_000_000;
/// The largest size of a write, plus one.
const PAGE: usize = 4096;

fn accepted(_: &Setting) -> Outcome {
    // Text, how much of it is taken, and the offsets that it leaves.
    let cases: [(&str, usize, Ns, Ns); 19] = [
        ("monotonic 1 2\n", 14, SEC + 2, 0),
        ("monotonic 1 2", 13, SEC + 2, 0),
        ("boottime -1 999999999\n", 22, 0, -1),
        ("monotonic 1 0\nboottime 2 0\n", 27, SEC, 2 * SEC),
        ("boottime 2 0\nmonotonic 1 0", 26, SEC, 2 * SEC),
        // The numbers are clock ids.
        ("1 3 0\n7 4 0\n", 12, 3 * SEC, 4 * SEC),
        // The later of two.
        ("monotonic 1 0\nmonotonic 5 0\n", 28, 5 * SEC, 0),
        ("1 1 0\nmonotonic 6 0\n", 20, 6 * SEC, 0),
        // Two lines are taken.
        (
            "monotonic 1 0\nboottime 2 0\nmonotonic 9 0\n",
            27,
            SEC,
            2 * SEC,
        ),
        ("monotonic 1 0\nboottime 2 0\nnonsense\n", 27, SEC, 2 * SEC),
        ("monotonic 1 0\nboottime 2 0\n\n", 27, SEC, 2 * SEC),
        // What follows three words is nobody's business.
        ("monotonic 1 0 trailing words\n", 29, SEC, 0),
        ("monotonic 1 0\r\n", 15, SEC, 0),
        ("monotonic 1 0x\n", 15, SEC, 0),
        ("  monotonic\t \t1    0\n", 21, SEC, 0),
        // So is what follows the end of the string.
        ("monotonic 1 0\0nonsense", 22, SEC, 0),
        ("monotonic 1 0\n\0nonsense", 23, SEC, 0),
        ("monotonic 00001 00000000000002\n", 31, SEC + 2, 0),
        ("boottime 0 0\nboottime -0 5\n", 27, 0, 5),
    ];
    for (text, taken, monotonic, boottime) in cases {
        let pending = Pending::new()?;
        let written = ProcFile::Offsets.write("self", text);
        check_eq!(written, Ok(taken), "writing {text:?}");
        check_eq!(
            read_offsets("self")?,
            offsets_text(monotonic, boottime),
            "after {text:?}"
        );
        pending.detach()?;
    }
    Ok(())
}

/// Writes what has to be refused, and checks that nothing has changed.
fn refuse(text: &str, errno: Errno) -> Outcome {
    let before = read_offsets("self")?;
    let written = ProcFile::Offsets.write("self", text);
    let shown = &text[..text.len().min(60)];
    check_eq!(written, Err(errno), "writing {shown:?}");
    check_eq!(read_offsets("self")?, before, "after {shown:?}");
    Ok(())
}

fn refused(_: &Setting) -> Outcome {
    let pending = Pending::new()?;
    pending.write("monotonic 5 6\nboottime 7 8\n")?;
    let cases = [
        "\n",
        "monotonic",
        "monotonic 1",
        "monotonic x 0",
        "monotonic 1 x",
        "monotonic 1.5 0",
        "monotonic +1 0",
        "monotonic 0x1 0",
        "monotonic 1 -1",
        "monotonic 1 1000000000",
        "monotonic 1 18446744073709551615",
        "monotonic 1 0\n\nboottime 1 0\n",
        "monotonic 1 0\nboottime 1\n",
        "monotonic 1 0\nnonsense 1 0\n",
        "\nmonotonic 1 0",
        "monotonicx 1 0",
        "boottimes 1 0",
        "Monotonic 1 0",
        "mono 1 0",
        "tai 1 0",
        "realtimes 1 0",
        "rates 1 0",
        "0 1 0",
        "4 1 0",
        "11 1 0",
        "01 1 0",
    ];
    for text in cases {
        refuse(text, Errno::INVAL)?;
    }
    drop(pending);
    Ok(())
}

fn out_of_range(_: &Setting) -> Outcome {
    let _pending = Pending::new()?;
    let cases = [
        "monotonic 9223372036 0",
        "monotonic 9223372037 0",
        "monotonic -9223372037 0",
        "monotonic 4611686018 0",
        "monotonic -100000000 0",
        "boottime 4611686018 0",
        "boottime -100000000 999999999",
        "monotonic 1 0\nboottime -100000000 0",
        "boottime -100000000 0\nmonotonic 1 0",
    ];
    for text in cases {
        refuse(text, Errno::RANGE)?;
    }
    // A bit less than half of what a clock can count to.
    let written =
        ProcFile::Offsets.write("self", "monotonic 4600000000 0\nboottime 4600000000 0\n");
    check_eq!(written, Ok(45), "a large offset");
    Ok(())
}

fn size_and_place(_: &Setting) -> Outcome {
    let pending = Pending::new()?;
    let padded = |size: usize| String::from("monotonic 1 0") + &" ".repeat(size - 13);
    refuse(&padded(PAGE), Errno::INVAL)?;
    refuse(&padded(1 << 20), Errno::INVAL)?;
    check_eq!(
        ProcFile::Offsets.write("self", padded(PAGE - 1)),
        Ok(PAGE - 1),
        "a page less a byte"
    );
    check_eq!(read_offsets("self")?, offsets_text(SEC, 0), "after that");

    let file = ProcFile::Offsets
        .open("self")
        .context("opening timens_offsets")?;
    for place in [1, 20] {
        seek(&file, SeekFrom::Start(place)).context("seeking")?;
        let written = write(&file, "monotonic 2 0\n");
        check_eq!(written, Err(Errno::INVAL), "writing at {place}");
    }
    check_eq!(
        read_offsets("self")?,
        offsets_text(SEC, 0),
        "after writing elsewhere"
    );
    drop(pending);
    Ok(())
}

fn frozen_after_entry(_: &Setting) -> Outcome {
    let pending = Pending::new()?;
    pending.write("monotonic 5 0\n")?;
    Task::spawn(|| Ok(()))?.join()?;
    for text in [
        "monotonic 6 0\n",
        "boottime 1 0\n",
        "monotonic 5 0\nboottime 0 0\n",
    ] {
        refuse(text, Errno::ACCESS)?;
    }
    refuse("nonsense", Errno::INVAL)?;
    refuse("monotonic -100000000 0", Errno::RANGE)?;
    pending
        .detach()?
        .inside(|| refuse("monotonic 6 0\n", Errno::ACCESS))
}

fn initial_namespace(_: &Setting) -> Outcome {
    for text in ["monotonic 0 0\n", "boottime 1 0\n"] {
        refuse(text, Errno::ACCESS)?;
    }
    Ok(())
}

fn dead_process(_: &Setting) -> Outcome {
    let ready = Gate::new()?;
    let mut task = Task::spawn(|| {
        let _pending = Pending::new()?;
        ready.open()?;
        Gate::new()?.wait()
    })?;
    ready.wait_for(&mut task)?;
    let file = ProcFile::Offsets
        .open(task.pid())
        .context("opening timens_offsets")?;
    check_eq!(write(&file, "monotonic 1 0\n"), Ok(14), "of a live process");
    task.kill();
    check_eq!(
        write(&file, "monotonic 1 0\n"),
        Err(Errno::SRCH),
        "of a dead process"
    );
    check_eq!(
        write(&file, "nonsense\n"),
        Err(Errno::INVAL),
        "nonsense, of a dead process"
    );
    Ok(())
}

/// The position in the file does not move.
fn file_is_written_twice(_: &Setting) -> Outcome {
    let pending = Pending::new()?;
    let file = ProcFile::Offsets
        .open("self")
        .context("opening timens_offsets")?;
    for (text, offset) in [("monotonic 1 0\n", SEC), ("monotonic 2 0\n", 2 * SEC)] {
        let written = write(&file, text);
        check!(written == Ok(text.len()), "writing {text:?}: {written:?}");
        check_eq!(
            read_offsets("self")?,
            offsets_text(offset, 0),
            "after {text:?}"
        );
    }
    drop(pending);
    Ok(())
}
