//! One connection, driven by the thread that owns it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, NoTls, Statement};

use super::dialect;
use super::options::PostgresOptions;
use crate::session::Param;

/// How many statements are kept for their next use.
const KEPT: usize = 256;

/// A runtime for the calling thread alone.
pub(super) fn runtime() -> std::io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// A connection and the statements that it knows.
pub(super) struct Connection {
    client: Arc<Client>,
    prepare: bool,
    statements: RefCell<HashMap<String, Known>>,
}

/// A statement that was used before.
#[derive(Clone)]
pub(super) enum Known {
    Prepared(Statement),
    /// With the parameters as PostgreSQL writes them.
    Text(Arc<str>),
}

impl Connection {
    pub(super) fn open(runtime: &Runtime, options: &PostgresOptions) -> Result<Self, tokio_postgres::Error> {
        let mut config = options.config.clone();
        config.connect_timeout(options.connect_timeout);
        if config.get_application_name().is_none() {
            config.application_name("scim");
        }
        if options.prepare {
            let given = config.get_options().unwrap_or_default();
            let all = format!(
                "{given} -c statement_timeout={} -c lock_timeout={} \
                 -c default_transaction_isolation=read\\ committed",
                options.statement_timeout.as_millis(),
                options.lock_timeout.as_millis()
            );
            config.options(all.trim_start());
        }
        let client = runtime.block_on(async {
            let (client, connection) = config.connect(NoTls).await?;
            tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::warn!(%error, "a connection to the database was lost");
                }
            });
            Ok::<_, tokio_postgres::Error>(client)
        })?;
        Ok(Self { client: Arc::new(client), prepare: options.prepare, statements: RefCell::default() })
    }

    pub(super) fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// Whether it is the same server process for all transactions, with the settings that it began with.
    pub(super) fn is_own(&self) -> bool {
        self.prepare
    }

    /// Whether the other end is known to be gone.
    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// The statement of a text, as it was known before or is known from now on.
    pub(super) async fn statement(
        &self,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Known, tokio_postgres::Error> {
        if let Some(known) = self.statements.borrow().get(sql) {
            return Ok(known.clone());
        }
        let text = dialect::numbered(sql);
        let known = if self.prepare {
            let types: Vec<Type> = params.iter().map(Param::postgres_type).collect();
            Known::Prepared(self.client.prepare_typed(&text, &types).await?)
        } else {
            Known::Text(text.into())
        };
        let mut statements = self.statements.borrow_mut();
        if statements.len() >= KEPT {
            statements.clear();
        }
        statements.insert(sql.to_owned(), known.clone());
        Ok(known)
    }
}
