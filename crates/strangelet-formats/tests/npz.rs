//! Zip files of arrays: are they tables, and do they come back?

mod common;

use common::{data, keeps, survives_damage, tables};

#[test]
fn real_files() {
    for (file, expected) in [
        (
            "km3net/muon_cc_daqevents_hits.npz",
            vec![
                "snapshotHits_n x 250: data:i32",
                "rows[319713] x 319713: snapshotHits_dom_id:i32 snapshotHits_channel_id:u8 \
                 snapshotHits_time:u32 snapshotHits_tot:u8",
            ],
        ),
        ("daq_raw/dayabay_daily_detector_data.npz", vec![]),
        ("sphenix_tpc/0-4fm_AuAu_charge_side0_sector0.npz", vec![]),
    ] {
        let Some(bytes) = data(file) else { continue };
        let found = tables(&keeps(&bytes, "npz"));
        assert!(!found.is_empty(), "{file}");
        if !expected.is_empty() {
            assert_eq!(found, expected, "{file}");
        }
    }
}

#[test]
fn stored_members_are_tables() {
    let Some(bytes) = data("tpc/bcae_vs_weights.npz") else { return };
    let found = tables(&keeps(&bytes, "npz"));
    assert_eq!(found[0], "encoder.model.0.kernel x 27: data:f32[1, 2]");
    assert_eq!(found.len(), 121);
}

#[test]
fn damage_does_no_harm() {
    if let Some(bytes) = data("tpc/bcae_vs_weights.npz") {
        survives_damage(&bytes[bytes.len() - 60_000..]);
    }
    let mut zip = Zip::default();
    let array: Vec<u8> = (0..4000u32).flat_map(|i| ((i * i) as f32).to_le_bytes()).collect();
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1000, 4), }  \n";
    let mut npy = b"\x93NUMPY\x01\0".to_vec();
    npy.extend((header.len() as u16).to_le_bytes());
    npy.extend(header.as_bytes());
    npy.extend(&array);
    zip.add("stored.npy", &npy, false);
    zip.add("deflated.npy", &npy, true);
    zip.add("readme.txt", b"some text that is no array, no array, no array", true);
    let bytes = zip.clone().finish();
    let expected = ["rows[1000] x 1000: stored:f32[4] deflated:f32[4]"];
    assert_eq!(tables(&keeps(&bytes, "npz")), expected);
    survives_damage(&bytes);
    zip.add("deflated.npy", &npy, true);
    zip.add("short.npy", &npy[..npy.len() - 160], true);
    let bytes = zip.finish();
    let expected =
        ["rows[1000] x 1000: stored:f32[4] deflated:f32[4] deflated':f32[4]", "short x 990: data:f32[4]"];
    assert_eq!(tables(&keeps(&bytes, "npz")), expected);
}

/// A writer of zip files that says nothing about checksums.
#[derive(Default, Clone)]
struct Zip {
    out: Vec<u8>,
    directory: Vec<u8>,
    count: u16,
}

impl Zip {
    fn add(&mut self, name: &str, content: &[u8], deflate: bool) {
        let mut packed = content.to_vec();
        if deflate {
            let mut c = flate2::Compress::new(flate2::Compression::new(6), false);
            packed = Vec::with_capacity(content.len() + 100);
            c.compress_vec(content, &mut packed, flate2::FlushCompress::Finish).unwrap();
        }
        let at = self.out.len() as u32;
        let mut fields = vec![20, 0, 0, 0, if deflate { 8 } else { 0 }, 0, 0, 0, 0, 0, 1, 2, 3, 4];
        fields.extend((packed.len() as u32).to_le_bytes());
        fields.extend((content.len() as u32).to_le_bytes());
        fields.extend((name.len() as u16).to_le_bytes());
        fields.extend([0, 0]);
        self.out.extend(b"PK\x03\x04");
        self.out.extend(&fields);
        self.out.extend(name.as_bytes());
        self.out.extend(&packed);
        self.directory.extend(b"PK\x01\x02\x14\x00");
        self.directory.extend(&fields);
        self.directory.extend([0; 10]);
        self.directory.extend(at.to_le_bytes());
        self.directory.extend(name.as_bytes());
        self.count += 1;
    }

    fn finish(mut self) -> Vec<u8> {
        let at = self.out.len() as u32;
        self.out.extend(&self.directory);
        self.out.extend(b"PK\x05\x06\0\0\0\0");
        self.out.extend(self.count.to_le_bytes());
        self.out.extend(self.count.to_le_bytes());
        self.out.extend((self.directory.len() as u32).to_le_bytes());
        self.out.extend(at.to_le_bytes());
        self.out.extend([0, 0]);
        self.out
    }
}
