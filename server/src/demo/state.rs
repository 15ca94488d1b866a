//! What a demo remembers in the clear: a file that no real installation has.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use scim_webhook::Secret;
use serde::{Deserialize, Serialize};

/// `demo.json` in the data folder, readable by its owner only.
pub(super) struct State {
    path: PathBuf,
    content: Content,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Content {
    /// Says to whoever opens the file what it is.
    about: String,
    webhook_secret: String,
    receiver_port: Option<u16>,
    #[serde(default)]
    api_key: Option<String>,
    /// By the id of the directory.
    tokens: BTreeMap<String, String>,
}

impl State {
    /// Reads the file, or makes it with a new webhook secret.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let context = || format!("the demo's file {} can't be used", path.display());
        if path.exists() {
            let text = std::fs::read_to_string(path).with_context(context)?;
            // An error of the parser could repeat what it read.
            let content = serde_json::from_str(&text).ok();
            let content = content.with_context(|| format!("{} is not a demo's file", path.display()))?;
            return Ok(Self { path: path.to_owned(), content });
        }
        let mut random = [0; 32];
        getrandom::fill(&mut random).context("the system has no random numbers")?;
        let content = Content {
            about:
                "Tokens, API key and webhook secret of a scimd demo, in the clear. Only a demo has this file."
                    .to_owned(),
            webhook_secret: Secret::from_bytes(&random)?.expose(),
            receiver_port: None,
            api_key: None,
            tokens: BTreeMap::new(),
        };
        let state = Self { path: path.to_owned(), content };
        state.save()?;
        Ok(state)
    }

    pub(super) fn secret(&self) -> Result<Secret> {
        Ok(Secret::parse(&self.content.webhook_secret)?)
    }

    pub(super) fn receiver_port(&self) -> Option<u16> {
        self.content.receiver_port
    }

    pub(super) fn set_receiver_port(&mut self, port: u16) -> Result<()> {
        self.content.receiver_port = Some(port);
        self.save()
    }

    pub(super) fn api_key(&self) -> Option<&str> {
        self.content.api_key.as_deref()
    }

    pub(super) fn set_api_key(&mut self, key: &str) -> Result<()> {
        self.content.api_key = Some(key.to_owned());
        self.save()
    }

    pub(super) fn token(&self, directory: &str) -> Option<&str> {
        self.content.tokens.get(directory).map(String::as_str)
    }

    pub(super) fn set_token(&mut self, directory: &str, token: &str) -> Result<()> {
        self.content.tokens.insert(directory.to_owned(), token.to_owned());
        self.save()
    }

    /// Replaces the file as a whole, so that a crash leaves the old one or the new one.
    fn save(&self) -> Result<()> {
        let context = || format!("the demo's file {} can't be written", self.path.display());
        let part = self.path.with_extension("json.part");
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&part).with_context(context)?;
        let text = serde_json::to_string_pretty(&self.content)?;
        file.write_all(text.as_bytes()).with_context(context)?;
        file.sync_all().with_context(context)?;
        std::fs::rename(&part, &self.path).with_context(context)
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("path", &self.path).finish_non_exhaustive()
    }
}
