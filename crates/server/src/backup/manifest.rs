//! What a backup is, and whether its data is what was written.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};
use tenantry_accounts::{Contents, Database, Schema};
use tenantry_domain::Instant;

pub(super) const SQLITE: &str = "database.sqlite";
pub(super) const POSTGRES: &str = "database.dump";
const MANIFEST: &str = "manifest.json";
/// This program's; a later one may have others.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
pub(super) struct Manifest {
    /// Of this file.
    pub(super) format: u32,
    /// The program that made the backup.
    pub(super) version: String,
    /// When it was begun.
    pub(super) taken_at: Instant,
    /// The data's file.
    pub(super) file: String,
    /// Its length.
    pub(super) bytes: u64,
    /// Its SHA-256 in hexadecimal.
    pub(super) sha256: String,
    /// The schema's steps.
    pub(super) steps: Vec<String>,
    /// The name of the master key that secrets are sealed under.
    pub(super) master_key: Option<String>,
    /// PostgreSQL: the schema of the tables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) schema: Option<String>,
}

/// As much as has to be read to know whether the rest can be.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

impl Manifest {
    /// Of a file that is complete.
    pub(super) fn of(file: &Path, contents: Contents, taken_at: Instant) -> Result<Self> {
        let name = file.file_name().and_then(|name| name.to_str()).context("a backup's file has a name")?;
        let (bytes, sha256) = sum(file)?;
        let Contents { steps, master_key, schema, .. } = contents;
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Ok(Self { format: FORMAT, version, taken_at, file: name.to_owned(), bytes, sha256, steps, master_key, schema })
    }

    pub(super) fn write(&self, directory: &Path) -> Result<()> {
        let path = directory.join(MANIFEST);
        let write = || {
            let mut file = File::create_new(&path)?;
            writeln!(file, "{}", serde_json::to_string_pretty(self)?)?;
            file.sync_all()
        };
        write().with_context(|| format!("{} cannot be written", path.display()))
    }

    /// Of a backup that this program understands. Its data is not looked at yet.
    pub(super) fn read(directory: &Path) -> Result<Self> {
        let path = directory.join(MANIFEST);
        let text = fs::read_to_string(&path).with_context(|| format!("{} is no backup", directory.display()))?;
        let is_none = || format!("{} is not the manifest of a backup", path.display());
        let Format { format } = serde_json::from_str(&text).with_context(is_none)?;
        if format > FORMAT {
            bail!("the backup is newer than this program (format {format}): use the program that made it");
        }
        let manifest: Self = serde_json::from_str(&text).with_context(is_none)?;
        if ![SQLITE, POSTGRES].contains(&&manifest.file[..]) {
            bail!(is_none());
        }
        Ok(manifest)
    }

    /// Refuses data that is not as it was written.
    pub(super) fn check(&self, directory: &Path) -> Result<PathBuf> {
        let file = directory.join(&self.file);
        let (bytes, sha256) = sum(&file)?;
        if bytes != self.bytes {
            bail!("{} is damaged: it has {bytes} of {} bytes", file.display(), self.bytes);
        }
        if sha256 != self.sha256 {
            bail!("{} is damaged: its checksum is another one", file.display());
        }
        Ok(file)
    }

    /// Refuses a backup of a later schema, or of another kind of database than is configured.
    pub(super) fn suits(&self, database: &Database) -> Result<()> {
        Schema::with(self.steps.clone()).check_not_newer().map_err(|error| anyhow!(error))?;
        match (database, &self.file[..]) {
            (Database::Sqlite(_), SQLITE) | (Database::Postgres(_), POSTGRES) => Ok(()),
            (Database::Sqlite(_), _) => bail!("the backup is of PostgreSQL, and database_url is SQLite"),
            (Database::Postgres(_), _) => bail!("the backup is of SQLite, and database_url is PostgreSQL"),
        }
    }
}

/// Length and SHA-256 of a file.
fn sum(path: &Path) -> Result<(u64, String)> {
    let cannot = || format!("{} cannot be read", path.display());
    let mut file = File::open(path).with_context(cannot)?;
    let (mut context, mut bytes, mut piece) = (digest::Context::new(&digest::SHA256), 0, vec![0; 1 << 20]);
    loop {
        let read = file.read(&mut piece).with_context(cannot)?;
        if read == 0 {
            break;
        }
        context.update(&piece[..read]);
        bytes += read as u64;
    }
    let hex = context.finish().as_ref().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    Ok((bytes, hex))
}

#[cfg(test)]
mod properties {
    use tenantry_test_properties::Property;

    use super::*;

    #[test]
    fn a_manifest_is_read_as_it_was_written() {
        let directory = tempfile::tempdir().unwrap();
        let likely = r#"\{"format":[0-9]{1,2},"version":"[0-9.]{1,5}","taken_at":"20[0-9]{2}-01-01T00:00:00Z","file":"(database\.(sqlite|dump)|\.\./x)","bytes":[0-9]{1,20},"sha256":"[0-9a-f]{0,4}","steps":\["[a-z]{0,3}"\],"master_key":(null|"x")\}"#;
        Property::new("manifest").of_text(likely, move |text| {
            let path = directory.path().join(MANIFEST);
            fs::write(&path, text).unwrap();
            let Ok(manifest) = Manifest::read(directory.path()) else { return };
            assert!(manifest.format <= FORMAT && [SQLITE, POSTGRES].contains(&&manifest.file[..]), "{text}");
            let written = serde_json::to_value(&manifest).unwrap();
            fs::remove_file(&path).unwrap();
            manifest.write(directory.path()).unwrap();
            assert_eq!(serde_json::to_value(Manifest::read(directory.path()).unwrap()).unwrap(), written);
        });
    }
}
