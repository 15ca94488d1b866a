//! `scimd serve`: the directories of a configuration file.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use scim_directory::{Directories, NewDirectory, NewEndpoint, NewOrganization};

use crate::config::{self, Config};
use crate::instance::{Files, Opened, Settings, listen, make_folder, now};
use crate::logging;
use crate::routes::Routes;
use crate::shutdown::Stop;

/// Runs until SIGTERM or Ctrl-C.
pub(crate) async fn run(file: &Path) -> Result<ExitCode> {
    let config = Config::load(file)?;
    logging::start(config.log.format, &config.log.level)?;
    make_folder(&config.data)?;
    let files = Files { database: config.database()?, keys: config.data.join("keys") };
    let opened = Opened::open(&files, config.receivers()).await?;
    let listener = listen(config.listen).await?;
    provision(&config, &opened.directories).await?;
    let settings = Settings {
        base_url: config.base_url.clone(),
        trusted_proxy: config.trusted_proxy,
        service: config.service(),
        http: config.http_limits(),
        requests: config.request_limits(),
        failures_per_minute: config.failures_per_minute(),
    };
    let stop = Stop::listen()?;
    let server = opened.start(listener, settings)?;
    tracing::info!(listen = %config.listen, base_url = config.base_url, "serving");
    stop.asked().await;
    server.drain().await;
    Ok(ExitCode::SUCCESS)
}

/// Makes what the file has and the database has not. What the database has beside it stays.
async fn provision(config: &Config, directories: &Directories) -> Result<()> {
    for organization in &config.organizations {
        let id = organization_id(organization, directories).await?;
        for wanted in &organization.directories {
            let known = directories.directories().await?;
            let there = known.iter().find(|d| d.organization_id == id && d.name == wanted.name);
            let (directory, token) = match there {
                Some(directory) => {
                    // A start that ended between the two steps left a directory without a token.
                    let has_token = !directories.tokens(&directory.id).await?.is_empty();
                    (directory.clone(), !has_token)
                }
                None => {
                    let new = NewDirectory { name: wanted.name.clone(), provider: wanted.provider()? };
                    (directories.create_directory(&id, new, now()).await?, true)
                }
            };
            println!("directory  {}", directory.name);
            println!("  SCIM base URL  {}", Routes::scim_base_url(&config.base_url, &directory.id));
            if token {
                let issued = directories.issue_token(&directory.id, None, now()).await?;
                println!("  bearer token   {}  (shown this once)", issued.plain.expose());
            }
        }
    }
    for webhook in &config.webhooks {
        if directories.endpoints().await?.iter().any(|endpoint| endpoint.url == webhook.url) {
            continue;
        }
        let secret = webhook.secret()?;
        let generated = secret.is_none();
        let new = NewEndpoint { url: webhook.url.clone(), secret, ..NewEndpoint::default() };
        let created = directories
            .create_endpoint(new, now())
            .await
            .with_context(|| format!("webhook {} can't be delivered to", webhook.url))?;
        println!("webhook  {}", webhook.url);
        if generated {
            println!("  signing secret  {}  (shown this once)", created.secret.expose());
        }
    }
    Ok(())
}

async fn organization_id(
    wanted: &config::Organization,
    directories: &Directories,
) -> Result<scim_directory::OrganizationId> {
    let there =
        directories.organizations().await?.into_iter().find(|organization| match &wanted.external_id {
            Some(id) => organization.external_id.as_ref() == Some(id),
            None => organization.display_name == wanted.name,
        });
    if let Some(organization) = there {
        return Ok(organization.id);
    }
    let new = NewOrganization { display_name: wanted.name.clone(), external_id: wanted.external_id.clone() };
    Ok(directories.create_organization(new, now()).await?.id)
}
