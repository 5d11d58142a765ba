//! Checks the folders on the command line.

use super::Error;
use std::path::PathBuf;

/// Fails unless every folder or file can be read: a mistyped path is wrong usage, not an empty configuration.
pub(super) fn must_exist(roots: &[PathBuf]) -> Result<(), Error> {
    for root in roots {
        let found = std::fs::metadata(root).and_then(|found| {
            if found.is_dir() {
                std::fs::read_dir(root).map(drop)
            } else {
                std::fs::File::open(root).map(drop)
            }
        });
        if let Err(error) = found {
            return Err(Error::Usage(format!(
                "can't read the configuration folder `{}`: {error}",
                root.display()
            )));
        }
    }
    Ok(())
}
