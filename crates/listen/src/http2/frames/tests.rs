//! Frames of HTTP/2 clients, as a whole and in pieces.

use super::FrameProgress::{Began, Between, Continued};
use super::*;
use crate::http2::frame_header::LENGTH;

const SETTINGS: [u8; LENGTH] = [0, 0, 0, 4, 0, 0, 0, 0, 0];

fn frame(length: u8, kind: u8, flags: u8, stream: u8) -> Vec<u8> {
    let mut frame = vec![0, 0, length, kind, flags, 0, 0, 0, stream];
    frame.resize(LENGTH + usize::from(length), 0);
    frame
}

/// FrameReader after a complete preface.
fn settled() -> FrameReader {
    let mut frames = FrameReader::new();
    assert_eq!(frames.read(&[b'x'; PREFACE.len()]), Continued);
    assert_eq!(frames.read(&SETTINGS), Between);
    frames
}

#[test]
fn preface_ends_with_its_settings() {
    let mut frames = FrameReader::new();
    for byte in [b'x'; PREFACE.len()].iter().chain(&SETTINGS[..8]) {
        assert_eq!(frames.read(&[*byte]), Continued);
    }
    assert_eq!(frames.read(&SETTINGS[8..]), Between);
}

#[test]
fn header_block_ends_with_its_last_continuation() {
    let mut frames = settled();
    assert_eq!(frames.read(&frame(5, HEADERS, 0, 3)), Began);
    assert_eq!(frames.read(&frame(5, CONTINUATION, 0, 3)), Continued);
    assert_eq!(
        frames.read(&frame(0, CONTINUATION, END_HEADERS, 3)),
        Between
    );
    assert_eq!(frames.last_stream(), 3);
    assert_eq!(frames.read(&frame(5, HEADERS, END_HEADERS, 5)), Between);
    assert_eq!(frames.last_stream(), 5);
}

/// A HEADERS frame of a stream.
fn headers(flags: u8, stream: u8, block: &[u8]) -> Vec<u8> {
    let length = u8::try_from(block.len()).expect("short");
    let mut frame = vec![0, 0, length, HEADERS, flags, 0, 0, 0, stream];
    frame.extend(block);
    frame
}

#[test]
fn finds_streams_that_wait_for_100_in_pieces_of_any_size() {
    // GET, and `expect: 100-continue` with an indexed name; then the same after padding and a priority.
    let field = [&[0x82, 0x0f, 20, 12][..], b"100-continue"].concat();
    let padded = [&[2, 0, 0, 0, 0, 9][..], &field, &[0x63, 0x63]].concat();
    let bytes = [
        headers(END_HEADERS, 1, &field),
        headers(END_HEADERS | END_STREAM, 3, &field),
        headers(END_HEADERS | PADDED | PRIORITY, 5, &padded),
        headers(0, 7, &field[..5]),
        vec![0, 0, 11, CONTINUATION, END_HEADERS, 0, 0, 0, 7],
        field[5..].to_vec(),
        headers(END_HEADERS, 9, &[0x82]),
    ]
    .concat();
    for size in [1, 7, bytes.len()] {
        let mut frames = settled();
        let mut awaiting = Vec::new();
        for piece in bytes.chunks(size) {
            frames.read(piece);
            awaiting.extend(frames.take_awaiting());
        }
        assert_eq!(awaiting, [1, 5, 7], "in pieces of {size}");
    }
}

#[test]
fn finds_the_flags_of_malformed_trailers() {
    let request = headers(END_HEADERS, 1, &[0x82, 0x86, 0x84]);
    let trailers = headers(END_HEADERS | END_STREAM, 1, &[0x84]);
    let mut frames = settled();
    frames.read(&[&request[..], &trailers].concat());
    let places: Vec<_> = frames.take_malformed_trailers().collect();
    assert_eq!(places, [Some(request.len() + FLAGS)]);
    let mut frames = settled();
    frames.read(&request);
    frames.read(&trailers[..LENGTH]);
    frames.read(&trailers[LENGTH..]);
    let places: Vec<_> = frames.take_malformed_trailers().collect();
    assert_eq!(places, [None], "the flags were in an earlier read");
    frames.read(&headers(END_HEADERS | END_STREAM, 3, &[0x84]));
    let good = headers(END_HEADERS | END_STREAM, 1, b"\x00\x01a\x01b");
    frames.read(&good);
    assert_eq!(frames.take_malformed_trailers().count(), 0);
}

#[test]
fn ignores_header_blocks_on_streams_that_have_ended() {
    let again = headers(END_HEADERS | END_STREAM, 1, &[0x84]);
    let begun = headers(END_HEADERS, 1, &[0x82, 0x86, 0x84]);
    let ended = headers(END_HEADERS | END_STREAM, 1, &[0x82, 0x86, 0x84]);
    let by_data = [&begun[..], &frame(0, DATA, END_STREAM, 1)].concat();
    let by_reset = [&begun[..], &frame(4, RST_STREAM, 0, 1)].concat();
    for before in [ended, by_data, by_reset] {
        let mut frames = settled();
        frames.read(&[&before[..], &again].concat());
        assert_eq!(frames.take_malformed_trailers().count(), 0);
    }
}

#[test]
fn counts_partial_frames_as_progress_except_data() {
    let mut frames = settled();
    let data = frame(9, DATA, 0, 1);
    assert_eq!(
        frames.read(&data[..4]),
        Began,
        "the frame's header is incomplete"
    );
    assert_eq!(frames.read(&data[4..12]), Between);
    assert_eq!(frames.read(&data[12..]), Between);
    let update = frame(4, 8, 0, 1);
    assert_eq!(frames.read(&update[..10]), Began);
    assert_eq!(frames.read(&update[10..12]), Continued);
    let next: Vec<u8> = [&update[12..], &update[..3]].concat();
    assert_eq!(frames.read(&next), Began, "another frame has begun");
}
