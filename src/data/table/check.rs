//! Arrow files before they are decoded: lengths that cannot be. The decoder allocates what they say, and memory that is not
//! there ends the program.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use arrow_ipc::reader::read_footer_length;
use arrow_ipc::{Message, RecordBatch, root_as_footer, root_as_message};

use super::{Why, text};

/// Bytes of an unpacked buffer at most.
const LARGEST: u64 = 1 << 31;
/// ... and how many times as large as packed.
const TIMES: u64 = 1 << 16;

/// Checks every message that a file's footer names.
pub fn file(file: &mut File) -> Why<()> {
    let size = file.seek(SeekFrom::End(0)).map_err(text)?;
    let mut trailer = [0; 10];
    file.seek(SeekFrom::Start(size.saturating_sub(10)))
        .and_then(|_| file.read_exact(&mut trailer))
        .map_err(text)?;
    let length = read_footer_length(trailer).map_err(text)? as u64;
    let start = size.checked_sub(10 + length).ok_or("a footer longer than the file")?;
    let footer = bytes(file, start, length)?;
    let footer = root_as_footer(&footer).map_err(text)?;
    for block in
        [footer.dictionaries(), footer.recordBatches()].into_iter().flatten().flat_map(|blocks| blocks.iter())
    {
        let number = |n: i64| u64::try_from(n).map_err(text);
        let (at, meta) = (number(block.offset())?, number(block.metaDataLength().into())?);
        let body = number(block.bodyLength())?;
        let end = at.checked_add(meta).and_then(|n| n.checked_add(body)).filter(|end| *end <= size);
        end.ok_or("a batch beyond the end of the file")?;
        let head = bytes(file, at, meta)?;
        let marked = head.starts_with(&[0xFF; 4]);
        let message = head.get(if marked { 8 } else { 4 }..).ok_or("a message without content")?;
        check(file, root_as_message(message).map_err(text)?, at + meta, body)?;
    }
    Ok(())
}

/// Checks the messages of a stream, up to where it breaks off.
pub fn stream(file: &mut File) -> Why<()> {
    let size = file.seek(SeekFrom::End(0)).map_err(text)?;
    let mut at = 0;
    while at + 8 <= size {
        let prefix = bytes(file, at, 8)?;
        let length =
            |range| prefix.get(range).and_then(|b: &[u8]| b.try_into().ok()).map_or(0, u32::from_le_bytes);
        let (skip, meta) = if prefix.starts_with(&[0xFF; 4]) { (8, length(4..8)) } else { (4, length(0..4)) };
        let meta = u64::from(meta);
        // The end, or what the decoder will say is cut off.
        if meta == 0 || at + skip + meta > size {
            break;
        }
        let head = bytes(file, at + skip, meta)?;
        let message = root_as_message(&head).map_err(text)?;
        let body = u64::try_from(message.bodyLength()).map_err(text)?;
        at += skip + meta;
        check(file, message, at, body.min(size - at))?;
        at = at.checked_add(body).ok_or("a batch beyond the end of the file")?;
    }
    file.seek(SeekFrom::Start(0)).map(drop).map_err(text)
}

fn check(file: &mut File, message: Message, body: u64, len: u64) -> Why<()> {
    let dictionary = message.header_as_dictionary_batch().and_then(|dictionary| dictionary.data());
    match message.header_as_record_batch().or(dictionary) {
        Some(batch) if batch.compression().is_some() => packed(file, batch, body, len),
        _ => Ok(()),
    }
}

/// Each packed buffer begins with its length when unpacked.
fn packed(file: &mut File, batch: RecordBatch, body: u64, len: u64) -> Why<()> {
    for buffer in batch.buffers().into_iter().flat_map(|buffers| buffers.iter()) {
        let (at, packed) = (u64::try_from(buffer.offset()), u64::try_from(buffer.length()));
        let (at, packed) = (at.map_err(text)?, packed.map_err(text)?);
        if packed < 8 || at.checked_add(8).is_none_or(|end| end > len) {
            continue;
        }
        let prefix = bytes(file, body + at, 8)?;
        let unpacked = prefix.as_slice().try_into().map_or(0, i64::from_le_bytes);
        // -1: not packed.
        let unpacked = if unpacked == -1 { 0 } else { u64::try_from(unpacked).map_err(text)? };
        if unpacked > LARGEST || unpacked > packed.saturating_mul(TIMES) {
            return Err(format!("{packed} bytes that would be {unpacked} unpacked"));
        }
    }
    Ok(())
}

fn bytes(file: &mut File, at: u64, len: u64) -> Why<Vec<u8>> {
    file.seek(SeekFrom::Start(at)).map_err(text)?;
    let mut bytes = Vec::new();
    file.take(len).read_to_end(&mut bytes).map_err(text)?;
    if bytes.len() as u64 == len { Ok(bytes) } else { Err("the file ends within a message".into()) }
}
