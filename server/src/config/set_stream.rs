//! `[[set_stream]]`: receivers of security event tokens.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};
use scim_directory::{SetDelivery, SetStreamSettings};
use scim_set::{Content, EventUri};
use scim_webhook::Policy;
use serde::Deserialize;

use super::SecretText;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetStream {
    pub(crate) audience: String,
    /// Where to push; without it the receiver polls.
    push_url: Option<String>,
    authorization: Option<SecretText>,
    authorization_file: Option<PathBuf>,
    #[serde(default = "default_content")]
    content: String,
    #[serde(default)]
    event_uris: Vec<String>,
}

fn default_content() -> String {
    "full".to_owned()
}

impl SetStream {
    /// Who gets security event tokens, which, and how.
    pub(crate) fn settings(&self) -> Result<SetStreamSettings> {
        let uris = self.event_uris.iter().map(|uri| {
            let found = EventUri::parse(uri).filter(|uri| EventUri::MADE.contains(uri));
            found.with_context(|| format!("event_uris: {uri} is not an event that is made"))
        });
        Ok(SetStreamSettings {
            audience: self.audience.clone(),
            delivery: self.delivery()?,
            event_uris: uris.collect::<Result<_>>()?,
            content: match self.content.as_str() {
                "full" => Content::Full,
                "notice" => Content::Notice,
                _ => bail!("content must be \"full\" or \"notice\""),
            },
            ..SetStreamSettings::default()
        })
    }

    pub(super) fn check(&self, policy: &Policy) -> Result<()> {
        ensure!(!self.audience.trim().is_empty(), "audience of a set_stream must not be empty");
        if let Some(url) = &self.push_url {
            scim_webhook::check_url(url, policy)
                .with_context(|| format!("push_url of the set_stream for {} can't be used", self.audience))?;
        }
        self.settings().with_context(|| format!("set_stream for {}", self.audience)).map(drop)
    }

    fn delivery(&self) -> Result<SetDelivery> {
        let authorization = match (&self.authorization, &self.authorization_file) {
            (Some(_), Some(_)) => bail!("it has both authorization and authorization_file; keep one of them"),
            (Some(value), None) => Some(value.0.clone()),
            (None, Some(path)) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("authorization_file {} can't be read", path.display()))?;
                Some(text.trim().to_owned())
            }
            (None, None) => None,
        };
        match &self.push_url {
            Some(url) => Ok(SetDelivery::Push { url: url.clone(), authorization }),
            None if authorization.is_some() => {
                bail!("authorization is sent with pushes, but there is no push_url")
            }
            None => Ok(SetDelivery::Poll),
        }
    }
}
