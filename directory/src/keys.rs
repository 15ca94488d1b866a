//! The keys that are kept outside the database.

use std::fmt;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::id::random_bytes;

const LENGTH: usize = 64;
const NONCE: usize = 24;

/// The keys of an installation: one to hash tokens with, one to encrypt the secrets of webhook endpoints.
///
/// They are in a file of their own, so that a copy of the database alone opens nothing. Without the file
/// the tokens and endpoint secrets in the database are worth nothing: back up both.
#[derive(Clone)]
pub struct Keys {
    inner: Arc<Inner>,
}

struct Inner {
    pepper: [u8; 32],
    seal: [u8; 32],
}

impl Keys {
    /// Reads the file, or makes it with new keys, readable by its owner only.
    ///
    /// # Errors
    /// [`KeysError`] when the file can't be read or made, or holds something else.
    pub fn load_or_create(path: &Path) -> Result<Self, KeysError> {
        let io = |source| KeysError::Io { path: path.to_owned(), source };
        match std::fs::read(path) {
            Ok(bytes) => Self::from_bytes(&bytes).ok_or_else(|| KeysError::Format { path: path.to_owned() }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let bytes = random_bytes::<LENGTH>();
                match create(path, &bytes) {
                    Ok(()) => {}
                    // Another process was faster: its keys are the keys.
                    Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Self::load_or_create(path),
                    Err(e) => return Err(io(e)),
                }
                Self::from_bytes(&bytes).ok_or_else(|| KeysError::Format { path: path.to_owned() })
            }
            Err(e) => Err(io(e)),
        }
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (pepper, seal) = bytes.split_at_checked(LENGTH / 2)?;
        let inner = Inner { pepper: pepper.try_into().ok()?, seal: seal.try_into().ok()? };
        Some(Self { inner: Arc::new(inner) })
    }

    /// A key for one purpose, made from these: the same for all processes that share the file.
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        self.hash(&format!("derive {purpose}"))
    }

    /// By which the keys are known again. It says nothing of them.
    pub(crate) fn fingerprint(&self) -> String {
        let mac = self.mac(&[b"fingerprint", &self.inner.seal]);
        mac.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
    }

    /// The keyed hash of a token's secret.
    pub(crate) fn hash(&self, secret: &str) -> [u8; 32] {
        self.mac(&[secret.as_bytes()])
    }

    fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut block = [0; 64];
        for (to, from) in block.iter_mut().zip(self.inner.pepper) {
            *to = from;
        }
        let mut mac = Hmac::<Sha256>::new((&block).into());
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// Encrypts, bound to what it belongs to.
    pub(crate) fn seal(&self, plain: &[u8], owner: &str) -> Option<Vec<u8>> {
        let nonce = random_bytes::<NONCE>();
        let payload = Payload { msg: plain, aad: owner.as_bytes() };
        let sealed = self.cipher().encrypt(&XNonce::from(nonce), payload).ok()?;
        Some([nonce.as_slice(), &sealed].concat())
    }

    /// Decrypts what [`Keys::seal`] made for the same owner.
    pub(crate) fn open(&self, sealed: &[u8], owner: &str) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE)?;
        let nonce: [u8; NONCE] = nonce.try_into().ok()?;
        let payload = Payload { msg: sealed, aad: owner.as_bytes() };
        self.cipher().decrypt(&XNonce::from(nonce), payload).ok()
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&self.inner.seal).into())
    }
}

fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // Written beside and linked into place, so that the file is never there in part.
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let part = folder.join(format!("{name}.{}", crate::id::random_text(8)));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&part)?;
    let written =
        file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| std::fs::hard_link(&part, path));
    let _ = std::fs::remove_file(&part);
    written?;
    // The name is durable with its folder.
    #[cfg(unix)]
    std::fs::File::open(folder)?.sync_all()?;
    Ok(())
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(…)")
    }
}

/// Why the keys can't be had. The text is one sentence for the person who starts the program.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// The file can't be read or made.
    #[error("the key file {} can't be read or made", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("{} is not a key file: it must hold {LENGTH} bytes", path.display())]
    Format {
        /// The file.
        path: PathBuf,
    },
}
