// SPDX-License-Identifier: GPL-2.0

//! Where things are in the data pages: constants that the kernel's compiler has computed from the
//! kernel's headers (`layout/layout.c`), read from the object file.

use object::{Object, ObjectSection, ObjectSymbol};

use crate::Error;

/// A member of a structure, or the first element of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Bytes from the start of the structure.
    pub offset: usize,
    /// Bytes of the member, or of one element.
    pub size: usize,
}

impl Field {
    /// Element `index` of an array that starts here.
    pub fn at(self, index: usize) -> Self {
        Self {
            offset: self.offset + index * self.size,
            ..self
        }
    }

    /// `member` of a structure that starts here.
    pub fn then(self, member: Field) -> Self {
        Self {
            offset: self.offset + member.offset,
            ..member
        }
    }
}

/// Declares [`Layout`]: each name is that of a constant in `layout.c`.
macro_rules! layout {
    (values: $($value:ident)*; fields: $($field:ident)*) => {
        /// The constants of `layout.c`, by their names there.
        #[derive(Clone, Debug)]
        #[expect(missing_docs, reason = "the names are those of the kernel's structures")]
        pub struct Layout {
            $(pub $value: usize,)*
            $(pub $field: Field,)*
        }

        impl Layout {
            /// Reads the object file `bytes`.
            pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
                let file = object::File::parse(bytes)?;
                Ok(Self {
                    $($value: {
                        let [value] = words(&file, concat!("layout_", stringify!($value)))?;
                        value
                    },)*
                    $($field: {
                        let [offset, size] = words(&file, concat!("layout_", stringify!($field)))?;
                        Field { offset, size }
                    },)*
                })
            }
        }
    };
}

layout! {
    values:
        page_size data_pages time_page timens_page
        bases cs_hres_coarse cs_raw mode_none mode_tsc mode_timens
        alternative_size feature_rdtscp;
    fields:
        clock_data tz_minuteswest tz_dsttime host_sleep timens_clock
        seq clock_mode cycle_last max_cycles mask mult shift basetime base_sec base_nsec
        offset offset_sec offset_nsec
        own_seq segment segment_ref segment_mono segment_raw segment_offset
        line_lo line_hi line_rate line_reciprocal
        alternative_at alternative_with alternative_feature alternative_length
        alternative_with_length
}

/// The value of a constant that consists of `N` words.
fn words<const N: usize>(file: &object::File<'_>, name: &str) -> Result<[usize; N], Error> {
    let symbol = file
        .symbol_by_name(name)
        .ok_or_else(|| format!("the layout has no {name}"))?;
    let index = symbol
        .section_index()
        .ok_or_else(|| format!("{name} is in no section"))?;
    let section = file.section_by_index(index)?;
    let data = section
        .data_range(symbol.address(), symbol.size())?
        .filter(|data| data.len() == N * size_of::<u64>())
        .ok_or_else(|| format!("{name} does not have {N} words"))?;
    let mut words = [0; N];
    for (word, bytes) in words.iter_mut().zip(data.chunks_exact(size_of::<u64>())) {
        *word = usize::try_from(u64::from_le_bytes(bytes.try_into()?))?;
    }
    Ok(words)
}
