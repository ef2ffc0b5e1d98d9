//! A TrueType font cut down to the glyphs that a document shows.
//!
//! Glyph ids stay what they are, so nothing that refers to them changes: an outline that is not shown
//! becomes empty and its metrics zero, which compress to almost nothing. What only shaping needs is left
//! out. The result is one sfnt (ISO/IEC 14496-22, section 4): a directory, then the tables on four bytes,
//! with `loca` always in its long form.
//!
//! Promises: reads fonts as bytes from strangers; what it does not understand gives `None`, never a panic.
//! Never: touches `CFF ` outlines or collections.

use std::collections::BTreeSet;

/// What a PDF needs (ISO 32000-1, 9.9) and what hints need; in the order of the directory.
const KEPT: [&[u8; 4]; 10] =
    [b"OS/2", b"cvt ", b"fpgm", b"glyf", b"head", b"hhea", b"hmtx", b"loca", b"maxp", b"prep"];
const RECORD_BYTES: usize = 16;
const HEADER_BYTES: usize = 12;

/// `font` with only the outlines of `shown` and of what they are composed of; `None` when it is not a
/// TrueType font with `glyf` outlines.
pub(super) fn subset(font: &[u8], shown: &BTreeSet<u16>) -> Option<Vec<u8>> {
    let source = Outlines::open(font)?;
    let kept = source.closure(shown);
    let (glyf, loca) = source.rebuilt(&kept);
    let tables = KEPT.iter().filter_map(|tag| {
        let body = match *tag {
            b"glyf" => glyf.clone(),
            b"loca" => loca.clone(),
            b"head" => with_long_loca(table(font, tag)?),
            b"hmtx" => metrics(font, &kept)?,
            _ => table(font, tag)?.to_vec(),
        };
        Some((*tag, body))
    });
    assemble(&tables.collect::<Vec<_>>())
}

struct Outlines<'a> {
    glyf: &'a [u8],
    loca: &'a [u8],
    long: bool,
    count: u16,
}

impl<'a> Outlines<'a> {
    fn open(font: &'a [u8]) -> Option<Self> {
        let long = u16_at(table(font, b"head")?, 50)? != 0;
        let count = u16_at(table(font, b"maxp")?, 4)?;
        Some(Self { glyf: table(font, b"glyf")?, loca: table(font, b"loca")?, long, count })
    }

    fn offset(&self, index: usize) -> Option<usize> {
        if self.long {
            size_at(self.loca, index * 4)
        } else {
            Some(usize::from(u16_at(self.loca, index * 2)?) * 2)
        }
    }

    fn get(&self, glyph: u16) -> Option<&'a [u8]> {
        let index = usize::from(glyph);
        self.glyf.get(self.offset(index)?..self.offset(index + 1)?)
    }

    /// `shown`, `.notdef` and every component of a composite glyph.
    fn closure(&self, shown: &BTreeSet<u16>) -> BTreeSet<u16> {
        let mut kept = BTreeSet::new();
        let mut open: Vec<u16> = shown.iter().copied().chain([0]).collect();
        while let Some(glyph) = open.pop() {
            if glyph < self.count && kept.insert(glyph) {
                open.extend(self.get(glyph).into_iter().flat_map(components));
            }
        }
        kept
    }

    /// `glyf` and a long `loca` for the glyphs of `kept`.
    fn rebuilt(&self, kept: &BTreeSet<u16>) -> (Vec<u8>, Vec<u8>) {
        let (mut glyf, mut loca) = (Vec::new(), Vec::new());
        for glyph in 0..self.count {
            push_u32(&mut loca, glyf.len());
            if kept.contains(&glyph) {
                glyf.extend_from_slice(self.get(glyph).unwrap_or_default());
                pad(&mut glyf);
            }
        }
        push_u32(&mut loca, glyf.len());
        (glyf, loca)
    }
}

/// The glyphs a composite glyph is made of (`glyf`, "Composite glyph description").
fn components(outline: &[u8]) -> Vec<u16> {
    const WORDS: u16 = 0x0001;
    const SCALE: u16 = 0x0008;
    const MORE: u16 = 0x0020;
    const X_AND_Y_SCALE: u16 = 0x0040;
    const TWO_BY_TWO: u16 = 0x0080;
    let mut found = Vec::new();
    let mut at = 10;
    let composite = u16_at(outline, 0).is_some_and(|contours| contours & 0x8000 != 0);
    while composite && let (Some(flags), Some(glyph)) = (u16_at(outline, at), u16_at(outline, at + 2)) {
        found.push(glyph);
        let extra = [(WORDS, 2), (SCALE, 2), (X_AND_Y_SCALE, 4), (TWO_BY_TWO, 8)];
        at += 6 + extra.iter().filter(|(flag, _)| flags & flag != 0).map(|(_, bytes)| bytes).sum::<usize>();
        if flags & MORE == 0 {
            break;
        }
    }
    found
}

/// `head` that says `loca` is long.
fn with_long_loca(head: &[u8]) -> Vec<u8> {
    head.iter()
        .enumerate()
        .map(|(at, &byte)| {
            if at == 50 {
                0
            } else if at == 51 {
                1
            } else {
                byte
            }
        })
        .collect()
}

/// `hmtx` with zeros for what is not kept; the last advance stays, the glyphs after it share it.
fn metrics(font: &[u8], kept: &BTreeSet<u16>) -> Option<Vec<u8>> {
    let advances = usize::from(u16_at(table(font, b"hhea")?, 34)?);
    let mut hmtx = table(font, b"hmtx")?.to_vec();
    let (full, bearings) = hmtx.split_at_mut_checked(advances.checked_mul(4)?)?;
    let last = advances.checked_sub(1)?;
    for (index, entry) in full.chunks_mut(4).enumerate() {
        if index != last && !u16::try_from(index).is_ok_and(|glyph| kept.contains(&glyph)) {
            entry.fill(0);
        }
    }
    for (index, entry) in bearings.chunks_mut(2).enumerate() {
        if !u16::try_from(advances + index).is_ok_and(|glyph| kept.contains(&glyph)) {
            entry.fill(0);
        }
    }
    Some(hmtx)
}

fn assemble(tables: &[(&[u8; 4], Vec<u8>)]) -> Option<Vec<u8>> {
    let count = u16::try_from(tables.len()).ok()?;
    let selector = u16::try_from(count.checked_ilog2()?).ok()?;
    let range = (1_u16 << selector) * 16;
    let mut font = vec![0, 1, 0, 0];
    for value in [count, range, selector, count * 16 - range] {
        font.extend(value.to_be_bytes());
    }
    let mut body = Vec::new();
    let start = HEADER_BYTES + RECORD_BYTES * tables.len();
    for (tag, table) in tables {
        font.extend_from_slice(*tag);
        font.extend(checksum(table).to_be_bytes());
        push_u32(&mut font, start + body.len());
        push_u32(&mut font, table.len());
        body.extend_from_slice(table);
        pad(&mut body);
    }
    font.extend(body);
    Some(font)
}

fn checksum(table: &[u8]) -> u32 {
    let word = |chunk: &[u8]| {
        (0..4).fold(0_u32, |word, at| (word << 8) | u32::from(chunk.get(at).copied().unwrap_or_default()))
    };
    table.chunks(4).fold(0, |sum, chunk| sum.wrapping_add(word(chunk)))
}

fn table<'a>(font: &'a [u8], tag: &[u8; 4]) -> Option<&'a [u8]> {
    let count = usize::from(u16_at(font, 4)?);
    let record = font
        .get(HEADER_BYTES..)?
        .chunks_exact(RECORD_BYTES)
        .take(count)
        .find(|record| record.starts_with(tag))?;
    let start = size_at(record, 8)?;
    font.get(start..start.checked_add(size_at(record, 12)?)?)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|chunk| u16::from_be_bytes(*chunk))
}

fn size_at(bytes: &[u8], at: usize) -> Option<usize> {
    bytes.get(at..)?.first_chunk().and_then(|chunk| usize::try_from(u32::from_be_bytes(*chunk)).ok())
}

/// Offsets and lengths are never more than those of the font that was read.
fn push_u32(bytes: &mut Vec<u8>, value: usize) {
    bytes.extend(u32::try_from(value).unwrap_or(u32::MAX).to_be_bytes());
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three glyphs with a short `loca`; glyph 2 is composed of glyph 1, scaled.
    fn font() -> Vec<u8> {
        let mut head = vec![0; 54];
        head[51] = 0;
        let mut hhea = vec![0; 36];
        hhea[35] = 2;
        let simple = [&[0, 1][..], &[7; 10]].concat();
        let composite = [&[0xFF, 0xFF][..], &[0; 8], &[0, 0x08, 0, 1, 0, 0, 0x40, 0]].concat();
        let glyf = [simple.clone(), simple, composite].concat();
        let tables = [
            (b"glyf", glyf),
            (b"head", head),
            (b"hhea", hhea),
            (b"hmtx", vec![0, 9, 0, 9, 0, 8, 0, 8, 0, 7]),
            (b"loca", vec![0, 0, 0, 6, 0, 12, 0, 21]),
            (b"maxp", vec![0, 1, 0, 0, 0, 3]),
        ];
        assemble(&tables).expect("a font")
    }

    #[test]
    fn a_composite_glyph_keeps_its_components_and_the_rest_becomes_empty() {
        let whole = subset(&font(), &BTreeSet::from([2])).expect("a subset");
        let outlines = Outlines::open(&whole).expect("outlines");
        assert!(outlines.long);
        assert_eq!(outlines.get(1).map(<[u8]>::len), Some(12), "the component");
        assert_eq!(outlines.get(2).map(components), Some(vec![1]));

        let cut = subset(&font(), &BTreeSet::new()).expect("a subset");
        let outlines = Outlines::open(&cut).expect("outlines");
        assert_eq!(outlines.get(0).map(<[u8]>::len), Some(12), ".notdef stays");
        assert_eq!(outlines.get(1), Some(&[][..]));
        assert_eq!(table(&cut, b"hmtx"), Some(&[0, 9, 0, 9, 0, 8, 0, 8, 0, 0][..]));
    }

    #[test]
    fn truncated_and_damaged_fonts_never_panic() {
        let font = font();
        for length in 0..font.len() {
            let _ = subset(font.get(..length).unwrap_or_default(), &BTreeSet::from([2]));
        }
        for at in 0..font.len() {
            let mut damaged = font.clone();
            damaged[at] ^= 0xFF;
            let _ = subset(&damaged, &BTreeSet::from([1, 2, u16::MAX]));
        }
    }
}
