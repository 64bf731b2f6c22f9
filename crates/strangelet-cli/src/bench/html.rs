//! placeholder
use super::record::Record;
pub fn page(_records: &[Record], _totals: &[Record]) -> String {
    String::new()
}
