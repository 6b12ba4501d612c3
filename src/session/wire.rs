//! `--keep_wire`: the bytes of every request and answer, with the secrets in them blanked out.

use std::fs;
use std::io;
use std::path::Path;

use crate::endpoint::Secrets;

/// Writes `trial-N.request` and `trial-N.response` into `folder`.
pub(super) fn keep(folder: &Path, trial: u64, secrets: &Secrets, request: &[u8], answer: &[u8]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join(format!("trial-{trial}.request")), secrets.hide_bytes(request))?;
    fs::write(folder.join(format!("trial-{trial}.response")), secrets.hide_bytes(answer))
}
