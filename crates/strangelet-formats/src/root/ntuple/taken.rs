//! Spans of a file that somebody has spoken for.

use std::collections::BTreeMap;

/// Spans without overlap, adjacent ones merged.
#[derive(Debug, Default)]
pub struct Taken {
    /// End by start.
    spans: BTreeMap<u64, u64>,
}

impl Taken {
    /// Takes `length` bytes at a position; whether they were all free (and there are any).
    pub fn take(&mut self, position: u64, length: u64) -> bool {
        let Some(end) = position.checked_add(length).filter(|_| length > 0) else { return false };
        let before = self.spans.range(..end).next_back().map(|(&a, &b)| (a, b));
        if before.is_some_and(|(_, b)| b > position) {
            return false;
        }
        let start = match before {
            Some((a, b)) if b == position => a,
            _ => position,
        };
        let end = self.spans.remove(&end).unwrap_or(end);
        self.spans.insert(start, end);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_byte_is_taken_twice(spans in prop::collection::vec((0u64..200, 0u64..20), 0..60)) {
            let (mut taken, mut bytes) = (Taken::default(), [false; 256]);
            for (at, n) in spans {
                let own = &mut bytes[at as usize..(at + n) as usize];
                let free = n > 0 && own.iter().all(|b| !b);
                prop_assert_eq!(taken.take(at, n), free);
                if free {
                    own.fill(true);
                }
            }
            let runs = bytes.windows(2).filter(|w| !w[0] && w[1]).count() + bytes[0] as usize;
            prop_assert_eq!(taken.spans.len(), runs);
        }
    }

    #[test]
    fn the_end_of_numbers_is_no_span() {
        assert!(!Taken::default().take(u64::MAX, 2));
    }
}
