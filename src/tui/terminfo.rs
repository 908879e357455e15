//! What the terminal's description on disk says about colours (terminfo(5), the compiled form).

use std::path::PathBuf;

/// Colours of a terminal, by its description.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Colours {
    /// `RGB`, `Tc` or `setrgbf` is there: 24 bits.
    pub rgb: bool,
    /// `colors`.
    pub count: u32,
}

/// Where descriptions are kept.
const SYSTEM: [&str; 4] =
    ["/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo", "/usr/local/share/terminfo"];

/// The description of the terminal named by `TERM`, if there is one.
pub fn look(env: &dyn Fn(&str) -> Option<String>) -> Option<Colours> {
    let term = env("TERM").filter(|term| !term.contains(['/', '.']))?;
    let first = term.chars().next()?;
    let own = env("TERMINFO").map(PathBuf::from);
    let home = env("HOME").map(|home| PathBuf::from(home).join(".terminfo"));
    let listed = env("TERMINFO_DIRS").unwrap_or_default();
    let listed = listed.split(':').filter(|dir| !dir.is_empty()).map(PathBuf::from).collect::<Vec<_>>();
    let folders = own.into_iter().chain(home).chain(listed).chain(SYSTEM.map(PathBuf::from));
    let letters = [first.to_string(), format!("{:x}", u32::from(first))];
    let files = folders.flat_map(|folder| letters.clone().map(|letter| folder.join(letter).join(&term)));
    files.into_iter().find_map(|path| parse(&std::fs::read(path).ok()?))
}

/// Position of `colors` among the numbers.
const COLORS: usize = 13;

fn parse(bytes: &[u8]) -> Option<Colours> {
    let short = |at: usize| Some(u16::from_le_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
    let wide = match short(0)? {
        0o432 => 2,
        0o1036 => 4,
        _ => return None,
    };
    let (names, booleans) = (usize::from(short(2)?), usize::from(short(4)?));
    let numbers = usize::from(short(6)?);
    let begin = (12 + names + booleans).next_multiple_of(2);
    let at = begin + COLORS * wide;
    let count = match (COLORS < numbers, wide) {
        (false, _) => 0,
        (true, 2) => u32::from(short(at)?),
        (true, _) => u32::from(short(at)?) | u32::from(short(at + 2)?) << 16,
    };
    // Names of extended capabilities stand, ended by zeros, in the last table.
    let has = |name: &str| {
        let ended = [b"\0", name.as_bytes(), b"\0"].concat();
        bytes.windows(ended.len()).any(|window| window == ended)
    };
    // All ones: absent.
    let count = if count == 0xffff || count == u32::MAX { 0 } else { count };
    Some(Colours { rgb: ["RGB", "Tc", "setrgbf"].into_iter().any(has), count })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A description with these colours and extended names.
    fn description(colours: u16, names: &[&str]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let name = b"mine|a test\0";
        for number in [0o432u16, name.len() as u16, 1, 14, 0, 0] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(name);
        bytes.push(1);
        if bytes.len() % 2 == 1 {
            bytes.push(0);
        }
        for at in 0..14 {
            bytes.extend(if at == COLORS { colours } else { 0xffff }.to_le_bytes());
        }
        bytes.push(0);
        for name in names {
            bytes.extend(name.as_bytes());
            bytes.push(0);
        }
        bytes
    }

    #[test]
    fn colours_are_read_from_a_description() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m");
        std::fs::create_dir(&path).unwrap();
        let with = |text: Vec<u8>| {
            std::fs::write(path.join("mine"), text).unwrap();
            look(&|name| match name {
                "TERM" => Some("mine".into()),
                "TERMINFO" => folder.path().to_str().map(str::to_owned),
                _ => None,
            })
        };
        assert_eq!(with(description(256, &[])), Some(Colours { rgb: false, count: 256 }));
        assert_eq!(with(description(8, &["AX", "Tc"])), Some(Colours { rgb: true, count: 8 }));
        assert_eq!(with(description(0xffff, &["RGB"])), Some(Colours { rgb: true, count: 0 }));
        assert_eq!(with(description(8, &["AX", "Tcx"])), Some(Colours { rgb: false, count: 8 }));
        assert_eq!(with(b"no description".to_vec()), None);
        assert_eq!(with(description(8, &[])[..20].to_vec()), None);
        assert_eq!(look(&|_| Some("../../etc/passwd".into())), None);
    }
}
