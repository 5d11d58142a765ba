//! Messages of Protocol Buffers without a schema: written and read independently of gatefold's own types.

/// A field with a number: a text, bytes or a message.
pub fn bytes(number: u32, value: impl AsRef<[u8]>) -> Vec<u8> {
    let value = value.as_ref();
    let mut field = varint(u64::from(number << 3 | 2));
    field.extend(varint(value.len() as u64));
    field.extend_from_slice(value);
    field
}

/// A field with a whole number.
pub fn number(number: u32, value: u64) -> Vec<u8> {
    let mut field = varint(u64::from(number << 3));
    field.extend(varint(value));
    field
}

fn varint(value: u64) -> Vec<u8> {
    let mut value = value;
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// A message that has been read.
#[derive(Clone, Debug, Default)]
pub struct Message(Vec<(u32, Field)>);

#[derive(Clone, Debug)]
enum Field {
    Number(u64),
    Bytes(Vec<u8>),
}

impl Message {
    /// Reads a message.
    pub fn read(bytes: &[u8]) -> Self {
        let mut rest = bytes;
        let mut fields = Vec::new();
        while !rest.is_empty() {
            let tag = take_varint(&mut rest);
            let field = match tag & 7 {
                0 => Field::Number(take_varint(&mut rest)),
                2 => {
                    let length = take_varint(&mut rest) as usize;
                    let (value, tail) = rest.split_at(length);
                    rest = tail;
                    Field::Bytes(value.to_vec())
                }
                other => panic!("wire type {other}"),
            };
            fields.push(((tag >> 3) as u32, field));
        }
        Message(fields)
    }

    /// The messages of a field, in their order.
    pub fn all(&self, number: u32) -> Vec<Message> {
        let found = self.0.iter().filter(|(own, _)| *own == number);
        let found = found.filter_map(|(_, field)| match field {
            Field::Bytes(bytes) => Some(Message::read(bytes)),
            Field::Number(_) => None,
        });
        found.collect()
    }

    /// The message at a path of fields; empty if there is none.
    pub fn at(&self, path: &[u32]) -> Message {
        path.iter().fold(self.clone(), |message, number| {
            message.all(*number).pop().unwrap_or_default()
        })
    }

    /// The text of a field; empty if there is none.
    pub fn text(&self, number: u32) -> String {
        let found = self.0.iter().find(|(own, _)| *own == number);
        match found {
            Some((_, Field::Bytes(bytes))) => String::from_utf8(bytes.clone()).expect("UTF-8"),
            Some((_, Field::Number(_))) | None => String::new(),
        }
    }

    /// The number of a field; 0 if there is none.
    pub fn number(&self, number: u32) -> u64 {
        let found = self.0.iter().find(|(own, _)| *own == number);
        match found {
            Some((_, Field::Number(value))) => *value,
            Some((_, Field::Bytes(_))) | None => 0,
        }
    }

    /// The value of a key in a map of texts. `None` if it has no such key.
    pub fn entry(&self, number: u32, key: &str) -> Option<String> {
        let entries = self.all(number);
        let found = entries.iter().find(|entry| entry.text(1) == key);
        found.map(|entry| entry.text(2))
    }
}

fn take_varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let (byte, rest) = bytes.split_first().expect("a byte");
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}
