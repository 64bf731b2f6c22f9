//! What was measured: one record a file and method, and their totals.

use serde_json::{Map, Value, json};
use strangelet::error::{Result, corruption};

/// Name of the file in totals.
pub const TOTAL: &str = "all files";

/// One file, one method.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    pub file: String,
    pub method: String,
    pub about: String,
    /// Bytes of the file as it is.
    pub bytes_in: u64,
    /// Bytes of the file with every compressed block inflated.
    pub bytes_content: u64,
    pub bytes_out: u64,
    pub compress_s: f64,
    pub decompress_s: f64,
    /// Seconds to decode all columns, without the file being put together. Ours only.
    pub columns_s: Option<f64>,
    /// Peak memory of a process that did nothing else.
    pub peak_rss: Option<u64>,
    /// Whether the very same bytes came back.
    pub exact: bool,
    pub threads: usize,
    /// Which seconds: `cpu`, `wall`.
    pub clock: String,
}

impl Record {
    /// Bytes of the file by bytes of the result.
    pub fn ratio(&self) -> f64 {
        crate::ui::ratio(self.bytes_in, self.bytes_out)
    }

    /// Megabytes (10^6) of content a second.
    pub fn speed(&self, seconds: f64) -> f64 {
        if seconds > 0.0 { self.bytes_content as f64 / 1e6 / seconds } else { 0.0 }
    }

    /// Takes over what another round of the same measurement did better.
    pub fn improve(&mut self, other: Record) {
        self.compress_s = self.compress_s.min(other.compress_s);
        self.decompress_s = self.decompress_s.min(other.decompress_s);
        self.columns_s = self.columns_s.zip(other.columns_s).map(|(a, b)| a.min(b));
        self.peak_rss = self.peak_rss.max(other.peak_rss);
        self.exact &= other.exact && self.bytes_out == other.bytes_out;
    }

    /// As an object of the JSON output.
    pub fn to_json(&self) -> Value {
        let rounded = |x: f64| (x * 1e4).round() / 1e4;
        let mut object = Map::new();
        let mut put = |key: &str, value: Value| object.insert(key.into(), value);
        put("file", json!(self.file));
        put("method", json!(self.method));
        put("bytes_in", json!(self.bytes_in));
        put("bytes_content", json!(self.bytes_content));
        put("bytes_out", json!(self.bytes_out));
        put("ratio", json!(rounded(self.ratio())));
        put("compress_mb_s", json!(rounded(self.speed(self.compress_s))));
        put("decompress_mb_s", json!(rounded(self.speed(self.decompress_s))));
        if let Some(s) = self.columns_s {
            put("columns_mb_s", json!(rounded(self.speed(s))));
            put("columns_s", json!(s));
        }
        put("peak_rss_mb", json!(self.peak_rss.map(|b| rounded(b as f64 / 1e6))));
        put("exact", json!(self.exact));
        put("threads", json!(self.threads));
        put("clock", json!(self.clock));
        put("compress_s", json!(self.compress_s));
        put("decompress_s", json!(self.decompress_s));
        put("about", json!(self.about));
        Value::Object(object)
    }

    /// From the JSON output.
    pub fn from_json(v: &Value) -> Result<Record> {
        let missing = |key: &str| corruption(format!("a measurement without {key}"));
        let text = |key: &str| v[key].as_str().map(str::to_string).ok_or_else(|| missing(key));
        let count = |key: &str| v[key].as_u64().ok_or_else(|| missing(key));
        let real = |key: &str| v[key].as_f64().ok_or_else(|| missing(key));
        Ok(Record {
            file: text("file")?,
            method: text("method")?,
            about: text("about")?,
            bytes_in: count("bytes_in")?,
            bytes_content: count("bytes_content")?,
            bytes_out: count("bytes_out")?,
            compress_s: real("compress_s")?,
            decompress_s: real("decompress_s")?,
            columns_s: v["columns_s"].as_f64(),
            peak_rss: v["peak_rss_mb"].as_f64().map(|mb| (mb * 1e6) as u64),
            exact: v["exact"].as_bool().ok_or_else(|| missing("exact"))?,
            threads: count("threads")? as usize,
            clock: text("clock")?,
        })
    }
}

/// One total a method, for methods that did all files: sums of bytes and of seconds, the highest peak.
pub fn totals(records: &[Record]) -> Vec<Record> {
    let mut totals: Vec<(Record, usize)> = Vec::new();
    for r in records {
        let Some((t, files)) = totals.iter_mut().find(|t| t.0.method == r.method) else {
            totals.push((Record { file: TOTAL.into(), ..r.clone() }, 1));
            continue;
        };
        t.bytes_in += r.bytes_in;
        t.bytes_content += r.bytes_content;
        t.bytes_out += r.bytes_out;
        t.compress_s += r.compress_s;
        t.decompress_s += r.decompress_s;
        t.columns_s = t.columns_s.zip(r.columns_s).map(|(a, b)| a + b);
        t.peak_rss = t.peak_rss.max(r.peak_rss);
        t.exact &= r.exact;
        *files += 1;
    }
    let most = totals.iter().map(|t| t.1).max().unwrap_or(0);
    let mut totals: Vec<Record> = totals.into_iter().filter(|t| t.1 == most).map(|t| t.0).collect();
    totals.sort_by_key(|t| t.bytes_out);
    totals
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(file: &str, method: &str, bytes_out: u64) -> Record {
        Record {
            file: file.into(),
            method: method.into(),
            about: "a".into(),
            bytes_in: 1_000_000,
            bytes_content: 2_000_000,
            bytes_out,
            compress_s: 0.5,
            decompress_s: 0.25,
            columns_s: (method == "ours").then_some(0.125),
            peak_rss: Some(5_000_000),
            exact: true,
            threads: 1,
            clock: "cpu".into(),
        }
    }

    #[test]
    fn a_record_survives_json() {
        for r in [record("f", "ours", 10), record("f", "xz", 250_000)] {
            assert_eq!(Record::from_json(&r.to_json()).unwrap(), r);
        }
        let v = record("f", "xz", 250_000).to_json();
        assert_eq!(v["ratio"], 4.0);
        assert_eq!(v["compress_mb_s"], 4.0);
        assert_eq!(v["decompress_mb_s"], 8.0);
        assert_eq!(v["peak_rss_mb"], 5.0);
    }

    #[test]
    fn totals_need_all_files_and_add_times() {
        let all =
            [record("a", "xz", 300), record("b", "xz", 100), record("a", "lz4", 1), record("b", "ours", 9)];
        let t = totals(&all);
        assert_eq!(t.len(), 1);
        assert_eq!((t[0].bytes_out, t[0].bytes_in, t[0].compress_s), (400, 2_000_000, 1.0));
        assert_eq!(t[0].speed(t[0].compress_s), 4.0);
    }
}
