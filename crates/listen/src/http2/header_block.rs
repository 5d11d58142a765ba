//! Scans the header blocks of HTTP/2 clients (HPACK, RFC 7541) for `expect: 100-continue` and for pseudo-header fields.
//!
//! Values are skipped, not decoded. The dynamic table is represented by one bit per entry and property: with the 4,096 bytes
//! that gatefold allows, the table has at most 128 entries. Evicted entries can't be referenced, so they need no tracking.

/// The length of the static table (RFC 7541, appendix A), and the indices in it that matter here.
const STATIC_ENTRIES: u32 = 61;
const LAST_PSEUDO: u32 = 14;
const EXPECT: u32 = 35;

/// The name and the value to find: as plain text, and Huffman-coded (RFC 7541, appendix B).
const EXPECT_NAME: [&[u8]; 2] = [b"expect", &[0x2f, 0x9a, 0xca, 0x44, 0xff]];
const CONTINUE: [&[u8]; 2] = [
    b"100-continue",
    &[0x08, 0x00, 0xb1, 0x0f, 0x52, 0x4d, 0x55, 0xa5],
];
/// The length of the longest of them.
const LONGEST: usize = 12;

/// Scans the header blocks of a connection.
#[derive(Debug, Default)]
pub(crate) struct HeaderBlockScanner {
    step: ScanStep,
    table: DynamicTable,
    /// Whether the current field is added to the dynamic table.
    indexed: bool,
    name: NameProperties,
    text: StringPrefix,
    found: BlockFindings,
}

/// What was found in a header block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BlockFindings {
    pub(crate) pseudo: bool,
    pub(crate) awaits_continue: bool,
}

/// The properties of a field's name.
#[derive(Clone, Copy, Debug, Default)]
struct NameProperties {
    pseudo: bool,
    expect: bool,
}

/// The properties of the dynamic table's entries. The lowest bit is the newest entry.
#[derive(Debug, Default)]
struct DynamicTable {
    pseudo: u128,
    expect: u128,
    awaits_continue: u128,
}

/// What the next byte is.
#[derive(Clone, Copy, Debug, Default)]
enum ScanStep {
    #[default]
    Field,
    /// The rest of an integer.
    Integer {
        of: IntegerKind,
        value: u32,
        shift: u32,
    },
    Length(FieldPart),
    /// One of the `left` remaining bytes of a string.
    String {
        part: FieldPart,
        left: u32,
    },
    /// Unknown, since the block is malformed. Pingora ends the connection.
    Lost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum IntegerKind {
    /// The index of a field.
    Field,
    /// The index of a name.
    Name,
    TableSize,
    Length(FieldPart),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FieldPart {
    Name,
    Value,
}

/// The beginning of a string, up to [`LONGEST`] bytes.
#[derive(Clone, Copy, Debug, Default)]
struct StringPrefix {
    huffman: bool,
    bytes: [u8; LONGEST],
    length: usize,
    whole: bool,
}

impl HeaderBlockScanner {
    /// Scans a part of a block.
    pub(crate) fn read(&mut self, mut bytes: &[u8]) {
        while let Some((&first, rest)) = bytes.split_first() {
            bytes = match self.step {
                ScanStep::Field => {
                    self.begin_field(first);
                    rest
                }
                ScanStep::Integer { of, value, shift } => {
                    self.continue_integer(of, value, shift, first);
                    rest
                }
                ScanStep::Length(part) => {
                    self.text = StringPrefix {
                        huffman: first & 0x80 != 0,
                        whole: true,
                        ..StringPrefix::default()
                    };
                    self.begin_integer(IntegerKind::Length(part), first, 0x7f);
                    rest
                }
                ScanStep::String { part, left } => self.take_text(part, left, bytes),
                ScanStep::Lost => return,
            };
        }
    }

    /// Ends a block and returns what was found in it.
    pub(crate) fn end(&mut self) -> BlockFindings {
        if !matches!(self.step, ScanStep::Field) {
            self.step = ScanStep::Lost;
        }
        std::mem::take(&mut self.found)
    }

    /// RFC 7541, section 6.
    fn begin_field(&mut self, first: u8) {
        self.indexed = first & 0xc0 == 0x40;
        match first {
            0x80.. => self.begin_integer(IntegerKind::Field, first, 0x7f),
            0x40.. => self.begin_integer(IntegerKind::Name, first, 0x3f),
            0x20.. => self.begin_integer(IntegerKind::TableSize, first, 0x1f),
            _ => self.begin_integer(IntegerKind::Name, first, 0x0f),
        }
    }

    /// RFC 7541, section 5.1.
    fn begin_integer(&mut self, of: IntegerKind, first: u8, mask: u8) {
        let value = u32::from(first & mask);
        if value < u32::from(mask) {
            self.end_integer(of, value);
        } else {
            self.step = ScanStep::Integer {
                of,
                value,
                shift: 0,
            };
        }
    }

    fn continue_integer(&mut self, of: IntegerKind, value: u32, shift: u32, byte: u8) {
        let more = u32::from(byte & 0x7f).checked_shl(shift);
        let value = more
            .filter(|_| shift <= 21)
            .and_then(|more| value.checked_add(more));
        match value {
            None => self.step = ScanStep::Lost,
            Some(value) if byte & 0x80 == 0 => self.end_integer(of, value),
            Some(value) => {
                self.step = ScanStep::Integer {
                    of,
                    value,
                    shift: shift + 7,
                };
            }
        }
    }

    fn end_integer(&mut self, of: IntegerKind, value: u32) {
        self.step = match of {
            IntegerKind::Field => {
                self.found.pseudo |= self.table.name(value).pseudo;
                self.found.awaits_continue |= self.table.awaits_continue(value);
                ScanStep::Field
            }
            IntegerKind::Name if value == 0 => ScanStep::Length(FieldPart::Name),
            IntegerKind::Name => {
                self.name = self.table.name(value);
                ScanStep::Length(FieldPart::Value)
            }
            IntegerKind::TableSize => ScanStep::Field,
            IntegerKind::Length(part) if value == 0 => self.end_text(part),
            IntegerKind::Length(part) => ScanStep::String { part, left: value },
        };
    }

    fn take_text<'b>(&mut self, part: FieldPart, left: u32, bytes: &'b [u8]) -> &'b [u8] {
        let length = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let Some((taken, rest)) = bytes.split_at_checked(length) else {
            return &[];
        };
        self.text.add(taken);
        let left = left.saturating_sub(u32::try_from(length).unwrap_or(left));
        self.step = match left {
            0 => self.end_text(part),
            left => ScanStep::String { part, left },
        };
        rest
    }

    fn end_text(&mut self, part: FieldPart) -> ScanStep {
        match part {
            FieldPart::Name => {
                self.name = NameProperties {
                    pseudo: self.text.begins_with_colon(),
                    expect: self.text.is(EXPECT_NAME),
                };
                ScanStep::Length(FieldPart::Value)
            }
            FieldPart::Value => {
                let awaits_continue = self.name.expect && self.text.is(CONTINUE);
                self.found.pseudo |= self.name.pseudo;
                self.found.awaits_continue |= awaits_continue;
                if self.indexed {
                    self.table.add(self.name, awaits_continue);
                }
                ScanStep::Field
            }
        }
    }
}

impl DynamicTable {
    fn add(&mut self, name: NameProperties, awaits_continue: bool) {
        self.pseudo = self.pseudo << 1 | u128::from(name.pseudo);
        self.expect = self.expect << 1 | u128::from(name.expect);
        self.awaits_continue = self.awaits_continue << 1 | u128::from(awaits_continue);
    }

    /// The name at an index of the combined static and dynamic tables.
    fn name(&self, index: u32) -> NameProperties {
        NameProperties {
            pseudo: matches!(index, 1..=LAST_PSEUDO) || bit(self.pseudo, index),
            expect: index == EXPECT || bit(self.expect, index),
        }
    }

    fn awaits_continue(&self, index: u32) -> bool {
        bit(self.awaits_continue, index)
    }
}

/// The bit of the dynamic table's entry at `index`.
fn bit(bits: u128, index: u32) -> bool {
    let place = index.checked_sub(STATIC_ENTRIES + 1);
    place
        .and_then(|place| bits.checked_shr(place))
        .is_some_and(|bits| bits & 1 == 1)
}

impl StringPrefix {
    fn add(&mut self, bytes: &[u8]) {
        let room = self.bytes.get_mut(self.length..).unwrap_or_default();
        let fitting = bytes.len().min(room.len());
        for (place, byte) in room.iter_mut().zip(bytes) {
            *place = *byte;
        }
        self.length += fitting;
        self.whole &= fitting == bytes.len();
    }

    fn is(&self, [raw, huffman]: [&[u8]; 2]) -> bool {
        let bytes = self.bytes.get(..self.length).unwrap_or_default();
        self.whole
            && if self.huffman {
                bytes == huffman
            } else {
                bytes.eq_ignore_ascii_case(raw)
            }
    }

    fn begins_with_colon(&self) -> bool {
        let first = self.bytes.first().filter(|_| self.length > 0);
        first.is_some_and(|first| {
            if self.huffman {
                // The Huffman code of a colon has seven bits.
                first & 0xfe == 0xb8
            } else {
                *first == b':'
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scans blocks as a whole and byte by byte, and checks that both give the same result. Returns that of the last block.
    fn last(blocks: &[&[u8]]) -> BlockFindings {
        let (mut at_once, mut slowly) =
            (HeaderBlockScanner::default(), HeaderBlockScanner::default());
        let mut found = BlockFindings::default();
        for block in blocks {
            at_once.read(block);
            block.chunks(1).for_each(|byte| slowly.read(byte));
            found = at_once.end();
            assert_eq!(found, slowly.end(), "{block:x?}");
        }
        found
    }

    fn literal(kind: u8, name: &[u8], value: &[u8]) -> Vec<u8> {
        let length = |text: &[u8]| u8::try_from(text.len()).expect("short");
        [&[kind, length(name)], name, &[length(value)], value].concat()
    }

    #[test]
    fn finds_an_expectation_in_every_encoding() {
        let huffman = |text: &[u8]| [&[0x80 | text.len() as u8], text].concat();
        for block in [
            literal(0x00, b"expect", b"100-continue"),
            literal(0x10, b"expect", b"100-Continue"),
            literal(0x40, b"expect", b"100-continue"),
            [&[0x0f, 20, 12][..], b"100-continue"].concat(),
            [&[0x63, 12][..], b"100-continue"].concat(),
            [&[0x63][..], &huffman(CONTINUE[1])].concat(),
            [&[0x00][..], &huffman(EXPECT_NAME[1]), &huffman(CONTINUE[1])].concat(),
        ] {
            let block = [&[0x82, 0x86, 0x84][..], &block, &[0x83]].concat();
            assert!(last(&[&block]).awaits_continue, "{block:x?}");
        }
        for block in [
            literal(0x00, b"expect", b"100-continuex"),
            literal(0x00, b"expect", b""),
            literal(0x00, b"expects", b"100-continue"),
            literal(0x00, b"x", b"100-continue"),
            vec![0x80 | 35],
        ] {
            assert!(!last(&[&block]).awaits_continue, "{block:x?}");
        }
    }

    #[test]
    fn finds_fields_of_the_dynamic_table() {
        let expect = literal(0x40, b"expect", b"100-continue");
        let other = literal(0x40, b"x", b"y");
        assert!(last(&[&expect, &[0x80 | 62]]).awaits_continue);
        assert!(!last(&[&expect, &other, &[0x80 | 62]]).awaits_continue);
        assert!(last(&[&expect, &other, &[0x80 | 63]]).awaits_continue);
        // Only the name is indexed: 15 + 47 = 62.
        let named = [&[0x0f, 47, 12][..], b"100-continue"].concat();
        assert!(last(&[&expect, &named]).awaits_continue);
        let pseudo = literal(0x40, b":path", b"/");
        assert!(last(&[&pseudo, &[0x80 | 62]]).pseudo);
        assert!(!last(&[&pseudo, &other, &[0x80 | 62]]).pseudo);
    }

    #[test]
    fn finds_pseudo_header_fields() {
        for block in [
            vec![0x82],
            vec![0x8e],
            [&[0x41, 1][..], b"a"].concat(),
            [&[0x04, 1][..], b"a"].concat(),
            literal(0x00, b":path", b"/"),
            // `:path` as Huffman code.
            vec![0x00, 0x84, 0xb9, 0x58, 0xd3, 0x3f, 1, b'/'],
        ] {
            assert!(last(&[&block]).pseudo, "{block:x?}");
        }
        assert!(!last(&[&[0x8f]]).pseudo);
        assert!(!last(&[&literal(0x00, b"path", b":")]).pseudo);
    }

    #[test]
    fn stops_scanning_after_a_malformed_block() {
        let mut blocks = HeaderBlockScanner::default();
        blocks.read(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        assert!(matches!(blocks.step, ScanStep::Lost));
        let mut blocks = HeaderBlockScanner::default();
        blocks.read(&[0x00, 5, b'x']);
        blocks.end();
        blocks.read(&literal(0, b"expect", b"100-continue"));
        assert_eq!(blocks.end(), BlockFindings::default());
    }
}
