//! Serves SCIM from a JSON file: `custom-store-example FILE TOKEN`.

use std::error::Error;
use std::path::PathBuf;

use axum::Router;
use custom_store_example::FileStore;
use scim_core::{BearerToken, Registry, Service};
use scim_system::SystemEnvironment;
use tokio::net::TcpListener;

const ADDRESS: &str = "127.0.0.1:8000";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(file), Some(token)) = (arguments.next().map(PathBuf::from), arguments.next()) else {
        return Err("usage: custom-store-example FILE TOKEN".into());
    };
    let token = BearerToken::new(&token.to_string_lossy());
    let store = FileStore::open(&file, Registry::standard())?;
    let base = format!("http://{ADDRESS}/scim/v2");
    let scim = Service::builder(&base, store, token, SystemEnvironment).build()?;
    let app = Router::new().nest_service("/scim/v2", scim_axum::router(scim));
    println!("SCIM at {base}");
    axum::serve(TcpListener::bind(ADDRESS).await?, app).await?;
    Ok(())
}
