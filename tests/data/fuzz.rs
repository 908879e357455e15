//! Bytes of all kinds, and valid files with damage: rows or reasons, never a panic.

use proptest::prelude::*;
use rand_like::Numbers;

use crate::common::*;

/// A small generator, so that the damage is the same everywhere.
mod rand_like {
    pub struct Numbers(pub u64);

    impl Numbers {
        pub fn next(&mut self, below: usize) -> usize {
            self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            ((self.0 >> 33) as usize) % below.max(1)
        }
    }
}

fn damage(bytes: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=numbers.next(3) {
        let at = numbers.next(bytes.len());
        match numbers.next(6) {
            0 => bytes[at] = numbers.next(256) as u8,
            1 => bytes[at] ^= 1 << numbers.next(8),
            2 => bytes.truncate(at.max(1)),
            3 => drop(bytes.drain(at..(at + 1 + numbers.next(16)).min(bytes.len()))),
            4 => {
                let piece = bytes[at..(at + 1 + numbers.next(32)).min(bytes.len())].to_vec();
                let to = numbers.next(bytes.len());
                bytes.splice(to..to, piece);
            }
            _ => bytes[at..].iter_mut().take(4).for_each(|b| *b = 0xFF),
        }
        if bytes.is_empty() {
            bytes.push(b'{');
        }
    }
    bytes
}

fn survives(name: &str, bytes: &[u8]) {
    let data = of(name, bytes);
    for i in 0..data.len() {
        let _ = data.example(i);
    }
    data.write_bad(&mut std::io::sink()).unwrap_or_default();
    for bad in data.bad() {
        assert!(!bad.fault.found.is_empty() && !bad.fault.expected.is_empty());
    }
    assert!(data.files()[0].done);
}

#[test]
fn damaged_files_of_every_format() {
    let names = [
        "cloud.jsonl",
        "hh.jsonl",
        "arena-55k.jsonl",
        "ultrafeedback.jsonl",
        "pandas.csv",
        "pandas.tsv",
        "pandas-records.json",
        "pandas-columns.json",
        "pandas-split.json",
        "pandas.jsonl.gz",
        "pandas.jsonl.zst",
        "none.parquet",
        "snappy.parquet",
        "gzip.parquet",
        "brotli.parquet",
        "zstd.parquet",
        "lz4.parquet",
        "uncompressed.feather",
        "lz4.feather",
        "zstd.feather",
        "stream.arrows",
    ];
    // More with OUTLOUD_FUZZ=N.
    let rounds: u64 = std::env::var("OUTLOUD_FUZZ").ok().and_then(|n| n.parse().ok()).unwrap_or(60);
    for name in names {
        let whole = std::fs::read(fixture(name)).unwrap();
        for seed in 0..rounds {
            let bytes = damage(&whole, &mut Numbers(seed * 977 + name.len() as u64));
            survives(name, &bytes);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400), start in prop::sample::select(vec![
        &b""[..], b"\x1f\x8b\x08\0\0\0\0\0\0\x03", b"\x28\xb5\x2f\xfd", b"PAR1", b"ARROW1\0\0", b"\xff\xff\xff\xff\x10\0\0\0", b"\xff\xfe", b"{\"",
        b"[{\"prompt\":", b"prompt,answer\n", b"\xef\xbb\xbf",
    ])) {
        survives("x", &[start, &bytes].concat());
        survives("x.parquet", &[start, &bytes, b"PAR1"].concat());
    }

    #[test]
    fn any_text(text in "[\\[\\]{}:,\"'\\\\a-c0-9\n\r\t/*. é😀-]{0,80}") {
        survives("x.json", text.as_bytes());
        survives("x.csv", text.as_bytes());
    }
}
