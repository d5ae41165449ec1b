// SPDX-License-Identifier: GPL-2.0

//! The image file, with its instructions as the kernel leaves them after booting.

use std::fs;

use object::{Object, ObjectSection, ObjectSegment, ObjectSymbol};

use crate::{
    layout::{Field, Layout},
    Error,
};

/// The bytes of an image from its first page on, and where its functions are.
#[derive(Clone, Debug)]
pub struct Elf {
    /// The bytes to be mapped, readable and executable.
    pub bytes: Vec<u8>,
    /// Offset of `clock_gettime`.
    pub clock_gettime: usize,
    /// Offset of `gettimeofday`.
    pub gettimeofday: usize,
    /// Offset of `time`.
    pub time: usize,
}

impl Elf {
    /// Reads an image from the bytes of its file, the one with all symbols.
    pub fn parse(file: &[u8], layout: &Layout) -> Result<Self, Error> {
        let file = object::File::parse(file)?;
        let segment = match file.segments().collect::<Vec<_>>().as_slice() {
            [segment] if segment.address() == 0 => segment.data()?.to_vec(),
            _ => return Err("the image is not one segment from address 0".into()),
        };
        let data = address(&file, "vdso_u_time_data")?;
        if data.wrapping_add(data_size(layout)) != 0 {
            return Err("the image does not look for its data where the layout says".into());
        }
        let function = |name| address(&file, name);
        let mut elf = Self {
            bytes: segment,
            clock_gettime: function("__vdso_clock_gettime")?,
            gettimeofday: function("__vdso_gettimeofday")?,
            time: function("__vdso_time")?,
        };
        if processor_has_rdtscp()? {
            let section = file
                .section_by_name(".altinstructions")
                .ok_or("the image has no alternative instructions")?;
            elf.use_rdtscp(section.data()?, usize::try_from(section.address())?, layout)?;
        }
        Ok(elf)
    }

    /// What apply_alternatives() of the kernel does, for the one feature by which it chooses how
    /// the counter is read. Without that the counter would be read with an instruction that waits
    /// for nothing, and everything else would look more expensive than it is.
    fn use_rdtscp(
        &mut self,
        table: &[u8],
        table_address: usize,
        layout: &Layout,
    ) -> Result<(), Error> {
        const NOP: u8 = 0x90;
        let entries = table.chunks_exact(layout.alternative_size);
        for (index, entry) in entries.enumerate() {
            let word = |field: Field| -> Result<i32, Error> {
                let bytes = &entry[field.offset..][..field.size];
                Ok(i32::from_le_bytes(bytes.try_into()?))
            };
            // The addresses are relative to the members that hold them.
            let address = |field: Field| -> Result<usize, Error> {
                let member = table_address + index * layout.alternative_size + field.offset;
                member
                    .checked_add_signed(word(field)?.try_into()?)
                    .ok_or_else(|| "an alternative points out of the image".into())
            };
            if usize::try_from(word(layout.alternative_feature)?) != Ok(layout.feature_rdtscp) {
                continue;
            }
            let length = usize::from(entry[layout.alternative_length.offset]);
            let with_length = usize::from(entry[layout.alternative_with_length.offset]);
            let with = address(layout.alternative_with)?;
            let new = self
                .bytes
                .get(with..with + with_length)
                .ok_or("a replacement lies outside of the image")?
                .to_vec();
            let at = address(layout.alternative_at)?;
            let old = self
                .bytes
                .get_mut(at..at + length)
                .filter(|old| old.len() >= new.len())
                .ok_or("a replacement does not fit")?;
            old.fill(NOP);
            old[..new.len()].copy_from_slice(&new);
        }
        Ok(())
    }
}

/// Bytes that the data pages take before the image.
pub fn data_size(layout: &Layout) -> usize {
    layout.data_pages * layout.page_size
}

fn address(file: &object::File<'_>, name: &str) -> Result<usize, Error> {
    let symbol = file
        .symbol_by_name(name)
        .ok_or_else(|| format!("the image has no {name}"))?;
    Ok(usize::try_from(symbol.address())?)
}

fn processor_has_rdtscp() -> Result<bool, Error> {
    let text = fs::read_to_string("/proc/cpuinfo")?;
    let flags = text.lines().find(|line| line.starts_with("flags"));
    Ok(flags.is_some_and(|flags| flags.split_whitespace().any(|flag| flag == "rdtscp")))
}
