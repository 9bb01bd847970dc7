//! The folder of a `dev` cluster: one folder per server, the cluster secret, and what the cluster looks like.
//!
//! Holds a lock, so that two `dev`s never share it. The servers' own folders belong to the servers.

use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// Most servers on one machine.
const SERVERS: u16 = 32;
/// Random bytes of a cluster secret.
const SECRET_BYTES: usize = 32;

/// What a cluster looks like; it does not change, because its layout names the addresses.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Shape {
    /// How many servers.
    pub(super) servers: u16,
    /// Cluster port of the first.
    pub(super) port: u16,
    /// Copies of every key.
    pub(super) replicas: u8,
}

/// A folder that this process holds.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    _lock: File,
}

impl Place {
    /// Locks the folder, making it if there is none.
    pub(super) fn open(path: &Path) -> io::Result<Place> {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        fs::create_dir_all(path).map_err(named)?;
        let path = fs::canonicalize(path).map_err(named)?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(path.join("dev.lock"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Place { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(io::Error::new(
                io::ErrorKind::ResourceBusy,
                format!("another `clockwise dev` runs on the folder {}", path.display()),
            )),
            Err(TryLockError::Error(error)) => Err(named(error)),
        }
    }

    /// What the cluster looks like: as the folder says if it holds one, and then nothing else may be asked for.
    pub(super) fn shape(
        &self,
        servers: Option<u16>,
        port: Option<u16>,
        replicas: Option<u8>,
    ) -> io::Result<Shape> {
        let refuse = |why: String| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        let here = match fs::read_to_string(self.shape_file()) {
            Ok(text) => serde_json::from_str::<Shape>(&text)
                .map_err(|error| io::Error::other(format!("{}: {error}", self.shape_file().display())))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let shape = Shape {
                    servers: servers.unwrap_or(3),
                    port: port.unwrap_or(7001),
                    replicas: replicas.unwrap_or(3),
                };
                if !(1..=SERVERS).contains(&shape.servers) {
                    return refuse(format!("--servers {}: 1 to {SERVERS}", shape.servers));
                }
                return Ok(shape);
            }
            Err(error) => return Err(error),
        };
        let asked = Shape {
            servers: servers.unwrap_or(here.servers),
            port: port.unwrap_or(here.port),
            replicas: replicas.unwrap_or(here.replicas),
        };
        if asked != here {
            return refuse(format!(
                "the folder {} holds a cluster of {} servers from port {} with {} replicas; give these numbers or \
                 none, or another --data",
                self.path.display(),
                here.servers,
                here.port,
                here.replicas
            ));
        }
        Ok(here)
    }

    /// Writes down what the cluster looks like, and mints its secret if there is none.
    pub(super) fn keep(&self, shape: Shape) -> io::Result<()> {
        if !self.secret_file().exists() {
            let mut secret = [0; SECRET_BYTES];
            getrandom::fill(&mut secret).map_err(|error| io::Error::other(error.to_string()))?;
            let text: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
            self.replace(&self.secret_file(), &text)?;
        }
        if !self.shape_file().exists() {
            let text = serde_json::to_string(&shape).map_err(io::Error::other)?;
            self.replace(&self.shape_file(), &text)?;
        }
        Ok(())
    }

    /// The secret that the servers share.
    pub(super) fn secret_file(&self) -> PathBuf {
        self.path.join("cluster-secret")
    }

    fn shape_file(&self) -> PathBuf {
        self.path.join("dev.json")
    }

    /// Writes a file that only its owner may read, whole or not at all.
    fn replace(&self, path: &Path, text: &str) -> io::Result<()> {
        let temporary = path.with_extension("tmp");
        let mut file =
            OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&temporary)?;
        writeln!(file, "{text}")?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(&self.path)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::{Place, Shape};
    use std::{fs, os::unix::fs::PermissionsExt};

    #[test]
    fn a_folder_remembers_its_cluster() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::open(dir.path()).unwrap();
        assert!(Place::open(dir.path()).unwrap_err().to_string().contains("another"));
        let shape = place.shape(None, Some(7101), None).unwrap();
        assert_eq!(shape, Shape { servers: 3, port: 7101, replicas: 3 });
        place.keep(shape).unwrap();
        let secret = fs::read_to_string(place.secret_file()).unwrap();
        assert_eq!(fs::metadata(place.secret_file()).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(secret.trim().len(), 64);
        assert_eq!(place.shape(None, None, Some(3)).unwrap(), shape);
        let refused = place.shape(Some(5), None, None).unwrap_err().to_string();
        assert!(refused.contains("3 servers from port 7101"), "{refused}");
        place.keep(shape).unwrap();
        assert_eq!(fs::read_to_string(place.secret_file()).unwrap(), secret, "the secret stays");
        drop(place);
        let place = Place::open(dir.path()).unwrap();
        assert!(place.shape(None, Some(7001), None).is_err());
    }

    #[test]
    fn the_number_of_servers_has_bounds() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::open(dir.path()).unwrap();
        assert!(place.shape(Some(0), None, None).is_err());
        assert!(place.shape(Some(33), None, None).is_err());
    }
}
