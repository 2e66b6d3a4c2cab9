//! Where neither a mail server nor a gateway is configured: one JSON object a file.

use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use tenantry_domain::MessageId;
use tokio::io::AsyncWriteExt;

use crate::{Failure, Letter};

/// Writes a letter to `{directory}/{id}.json`, for the owner's eyes only. It appears there whole.
pub(crate) async fn write(directory: &Path, letter: &Letter, id: MessageId) -> Result<(), Failure> {
    match std::fs::DirBuilder::new().mode(0o700).recursive(true).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error.into()),
        _ => {}
    }
    let (part, whole) = (directory.join(format!("{id}.part")), directory.join(format!("{id}.json")));
    let mut options = std::fs::OpenOptions::new();
    options.create(true).truncate(true).write(true).mode(0o600);
    let mut file = tokio::fs::OpenOptions::from(options).open(&part).await?;
    file.write_all(letter.json().to_string().as_bytes()).await?;
    file.flush().await?;
    Ok(tokio::fs::rename(part, whole).await?)
}
