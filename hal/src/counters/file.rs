//! The file of the counters.
//!
//! ```toml
//! version = 1
//!
//! [device."receipt-printer 04b8:0e15:J3K1"]
//! cuts = 12
//! "fault.paper-out" = 2
//! # fnv1a 6d0f3a52c1b9e417          the last line: FNV-1a, 64 bits, of all bytes above it
//! ```
//! Written beside the old one and renamed over it, so that one of the two is always whole.
//!
//! Promises: a counter of another version of this crate is kept. Never: believes a file whose sum is wrong.

use super::{
    DeviceKey,
    tally::{DEVICES_MAX, NAMES_MAX},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, ErrorKind, Write as _},
    path::{Path, PathBuf},
};

/// In its state folder.
pub const FILE_NAME: &str = "device-counters.toml";

/// While it is written.
const NEW_NAME: &str = "device-counters.new";

/// Where a damaged one goes; the one before it is overwritten.
const DAMAGED_NAME: &str = "device-counters.damaged";

const VERSION: u32 = 1;

/// The longest file read.
const FILE_BYTES_MAX: u64 = 64 << 10;

const SUM: &str = "# fnv1a ";

/// Counters by device and name.
pub type Counts = BTreeMap<DeviceKey, BTreeMap<String, u64>>;

/// A file that could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where it is now.
    pub moved_to: PathBuf,
    /// What was wrong with it.
    pub reason: String,
}

/// Why there are no counters.
#[derive(Debug, thiserror::Error)]
pub enum CountersError {
    /// The system refuses.
    #[error("{}: {why}", path.display())]
    File {
        /// Which file or folder.
        path: PathBuf,
        /// What the system says.
        why: io::Error,
    },
    /// Only told by [`read`], which moves nothing.
    #[error("{}: damaged: {reason}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Whole {
    version: u32,
    #[serde(default)]
    device: BTreeMap<String, BTreeMap<String, u64>>,
}

/// Reads the counters in `folder` and changes nothing; none when there is no file.
///
/// # Errors
/// [`CountersError`].
pub fn read(folder: &Path) -> Result<Counts, CountersError> {
    let path = folder.join(FILE_NAME);
    let wrong = |why| CountersError::File { path: path.clone(), why };
    let size = match fs::metadata(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Counts::new()),
        other => other.map_err(wrong)?.len(),
    };
    let damaged = |reason| CountersError::Damaged { path: path.clone(), reason };
    if size > FILE_BYTES_MAX {
        return Err(damaged(format!("{size} bytes; {FILE_BYTES_MAX} are allowed")));
    }
    parse(&fs::read(&path).map_err(wrong)?).map_err(damaged)
}

/// Reads the counters; a damaged file is moved aside.
pub(super) fn take_up(folder: &Path) -> Result<(Counts, Option<Damage>), CountersError> {
    match read(folder) {
        Ok(counts) => Ok((counts, None)),
        Err(CountersError::Damaged { path, reason }) => {
            let moved_to = folder.join(DAMAGED_NAME);
            fs::rename(&path, &moved_to).map_err(|why| CountersError::File { path, why })?;
            tracing::warn!(reason, moved_to = %moved_to.display(), "the device counters were damaged");
            Ok((Counts::new(), Some(Damage { moved_to, reason })))
        }
        Err(error @ CountersError::File { .. }) => Err(error),
    }
}

/// Writes the counters in place of those that are there.
pub(super) fn write(folder: &Path, counts: &Counts) -> Result<(), CountersError> {
    let (path, new) = (folder.join(FILE_NAME), folder.join(NEW_NAME));
    let written = || -> io::Result<()> {
        let mut file = File::create(&new)?;
        file.write_all(print(counts)?.as_bytes())?;
        file.sync_data()?;
        fs::rename(&new, &path)
    };
    written().map_err(|why| CountersError::File { path: path.clone(), why })
}

fn print(counts: &Counts) -> io::Result<String> {
    let device = counts.iter().map(|(key, counters)| (key.to_string(), counters.clone())).collect();
    let mut text = toml::to_string(&Whole { version: VERSION, device }).map_err(io::Error::other)?;
    let sum = fnv1a(text.as_bytes());
    text.push_str(&format!("{SUM}{sum:016x}\n"));
    Ok(text)
}

fn parse(bytes: &[u8]) -> Result<Counts, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let at = text.rfind(SUM).ok_or("no sum in its last line: cut short")?;
    let (body, sum) = text.split_at_checked(at).ok_or("no sum in its last line")?;
    if sum != format!("{SUM}{:016x}\n", fnv1a(body.as_bytes())) {
        return Err("its sum is wrong".to_owned());
    }
    let whole: Whole = toml::from_str(body).map_err(|error| error.message().to_owned())?;
    if whole.version != VERSION {
        return Err(format!("version {}; this program reads {VERSION}", whole.version));
    }
    if whole.device.len() > DEVICES_MAX || whole.device.values().any(|device| device.len() > NAMES_MAX + 1) {
        return Err(format!("more than {DEVICES_MAX} devices, or {NAMES_MAX} counters of one"));
    }
    let known = whole.device.into_iter().map(|(key, counters)| {
        DeviceKey::parse(&key).map(|key| (key, counters)).ok_or_else(|| format!("{key:?} is no device"))
    });
    known.collect()
}

/// FNV-1a, 64 bits (draft-eastlake-fnv, section 2): notices damage, not malice.
fn fnv1a(bytes: &[u8]) -> u64 {
    let step = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Class;
    use proptest::prelude::*;

    fn counts() -> Counts {
        let counters = [("cuts", 12), ("fault.paper-out", 2)].map(|(name, n)| (name.to_owned(), n));
        Counts::from([(DeviceKey::plain(Class::ReceiptPrinter, "04b8:0e15:J3K1"), counters.into())])
    }

    #[test]
    fn the_sum_is_the_published_one() {
        // draft-eastlake-fnv, test vectors.
        assert_eq!((fnv1a(b""), fnv1a(b"foobar")), (0xcbf2_9ce4_8422_2325, 0x8594_4171_f739_67e8));
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()).unwrap(), Counts::new());
        write(folder.path(), &counts()).unwrap();
        assert_eq!(read(folder.path()).unwrap(), counts());
        assert!(!folder.path().join(NEW_NAME).exists());
    }

    #[test]
    fn a_damaged_file_is_moved_aside_and_reported() {
        let whole = print(&counts()).unwrap();
        let future = whole.replace("version = 1", "version = 2");
        let body = &future[..future.rfind(SUM).unwrap()];
        let future = format!("{body}{SUM}{:016x}\n", fnv1a(body.as_bytes()));
        for (text, reason) in [
            (whole.replace("cuts = 12", "cuts = 13"), "its sum is wrong"),
            (whole.lines().next().unwrap().to_owned(), "no sum in its last line: cut short"),
            (String::new(), "no sum in its last line: cut short"),
            (future, "version 2; this program reads 1"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join(FILE_NAME), &text).unwrap();
            let why = read(folder.path()).unwrap_err().to_string();
            assert!(why.ends_with(reason), "{why}");
            let (counts, damage) = take_up(folder.path()).unwrap();
            assert!(counts.is_empty());
            assert_eq!(damage.as_ref().map(|damage| damage.reason.as_str()), Some(reason));
            assert_eq!(fs::read_to_string(damage.unwrap().moved_to).unwrap(), text);
            assert!(!folder.path().join(FILE_NAME).exists());
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_no_counters(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            prop_assert!(parse(&bytes).is_err());
        }

        #[test]
        fn one_changed_bit_is_noticed(at in 0_usize..80, bit in 0_u8..8) {
            let mut bytes = print(&counts()).unwrap().into_bytes();
            let at = at % bytes.len();
            bytes[at] ^= 1_u8 << bit;
            prop_assert!(parse(&bytes).is_err());
        }

        #[test]
        fn a_file_cut_short_is_noticed(left in 0_usize..100) {
            let bytes = print(&counts()).unwrap().into_bytes();
            prop_assert!(left >= bytes.len() || parse(&bytes[..left]).is_err());
        }
    }
}
