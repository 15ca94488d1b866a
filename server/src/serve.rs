//! `scimd serve`: the directories of a configuration file.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use scim_directory::{Directories, NewDirectory, NewEndpoint, NewOrganization, Scope};

use crate::config::Config;
use crate::database::DatabaseUrl;
use crate::instance::{Files, Opened, Settings, listen, make_folder, now};
use crate::logging;
use crate::routes::{Routes, Sets};
use crate::shutdown::Stop;

/// Runs until SIGTERM or Ctrl-C.
pub(crate) async fn run(file: &Path, database: Option<&DatabaseUrl>) -> Result<ExitCode> {
    let config = Config::load(file)?;
    logging::start(config.log.format, &config.log.level)?;
    make_folder(&config.data)?;
    let files = Files { database: config.database(database)?, keys: config.data.join("keys") };
    let opened = Opened::open(&files, config.endpoint_policy()?).await?;
    let listener = listen(config.listen).await?;
    provision(&config, &opened.directories).await?;
    let settings = Settings {
        base_url: config.base_url.clone(),
        trusted_proxy: config.trusted_proxy,
        service: config.service(),
        telling: config.telling(),
        nats: config.nats()?,
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

/// Makes what the file has and the database has not. What the database has beside it stays. Several processes
/// may start with the same file at the same time: one of them makes each thing.
async fn provision(config: &Config, directories: &Directories) -> Result<()> {
    for organization in &config.organizations {
        let (display_name, external_id) = (organization.name.clone(), organization.external_id.clone());
        let new = NewOrganization { display_name, external_id };
        let id = directories.find_or_create_organization(new, now()).await?.id;
        for wanted in &organization.directories {
            let new = NewDirectory { name: wanted.name.clone(), provider: wanted.provider()? };
            let directory = directories.find_or_create_directory(&id, new, now()).await?;
            println!("directory  {}", directory.name);
            println!("  SCIM base URL  {}", Routes::scim_base_url(&config.base_url, &directory.id));
            // A start that ended between the two steps left a directory without a token.
            if let Some(issued) = directories.issue_first_token(&directory.id, now()).await? {
                println!("  bearer token   {}  (shown this once)", issued.plain.expose());
            }
        }
    }
    if let Some(key) = config.api_key()? {
        let taken = directories.adopt_api_key(&key, "given at start", Scope::ALL, now()).await;
        taken.context("the API key of api_key_file or SCIMD_INITIAL_API_KEY can't be used")?;
    } else if let Some(issued) = directories.create_first_api_key("first key", now()).await? {
        println!("API key  {}  (it may do everything; shown this once)", issued.plain.expose());
    }
    for webhook in &config.webhooks {
        let secret = webhook.secret()?;
        let generated = secret.is_none();
        let new = NewEndpoint { settings: webhook.settings()?, secret };
        let created = directories
            .ensure_endpoint(new, now())
            .await
            .with_context(|| format!("webhook {} can't be delivered to", webhook.url))?;
        let Some(created) = created else { continue };
        println!("webhook  {}", webhook.url);
        if generated {
            println!("  signing secret  {}  (shown this once)", created.secret.expose());
        }
    }
    for stream in &config.set_streams {
        let settings = stream.settings()?;
        let created = directories
            .ensure_set_stream(settings, now())
            .await
            .with_context(|| format!("security event tokens for {} can't be delivered", stream.audience))?;
        let Some(created) = created else { continue };
        println!("security event tokens  {}", stream.audience);
        println!("  issuer      {}", config.base_url);
        println!("  keys        {}/keys", config.base_url);
        if let Some(token) = created.token {
            println!("  poll URL    {}", Sets::poll_url(&config.base_url, &created.stream.id));
            println!("  poll token  {}  (shown this once)", token.expose());
        }
    }
    Ok(())
}
