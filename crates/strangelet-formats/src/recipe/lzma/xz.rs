//! The wrapping of LZMA2 in an .xz stream of one block (<https://tukaani.org/xz/xz-file-format.txt>).

/// Bytes of the stream header and of the block header.
pub(super) const HEAD: usize = 24;

/// The tables of the reflected CRC of 64 bits, eight bytes at a time; one of 32 bits fits in as well.
const fn tables(polynomial: u64) -> [[u64; 256]; 8] {
    let mut t = [[0; 256]; 8];
    let mut i = 0;
    while i < 256 {
        let mut c = i as u64;
        let mut k = 0;
        while k < 8 {
            c = if c & 1 == 1 { c >> 1 ^ polynomial } else { c >> 1 };
            k += 1;
        }
        t[0][i] = c;
        i += 1;
    }
    let mut k = 1;
    while k < 8 {
        let mut i = 0;
        while i < 256 {
            t[k][i] = t[k - 1][i] >> 8 ^ t[0][(t[k - 1][i] & 255) as usize];
            i += 1;
        }
        k += 1;
    }
    t
}

static CRC32: [[u64; 256]; 8] = tables(0xedb8_8320);
static CRC64: [[u64; 256]; 8] = tables(0xc96c_5795_d787_0f42);

fn crc(tables: &[[u64; 256]; 8], start: u64, bytes: &[u8]) -> u64 {
    let mut c = start;
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        let Some(word) = word.first_chunk::<8>() else { break };
        let x = u64::from_le_bytes(*word) ^ c;
        c = 0;
        for (k, table) in tables.iter().rev().enumerate() {
            c ^= table[(x >> (8 * k) & 255) as usize];
        }
    }
    for &b in words.remainder() {
        c = c >> 8 ^ tables[0][((c ^ u64::from(b)) & 255) as usize];
    }
    c ^ start
}

/// CRC-32 of bytes.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    crc(&CRC32, 0xffff_ffff, bytes) as u32
}

/// The integrity check of a number: its bytes. None where this module does not know it.
fn check(number: u8, content: &[u8]) -> Option<Vec<u8>> {
    Some(match number {
        0 => Vec::new(),
        1 => crc32(content).to_le_bytes().to_vec(),
        4 => crc(&CRC64, u64::MAX, content).to_le_bytes().to_vec(),
        _ => return None,
    })
}

/// Whether the check of a number is known here.
pub(super) fn knows(number: u8) -> bool {
    matches!(number, 0 | 1 | 4)
}

/// Stream header and block header.
pub(super) fn head(number: u8, dictionary: u8) -> Vec<u8> {
    let mut out = vec![0xfd, b'7', b'z', b'X', b'Z', 0, 0, number];
    out.extend(crc32(&[0, number]).to_le_bytes());
    let block = [2, 0, 0x21, 1, dictionary, 0, 0, 0];
    out.extend(block);
    out.extend(crc32(&block).to_le_bytes());
    out
}

/// What stands behind the chunks, whose end (the zero byte included) is at `end` of the stream.
pub(super) fn tail(number: u8, content: &[u8], end: usize) -> Option<Vec<u8>> {
    let check = check(number, content)?;
    let mut out = vec![0; end.next_multiple_of(4) - end];
    out.extend(&check);
    let mut index = vec![0, 1];
    varint(&mut index, (end - 12 + check.len()) as u64);
    varint(&mut index, content.len() as u64);
    index.resize(index.len().next_multiple_of(4), 0);
    let sum = crc32(&index);
    index.extend(sum.to_le_bytes());
    let mut footer = ((index.len() / 4 - 1) as u32).to_le_bytes().to_vec();
    footer.extend([0, number]);
    out.append(&mut index);
    out.extend(crc32(&footer).to_le_bytes());
    out.append(&mut footer);
    out.extend(b"YZ");
    Some(out)
}

/// Appends a number, seven bits a byte, lowest first.
pub(super) fn varint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Reads what [`varint`] wrote.
pub(super) fn read_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut n = 0;
    for shift in (0..35).step_by(7) {
        let (&b, rest) = bytes.split_first()?;
        *bytes = rest;
        n |= u64::from(b & 0x7f) << shift;
        if b < 0x80 {
            return Some(n);
        }
    }
    None
}
