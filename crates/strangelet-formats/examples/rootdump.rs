//! Prints what is in the trees of ROOT files: form, bytes and a hash of the values of each branch.
use std::collections::HashMap;
use strangelet::source::Source;
use strangelet_formats::recipe::Kitchen;
use strangelet_formats::root::{basket, block, build, record, streamer, tree};

fn main() {
    let verbose = std::env::args().any(|a| a == "-v");
    for path in std::env::args().skip(1).filter(|a| a != "-v") {
        let bytes = std::fs::read(&path).unwrap();
        let (header, records) = record::walk(&bytes).unwrap();
        let mut kitchen = Kitchen::new();
        let mut inflate = |r: &record::Record| -> Option<Vec<u8>> {
            let Some(k) = r.key() else { return None };
            let payload = bytes.range(r.pos + k.keylen as u64, r.len - k.keylen as u64).ok()?;
            block::inflate(&mut kitchen, &payload, k.objlen as usize).ok()
        };
        let by_pos: HashMap<u64, &record::Record> = records.iter().map(|r| (r.pos, r)).collect();
        let infos = by_pos.get(&header.seek_info).and_then(|r| {
            let Some(k) = r.key() else { return None };
            Some(streamer::Infos::parse(&inflate(r)?, k.keylen as usize))
        });
        let infos = infos.unwrap_or_default();
        let plain: u64 = records.iter().filter(|r| r.kind == record::Kind::Plain).map(|r| r.len).sum();
        eprintln!("{path}: {} records, {plain} plain bytes, {} layouts", records.len(), infos.len());
        let mut highest: HashMap<(u64, Vec<u8>), u16> = HashMap::new();
        for r in &records {
            if let record::Kind::Key(k) = &r.kind {
                let c = highest.entry((k.seek_pdir, k.name.clone())).or_default();
                *c = k.cycle.max(*c);
            }
        }
        let mut kinds: HashMap<String, (usize, usize, usize)> = HashMap::new();
        for r in &records {
            let Some(k) = r.key() else { continue };
            if k.class != b"TTree" && k.class != b"TNtuple"
                || highest[&(k.seek_pdir, k.name.clone())] != k.cycle
            {
                continue;
            }
            let Some(content) = inflate(r) else {
                eprintln!("  tree not inflated");
                continue;
            };
            let t = match tree::Tree::parse(
                &infos,
                std::str::from_utf8(&k.class).unwrap(),
                &content,
                k.keylen as usize,
            ) {
                Ok(t) => t,
                Err(e) => {
                    eprintln!("  {}: {e}", String::from_utf8_lossy(&k.name));
                    continue;
                }
            };
            for b in &t.branches {
                let mut contents: Vec<(Vec<u8>, usize, usize, usize)> = Vec::new();
                let n = b.written.max(b.embedded.iter().map(|e| e.number + 1).max().unwrap_or(0));
                for i in 0..n {
                    if let Some(e) = b.embedded.iter().find(|e| e.number == i) {
                        let mut c = content[e.data..e.data + e.len].to_vec();
                        if let Some(o) = e.offsets {
                            c.extend_from_slice(&content[o..o + 4 + 4 * e.head.nev_buf as usize]);
                        }
                        contents.push((c, e.len, e.head.nev_buf as usize, e.keylen));
                        continue;
                    }
                    let Some(r) = b.basket_seek.get(i).and_then(|s| by_pos.get(s)) else { continue };
                    let Some(k) = r.key() else { continue };
                    let head = bytes.range(r.pos, k.keylen as u64).unwrap();
                    let mut w = strangelet_formats::root::wire::Wire::new(&head);
                    record::Key::parse(&mut w).unwrap();
                    let h = record::BasketHead::parse(&mut w).unwrap();
                    let Some(c) = inflate(r) else {
                        eprintln!("  {} basket {i} not inflated", b.name);
                        continue;
                    };
                    contents.push((
                        c,
                        h.last as usize - k.keylen as usize,
                        h.nev_buf as usize,
                        k.keylen as usize,
                    ));
                }
                let baskets: Vec<basket::Basket> = contents
                    .iter()
                    .map(|(c, border, entries, keylen)| basket::Basket {
                        content: c,
                        border: *border,
                        entries: *entries,
                        keylen: *keylen,
                    })
                    .collect();
                if baskets.is_empty() {
                    continue;
                }
                let found = build::find(&infos, b, &baskets[..baskets.len().min(8)]);
                let mut columns = found.form.empty_columns();
                let mut raw = 0;
                let mut other = 0;
                for b in &baskets {
                    match basket::dissect(&found.form, b, &mut columns) {
                        Ok(basket::Tail::Other(_)) => other += 1,
                        Ok(_) => {}
                        Err(_) => {
                            raw += 1;
                            for (c, s) in columns.iter_mut().zip(&found.form.columns) {
                                basket::fill(s, c, b.entries)
                            }
                        }
                    }
                }
                let total: usize = baskets.iter().map(|b| b.content.len()).sum();
                let mut text = found.form.to_text();
                let e =
                    kinds.entry(if text.len() > 60 { text[..60].into() } else { text.clone() }).or_default();
                e.0 += 1;
                e.1 += total;
                e.2 += raw;
                if raw + other > 0 {
                    eprintln!(
                        "  {}: {raw} of {} baskets raw, {other} odd tails, {text}",
                        b.name,
                        baskets.len()
                    );
                }
                if verbose {
                    text.truncate(200);
                    for (s, c) in found.form.columns.iter().zip(&columns) {
                        let mut le = Vec::new();
                        c.values.to_le_bytes(&mut le);
                        let h = le.iter().fold(0u64, |h, &b| h.wrapping_mul(31).wrapping_add(b as u64));
                        let lens: Vec<String> = c
                            .lengths
                            .iter()
                            .map(|l| {
                                let h = l
                                    .iter()
                                    .flat_map(|n| n.to_le_bytes())
                                    .fold(0u64, |h, b| h.wrapping_mul(31).wrapping_add(b as u64));
                                format!("{h:016x}")
                            })
                            .collect();
                        println!(
                            "{}\t{}\t{}\t{}\t{}\t{}\t{h:016x}\t{}\t{}",
                            String::from_utf8_lossy(&k.name),
                            b.path.join("/"),
                            s.name,
                            s.scalar.name(),
                            c.values.len(),
                            s.inner.iter().map(|d| d.to_string()).collect::<Vec<_>>().join(","),
                            lens.join(","),
                            found.scale.map_or(String::new(), |s| format!("{},{}", s.low, s.factor))
                        );
                    }
                    if found.form.columns.is_empty() {
                        println!(
                            "{}\t{}\t\tnone\t0\t\t\t\t",
                            String::from_utf8_lossy(&k.name),
                            b.path.join("/")
                        );
                    }
                }
            }
        }
        let mut kinds: Vec<_> = kinds.into_iter().collect();
        kinds.sort_by_key(|k| std::cmp::Reverse(k.1.1));
        for (k, (n, b, raw)) in kinds.iter().take(14) {
            eprintln!("    {b:10} n={n} raw={raw} {k}");
        }
    }
}
