//! Small pictures inside of pages: PNG with a palette, as data in an `img`.

/// Colours of the shades 0 to 255.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Palette {
    /// From black over purple and orange to a light yellow.
    Heat,
    /// 0 is black; from 1 (blue) over grey in the middle (128) to red.
    Change,
}

impl Palette {
    fn colour(self, i: usize) -> [u8; 3] {
        let heat = [
            (0.0, [0, 0, 4]),
            (0.25, [87, 16, 110]),
            (0.5, [188, 55, 84]),
            (0.75, [249, 142, 9]),
            (1.0, [252, 255, 164]),
        ];
        let change = [(0.0, [60, 130, 255]), (0.5, [72, 72, 76]), (1.0, [255, 84, 40])];
        match self {
            Palette::Heat => between(&heat, i as f64 / 255.0),
            Palette::Change if i == 0 => [0, 0, 0],
            Palette::Change => between(&change, (i as f64 - 1.0) / 254.0),
        }
    }
}

fn between(stops: &[(f64, [u8; 3])], x: f64) -> [u8; 3] {
    let k = stops.iter().rposition(|s| x >= s.0).unwrap_or(0).min(stops.len().saturating_sub(2));
    let part = (x - stops[k].0) / (stops[k + 1].0 - stops[k].0);
    std::array::from_fn(|c| (stops[k].1[c] as f64 * (1.0 - part) + stops[k + 1].1[c] as f64 * part) as u8)
}

/// The shade of a sample in [`Palette::Heat`]: log2(ADC + 1) from 6 to 8.5; nothing is black.
pub fn shade(adc: u16) -> u8 {
    let shade = if adc == 0 { 0.0 } else { 30.0 + 225.0 * ((adc as f64 + 1.0).log2() - 6.0) / 2.5 };
    shade.clamp(0.0, 255.0) as u8
}

/// A picture of `width` x `height` points with the shades that `of(x, y)` gives.
pub fn image(width: usize, height: usize, palette: Palette, of: impl Fn(usize, usize) -> u8) -> String {
    let mut pixels = Vec::with_capacity(height * (width + 1));
    for y in 0..height {
        pixels.push(0);
        pixels.extend((0..width).map(|x| of(x, y)));
    }
    let png = png(width as u32, height as u32, &pixels, palette);
    format!("<img alt=\"\" src=\"data:image/png;base64,{}\">", base64(&png))
}

/// A PNG of palette colours from rows that begin with a filter byte.
fn png(width: u32, height: u32, rows: &[u8], palette: Palette) -> Vec<u8> {
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |name: &[u8; 4], body: &[u8]| {
        out.extend_from_slice(&(body.len() as u32).to_be_bytes());
        let mut crc = flate2::Crc::new();
        crc.update(name);
        crc.update(body);
        out.extend_from_slice(name);
        out.extend_from_slice(body);
        out.extend_from_slice(&crc.sum().to_be_bytes());
    };
    let mut head = Vec::new();
    head.extend_from_slice(&width.to_be_bytes());
    head.extend_from_slice(&height.to_be_bytes());
    head.extend_from_slice(&[8, 3, 0, 0, 0]);
    chunk(b"IHDR", &head);
    chunk(b"PLTE", &(0..256).flat_map(|i| palette.colour(i)).collect::<Vec<u8>>());
    let mut deflate = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    let body =
        std::io::Write::write_all(&mut deflate, rows).and_then(|()| deflate.finish()).unwrap_or_default();
    chunk(b"IDAT", &body);
    chunk(b"IEND", &[]);
    out
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for part in bytes.chunks(3) {
        let n = part.iter().fold(0u32, |n, b| n << 8 | *b as u32) << (8 * (3 - part.len()));
        for k in 0..4 {
            let digit = DIGITS[(n >> (18 - 6 * k) & 63) as usize] as char;
            out.push(if k <= part.len() { digit } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (plain, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(plain.as_bytes()), text);
        }
    }

    #[test]
    fn shades_follow_the_logarithm() {
        assert_eq!((shade(0), shade(63)), (0, 30));
        assert!(shade(127) > shade(80) && shade(1023) == 255);
        assert_eq!(Palette::Change.colour(128), [72, 72, 76]);
        assert_eq!(Palette::Change.colour(0), [0, 0, 0]);
        assert!(
            image(2, 1, Palette::Heat, |x, _| x as u8)
                .starts_with("<img alt=\"\" src=\"data:image/png;base64,iVBOR")
        );
    }
}
