//! A HID report descriptor: which usage is where in an input report. Pure.
//!
//! ```text
//! item   bSize 1..0, bType 3..2, bTag 7..4, then 0, 1, 2 or 4 bytes (LE)      FE size tag data: a long item
//! main   80 Input, 90 Output, B0 Feature, A0 Collection, C0 End Collection
//! global 04 Usage Page, 74 Report Size, 84 Report ID, 94 Report Count, A4 Push, B4 Pop
//! local  08 Usage, 18 Usage Minimum, 28 Usage Maximum
//! ```
//!
//! A report of a device that numbers its reports begins with its number. A field with fewer usages than
//! elements gives its last usage to the rest.
//!
//! Source: Device Class Definition for HID 1.11, sections 6.2.2 and 8; the kernel's `drivers/hid/hid-core.c`
//! for a usage page that comes after its usages.
//!
//! Promises: never panics; no field reaches past its report; at most [`FIELDS_MAX`] fields are kept.
//! Never: knows what a usage means.

use std::{collections::BTreeMap, ops::Range};

/// `HID_MAX_DESCRIPTOR_SIZE` of `linux/hid.h`.
pub const DESCRIPTOR_BYTES_MAX: usize = 4096;

/// `HID_MAX_BUFFER_SIZE` of `linux/hid.h`: no report is longer, its number included.
pub const REPORT_BYTES_MAX: usize = 16_384;

/// No device that is driven here has so many.
pub const FIELDS_MAX: usize = 512;

/// Usages of one field, and pushed states, at most.
const USAGES_MAX: usize = 256;
const PUSHED_MAX: usize = 16;

/// Some elements of an input report that have one usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// The number of its report; 0 on a device that does not number them.
    pub report: u8,
    /// Usage page in the high, usage in the low half.
    pub usage: u32,
    /// Where it begins, counted from behind the report's number.
    pub first_bit: u32,
    /// The size of an element.
    pub bits: u32,
    /// How many elements.
    pub count: u32,
}

/// What a device says of its input reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReportDescriptor {
    fields: Vec<Field>,
    /// Bits of each report by its number.
    lengths: BTreeMap<u8, u32>,
    applications: Vec<u32>,
    numbered: bool,
}

/// Bytes that are no report descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DescriptorError {
    /// An item is cut short.
    #[error("a report descriptor is cut short")]
    Short,
    /// More fields, usages or bits than any device has.
    #[error("a report descriptor describes more than a device has")]
    TooMuch,
    /// A Pop without its Push, or a report number 0.
    #[error("a report descriptor contradicts itself")]
    Shape,
}

/// Global items, which hold until changed.
#[derive(Clone, Copy, Default)]
struct Global {
    page: u32,
    size: u32,
    count: u32,
    report: u8,
}

/// Local items, which hold until the next main item; a usage below `0x1_0000` lacks its page.
#[derive(Default)]
struct Local {
    usages: Vec<u32>,
    first: Option<u32>,
}

const LONG_ITEM: u8 = 0xFE;
const APPLICATION: u32 = 1;
/// Bit 0 of Input: padding.
const CONSTANT: u32 = 1;

impl ReportDescriptor {
    /// Reads a descriptor.
    ///
    /// # Errors
    /// See [`DescriptorError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, DescriptorError> {
        let (mut found, mut global, mut local) = (Self::default(), Global::default(), Local::default());
        let (mut pushed, mut rest) = (Vec::new(), bytes.get(..DESCRIPTOR_BYTES_MAX).unwrap_or(bytes));
        while let Some((&prefix, after)) = rest.split_first() {
            if prefix == LONG_ITEM {
                let length = after.first().ok_or(DescriptorError::Short)?;
                rest = after.get(2 + usize::from(*length)..).ok_or(DescriptorError::Short)?;
                continue;
            }
            let length = [0, 1, 2, 4].get(usize::from(prefix & 3)).copied().unwrap_or_default();
            let (data, after) = after.split_at_checked(length).ok_or(DescriptorError::Short)?;
            rest = after;
            let value = data.iter().rev().fold(0_u32, |value, byte| value << 8 | u32::from(*byte));
            match prefix & 0xFC {
                0x80 => {
                    found.input(global, &local, value)?;
                    local = Local::default();
                }
                0xA0 => {
                    if value == APPLICATION
                        && let Some(usage) = local.usages.first()
                    {
                        found.applications.push(whole(*usage, global.page));
                    }
                    local = Local::default();
                }
                0x90 | 0xB0 | 0xC0 => local = Local::default(),
                0x04 => global.page = value & 0xFFFF,
                0x74 => global.size = value,
                0x94 => global.count = value,
                0x84 => {
                    let number = u8::try_from(value).ok().filter(|number| *number != 0);
                    global.report = number.ok_or(DescriptorError::Shape)?;
                    found.numbered = true;
                }
                0xA4 if pushed.len() < PUSHED_MAX => pushed.push(global),
                0xA4 => return Err(DescriptorError::TooMuch),
                0xB4 => global = pushed.pop().ok_or(DescriptorError::Shape)?,
                0x08 => local.add(value)?,
                0x18 => local.first = Some(value),
                0x28 => local.range(value)?,
                _ => {}
            }
        }
        Ok(found)
    }

    /// Adds the fields of an Input item.
    fn input(&mut self, global: Global, local: &Local, flags: u32) -> Result<(), DescriptorError> {
        let Global { page, size, count, report } = global;
        let begin = self.lengths.entry(report).or_default();
        let mut first_bit = *begin;
        let bits = size.checked_mul(count).and_then(|bits| first_bit.checked_add(bits));
        let end = bits.filter(|bits| bytes_of(*bits) < REPORT_BYTES_MAX).ok_or(DescriptorError::TooMuch)?;
        *begin = end;
        if flags & CONSTANT != 0 || size == 0 {
            return Ok(());
        }
        let mut left = count;
        for (n, usage) in local.usages.iter().enumerate() {
            let last = n + 1 == local.usages.len();
            let count = if last { left } else { left.min(1) };
            if count == 0 {
                break;
            }
            if self.fields.len() >= FIELDS_MAX {
                return Err(DescriptorError::TooMuch);
            }
            self.fields.push(Field { report, usage: whole(*usage, page), first_bit, bits: size, count });
            left -= count;
            first_bit += size * count;
        }
        Ok(())
    }

    /// Whether an application collection has this usage.
    #[must_use]
    pub fn is(&self, application: u32) -> bool {
        self.applications.contains(&application)
    }

    /// The first field of this usage.
    #[must_use]
    pub fn find(&self, usage: u32) -> Option<&Field> {
        self.fields.iter().find(|field| field.usage == usage)
    }

    /// Every field, in order.
    #[must_use]
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Whether a report begins with its number.
    #[must_use]
    pub fn numbered(&self) -> bool {
        self.numbered
    }

    /// How many bytes the report of this number has, the number itself included.
    #[must_use]
    pub fn report_bytes(&self, report: u8) -> Option<usize> {
        self.lengths.get(&report).map(|bits| bytes_of(*bits) + usize::from(self.numbered))
    }

    /// Which bytes of its report a field has, when its elements are whole bytes.
    #[must_use]
    pub fn bytes(&self, field: &Field) -> Option<Range<usize>> {
        if field.bits != 8 || !field.first_bit.is_multiple_of(8) {
            return None;
        }
        let begin = bytes_of(field.first_bit) + usize::from(self.numbered);
        Some(begin..begin + usize::try_from(field.count).ok()?)
    }
}

impl Local {
    fn add(&mut self, usage: u32) -> Result<(), DescriptorError> {
        if self.usages.len() >= USAGES_MAX {
            return Err(DescriptorError::TooMuch);
        }
        self.usages.push(usage);
        Ok(())
    }

    fn range(&mut self, last: u32) -> Result<(), DescriptorError> {
        let first = self.first.take().unwrap_or(last);
        // The last usage of a range goes for what is left over, as one alone would.
        let most = u32::try_from(USAGES_MAX).unwrap_or(u32::MAX);
        if last.checked_sub(first).is_none_or(|more| more >= most) {
            return Err(DescriptorError::TooMuch);
        }
        (first..=last).try_for_each(|usage| self.add(usage))
    }
}

fn whole(usage: u32, page: u32) -> u32 {
    if usage > 0xFFFF { usage } else { page << 16 | usage }
}

fn bytes_of(bits: u32) -> usize {
    usize::try_from(bits.div_ceil(8)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A mouse, HID 1.11 appendix E.10, with a report number.
    const MOUSE: &[u8] = &[
        0x05, 0x01, 0x09, 0x02, 0xA1, 0x01, 0x85, 0x07, 0x09, 0x01, 0xA1, 0x00, 0x05, 0x09, 0x19, 0x01, 0x29,
        0x03, 0x15, 0x00, 0x25, 0x01, 0x95, 0x03, 0x75, 0x01, 0x81, 0x02, 0x95, 0x01, 0x75, 0x05, 0x81, 0x01,
        0x05, 0x01, 0x09, 0x30, 0x09, 0x31, 0x15, 0x81, 0x25, 0x7F, 0x75, 0x08, 0x95, 0x02, 0x81, 0x06, 0xC0,
        0xC0,
    ];

    fn field(usage: u32, first_bit: u32, bits: u32, count: u32) -> Field {
        Field { report: 7, usage, first_bit, bits, count }
    }

    #[test]
    fn the_mouse_of_the_standard_is_read() {
        let mouse = ReportDescriptor::parse(MOUSE).unwrap();
        assert!(mouse.is(0x1_0002) && !mouse.is(0x1_0001) && mouse.numbered());
        assert_eq!(mouse.find(0x9_0003), Some(&field(0x9_0003, 2, 1, 1)));
        let y = *mouse.find(0x1_0031).unwrap();
        assert_eq!(y, field(0x1_0031, 16, 8, 1));
        assert_eq!((mouse.report_bytes(7), mouse.report_bytes(0)), (Some(4), None));
        assert_eq!((mouse.bytes(&y), mouse.bytes(&field(0, 2, 1, 1))), (Some(3..4), None));
    }

    #[test]
    fn the_last_usage_goes_for_the_rest_and_a_late_page_counts() {
        let bytes = [0x09, 0x20, 0x09, 0x30, 0x06, 0x00, 0xFF, 0x75, 8, 0x95, 5, 0x81, 2, 0xC0];
        let found = ReportDescriptor::parse(&bytes).unwrap();
        let here = |usage, first_bit, count| Field { report: 0, usage, first_bit, bits: 8, count };
        assert_eq!(found.fields(), [here(0xFF00_0020, 0, 1), here(0xFF00_0030, 8, 4)]);
        assert_eq!(found.report_bytes(0), Some(5));
    }

    #[test]
    fn what_no_device_has_is_refused() {
        let refused = |bytes: &[u8]| ReportDescriptor::parse(bytes).unwrap_err();
        assert_eq!(refused(&[0x06, 0x00]), DescriptorError::Short);
        assert_eq!(refused(&[0xFE, 2, 0, 1]), DescriptorError::Short);
        assert_eq!(refused(&[0xB4]), DescriptorError::Shape);
        assert_eq!(refused(&[0x85, 0]), DescriptorError::Shape);
        assert_eq!(refused(&[0x75, 8, 0x96, 0, 0x40, 0x81, 2]), DescriptorError::TooMuch);
        assert_eq!(
            refused(&[0x77, 255, 255, 255, 255, 0x97, 255, 255, 255, 255, 0x81, 2]),
            DescriptorError::TooMuch
        );
        assert_eq!(refused(&[0x19, 0, 0x2A, 0, 2]), DescriptorError::TooMuch);
        assert_eq!(refused(&[0xA4; 17]), DescriptorError::TooMuch);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived_and_no_field_leaves_its_report(
            bytes in prop::collection::vec(prop_oneof![prop::sample::select(MOUSE), any::<u8>()], 0..120),
        ) {
            if let Ok(found) = ReportDescriptor::parse(&bytes) {
                prop_assert!(found.fields().len() <= FIELDS_MAX);
                for field in found.fields() {
                    let length = found.report_bytes(field.report).unwrap();
                    prop_assert!(length <= REPORT_BYTES_MAX);
                    prop_assert!(bytes_of(field.first_bit + field.bits * field.count) <= length);
                    prop_assert!(found.bytes(field).is_none_or(|bytes| bytes.end <= length));
                }
            }
        }

        #[test]
        fn a_cut_descriptor_is_survived(cut in 0..MOUSE.len()) {
            let whole = ReportDescriptor::parse(MOUSE).unwrap();
            if let Ok(found) = ReportDescriptor::parse(&MOUSE[..cut]) {
                prop_assert!(found.fields().len() <= whole.fields().len());
            }
        }
    }
}
