//! Text written as hexadecimal digits within other text.
//!
//! Runs of upper-case digits whose bytes are printable (0x20..=0x7e) become a mark, those bytes, and an end
//! mark. Both marks are bytes that the text does not hold.

/// Shortest run of digits that is taken.
const SHORTEST: usize = 6;

fn digit(b: u8) -> Option<u8> {
    match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'A'..=b'F' => Some(b - b'A' + 10),
        _ => None,
    }
}

/// The shortened text and its two marks; nothing where that would not save an eighth, or where no bytes are
/// free to be marks.
pub fn shorten(text: &[u8]) -> Option<(Vec<u8>, [u8; 2])> {
    let mut used = [false; 256];
    text.iter().for_each(|&b| used[b as usize] = true);
    let mut free = (1..=255u8).filter(|&b| !used[b as usize]);
    let marks = [free.next()?, free.next()?];
    let mut out = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let run = text[at..].iter().take_while(|&&b| digit(b).is_some()).count();
        let bytes = text[at..at + run].as_chunks::<2>().0.iter().map(|pair| match pair.map(digit) {
            [Some(a), Some(b)] => a << 4 | b,
            _ => 0,
        });
        if run >= SHORTEST
            && run % 2 == 0
            && bytes.clone().all(|b| matches!(b, 0x20..=0x7e) && !marks.contains(&b))
        {
            out.push(marks[0]);
            out.extend(bytes);
            out.push(marks[1]);
            at += run;
        } else {
            let run = run.max(1);
            out.extend_from_slice(&text[at..at + run]);
            at += run;
        }
    }
    (out.len() < text.len() - text.len() / 8).then_some((out, marks))
}

/// The text of a shortened one, or nothing where that is longer than `most` bytes.
pub fn lengthen(short: &[u8], marks: [u8; 2], most: usize) -> Option<Vec<u8>> {
    let mut out = crate::limits::reserve(most);
    let mut inside = false;
    for &b in short {
        if b == marks[0] && !inside {
            inside = true;
        } else if b == marks[1] && inside {
            inside = false;
        } else if inside {
            out.extend([b >> 4, b & 15].map(|d| if d < 10 { b'0' + d } else { b'A' + d - 10 }));
        } else {
            out.push(b);
        }
        if out.len() > most {
            return None;
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn comes_back(text in "([0-9A-F]{0,12}|[ -~]{0,5}|(686C74){1,4}[,;(]){0,40}") {
            if let Some((short, marks)) = shorten(text.as_bytes()) {
                assert!(short.len() < text.len());
                assert_eq!(lengthen(&short, marks, text.len()), Some(text.as_bytes().to_vec()));
                assert_eq!(lengthen(&short, marks, text.len() - 1), None);
            }
        }

        #[test]
        fn any_bytes_lengthen(bytes in proptest::collection::vec(any::<u8>(), 0..50), marks: [u8; 2]) {
            if let Some(long) = lengthen(&bytes, marks, 60) {
                assert!(long.len() <= 60);
            }
        }
    }

    #[test]
    fn names_become_short() {
        let text = b"label=+S(686C744A6574);".repeat(20);
        let (short, marks) = shorten(&text).unwrap();
        assert_eq!(short, b"label=+S(\x01hltJet\x02);".repeat(20));
        assert_eq!(marks, [1, 2]);
        assert!(shorten(b"DEADBEEF 12345678").is_none());
    }
}
