//! Any recipe with any corrections: bytes, or an error. Any block: the recipe that is found makes it again.
#![no_main]
use strangelet_formats::recipe::{Effort, Kind, Kitchen, Recipe};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let [which, lo, hi, rest @ ..] = data else { return };
    let kind = Kind::ALL[*which as usize % Kind::ALL.len()];
    let len = u16::from_le_bytes([*lo, *hi]) as usize;
    let mut kitchen = Kitchen::new();
    let (mut told, content) = rest.split_at(len.min(rest.len()));
    if let Ok(recipe) = Recipe::read(&mut told) {
        let _ = kitchen.apply(kind, &recipe, told, content);
    }
    if let Ok(content) = kitchen.inflate(kind, rest, len)
        && let Some((recipe, corrections)) = kitchen.find(kind, rest, &content, None, Effort::Fast)
    {
        assert_eq!(Kitchen::new().apply(kind, &recipe, &corrections, &content).unwrap(), rest, "{recipe:?}");
    }
});
