//! `serve` and `worker`: the service itself.

mod importing;
mod metrics;
mod retention;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context;
use axum::Router;
use chrono::{SecondsFormat, Utc};
use clap::Args;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::timeout,
};

use crate::{
    app::{
        App, change_publication,
        images::store::Store,
        members, service_state,
        take_bounce::Recognition,
        take_hook::{Hooks, sns::Certificates},
    },
    config::{Config, DEFAULT_LISTEN_ADDR, SecretKeys},
    db,
    db::Pool,
    delivery::{SendingMetrics, Settings, Worker},
    domain::restore::Memory,
    inbound::{listener, mailbox},
    mail::compose::Composer,
    telemetry::metrics::Metrics,
    web::{self, HttpMetrics},
};

use self::retention::RetentionMetrics;
use super::{check_keys, composer, output, staff::one_time_link};

/// Run the web service and a worker in one process.
#[derive(Args)]
pub struct Serve {
    /// Web only; mail is left to `worker` processes.
    #[arg(long)]
    no_worker: bool,
}

impl Serve {
    /// Runs until SIGTERM or Ctrl-C.
    pub async fn run(self) -> anyhow::Result<()> {
        let config = Config::from_env()?;
        let mut stop = stop_on_signal();
        let Some(service) = unless_stopped(&mut stop, Service::prepare(&config)).await? else {
            return Ok(());
        };
        let address = config.listen_addr.unwrap_or(DEFAULT_LISTEN_ADDR);
        let listener = TcpListener::bind(address).await.with_context(|| {
            format!("cannot listen on {address}; is it taken? LISTEN_ADDR chooses another")
        })?;
        service.tell_metrics(&config, stop.clone()).await;
        service.say_what_is_missing().await;
        service.check_images().await;
        service.warn_of_the_server().await;
        service.invite_first_admin(&config).await?;
        let router = service.router(&config, Router::new())?;
        let taking_in = service.take_in(&config, stop.clone());
        let ran = service.run(listener, router, !self.no_worker, stop).await;
        drop(timeout(LAST_WORDS, taking_in).await);
        ran
    }
}

/// Runs a worker until SIGTERM or Ctrl-C.
pub async fn worker() -> anyhow::Result<()> {
    let config = Config::from_env()?;
    let mut stop = stop_on_signal();
    let preparing = Service::prepare_as("worker", &config);
    let Some(service) = unless_stopped(&mut stop, preparing).await? else { return Ok(()) };
    service.metrics.register(|registry| service.sending.register(registry));
    service.tell_metrics(&config, stop.clone()).await;
    let keeping = service.keep_memory(stop.clone());
    service.warn_of_the_server().await;
    if let Some(address) = config.listen_addr {
        service.metrics.register(|registry| service.http.register_requests(registry));
        tell_health(address, &service, stop.clone()).await;
    }
    let taking_in = service.take_in(&config, stop.clone());
    // Among the runtime's own threads, and not on this one: what wakes it then needs no other thread.
    tokio::spawn(service.worker.run(stop)).await.context("the worker died")?;
    drop(timeout(LAST_WORDS, keeping).await);
    drop(timeout(LAST_WORDS, taking_in).await);
    Ok(())
}

/// Answers `/health/…` for a worker. If `serve` runs on the same machine with the same settings, the address is taken; the
/// worker runs without it.
async fn tell_health(address: SocketAddr, service: &Service, stop: watch::Receiver<bool>) {
    match TcpListener::bind(address).await {
        Ok(listener) => {
            tracing::info!(%address, "listening, only for /health/live and /health/ready");
            let router = web::http::health::router(service.pool.clone(), Arc::clone(&service.http));
            tokio::spawn(web::serve(listener, router, stop));
        }
        Err(error) => {
            tracing::warn!(%address, %error, "this worker cannot answer /health/…; LISTEN_ADDR chooses another address");
        }
    }
}

/// How long the end may wait until the state folder is written.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A service that is ready to run.
pub struct Service {
    /// Its database, migrated.
    pub pool: Pool,
    worker: Worker,
    composer: Composer,
    images: Store,
    keys: SecretKeys,
    keep_ip_days: u16,
    recognition: Recognition,
    memory: Arc<Memory>,
    metrics: Metrics,
    sending: Arc<SendingMetrics>,
    http: Arc<HttpMetrics>,
}

impl Service {
    /// Connects to the database, migrates it, and checks every mail template.
    ///
    /// # Errors
    /// When one of these fails.
    pub async fn prepare(config: &Config) -> anyhow::Result<Self> {
        Self::prepare_as("serve", config).await
    }

    async fn prepare_as(command: &'static str, config: &Config) -> anyhow::Result<Self> {
        let composer = composer(config)?;
        let memory = Arc::new(Memory::open(&config.state_dir));
        let pool = db::connect_telling(
            &config.database_url,
            config.database_connections,
            Arc::clone(&memory.released),
        )
        .await?;
        db::refuse_pooler(&pool).await?;
        db::migrate(&pool).await?;
        check_keys(&pool, &config.secret_keys).await?;
        let (sending, http) = (Arc::<SendingMetrics>::default(), Arc::<HttpMetrics>::default());
        let (settings, metrics) =
            (Settings::try_from(config).context("BOUNCE_ADDRESS")?, Metrics::of_process(command));
        let recognition = Recognition {
            keys: config.secret_keys.clone(),
            return_paths: settings.return_paths.clone(),
            public_url: config.public_url.clone(),
        };
        let worker =
            Worker::new(pool.clone(), composer.clone(), settings, Arc::clone(&memory), Arc::clone(&sending));
        let (keys, keep_ip_days) = (config.secret_keys.clone(), config.keep_ip_days);
        let images = Store::new(&config.image_store);
        Ok(Self {
            pool,
            worker,
            composer,
            images,
            keys,
            keep_ip_days,
            recognition,
            memory,
            metrics,
            sending,
            http,
        })
    }

    /// Answers `/metrics` where that is configured.
    pub async fn tell_metrics(&self, config: &Config, stop: watch::Receiver<bool>) {
        if let Some(address) = config.metrics_addr {
            metrics::listen(address, self.metrics.clone(), self.pool.clone(), stop).await;
        }
    }

    /// Answers `/metrics` on this listener.
    pub fn tell_metrics_on(&self, listener: TcpListener, stop: watch::Receiver<bool>) {
        metrics::serve(listener, self.metrics.clone(), self.pool.clone(), stop);
    }

    /// Takes in what comes back where that is configured, until `stop` turns true.
    fn take_in(&self, config: &Config, stop: watch::Receiver<bool>) -> JoinHandle<()> {
        let (listen, mailbox) = (config.bounce_listen, config.bounce_mailbox.clone());
        let mut ways = JoinSet::new();
        if let Some(listen) = listen {
            ways.spawn(listener::run(listen, self.pool.clone(), self.recognition.clone(), stop.clone()));
        }
        if let Some(mailbox) = mailbox {
            ways.spawn(mailbox::want(self.pool.clone(), stop.clone()));
            ways.spawn(mailbox::run(mailbox, self.pool.clone(), self.recognition.clone(), stop));
        }
        tokio::spawn(async move {
            while let Some(ended) = ways.join_next().await {
                if let Err(error) = ended {
                    tracing::error!(%error, "what takes in what comes back has died; restart the service");
                }
            }
        })
    }

    /// Keeps the memory of the database, in the database and in the state folder, until `stop` turns true.
    fn keep_memory(&self, stop: watch::Receiver<bool>) -> JoinHandle<()> {
        let (memory, pool) = (Arc::clone(&self.memory), self.pool.clone());
        tokio::spawn(async move { memory.keep(&pool, stop).await })
    }

    /// The public routes and those in `more`.
    ///
    /// # Errors
    /// When a built-in page is broken.
    pub fn router(&self, config: &Config, more: Router<web::AppState>) -> anyhow::Result<Router> {
        let hooks = |app: &App| {
            let certificates = Certificates::new(app.web.clone());
            Hooks::new(config.bounce_hooks.clone(), self.recognition.clone(), certificates)
        };
        let (pool, composer) = (self.pool.clone(), self.composer.clone());
        let state = web::AppState::new(pool, config, composer, hooks, Arc::clone(&self.http))?;
        Ok(web::router(state, more))
    }

    /// Serves `router` on `listener`, with a worker if `with_worker`, until `stop` turns true; ends within ten seconds of that.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn run(
        self,
        listener: TcpListener,
        router: Router,
        with_worker: bool,
        mut stop: watch::Receiver<bool>,
    ) -> anyhow::Result<()> {
        tracing::info!(address = %listener.local_addr()?, with_worker, "listening");
        let retention_metrics = Arc::<RetentionMetrics>::default();
        self.metrics.register(|registry| {
            self.http.register_requests(registry);
            self.http.register_signups(registry);
            retention_metrics.register(registry);
            if with_worker {
                self.sending.register(registry);
            }
        });
        let keeping = self.keep_memory(stop.clone());
        let importing = tokio::spawn(importing::run(self.pool.clone(), self.keys.clone()));
        let retention = tokio::spawn(retention::run(
            self.pool.clone(),
            self.images,
            self.keys,
            self.keep_ip_days,
            retention_metrics,
        ));
        let mut working = JoinSet::new();
        if with_worker {
            working.spawn(self.worker.run(stop.clone()));
        }
        let mut serving = tokio::spawn(web::serve(listener, router, stop.clone()));
        tokio::select! {
            ended = &mut serving => ended.context("the web server died")?,
            // A service that does not send must not look alive; the service manager restarts it.
            Some(Err(died)) = working.join_next() => return Err(died).context("the worker died"),
            () = async { drop(stop.wait_for(|stop| *stop).await) } => {
                tracing::info!("stopping");
                // Requests that are being answered get a moment; idle connections are closed at once.
                if timeout(Duration::from_secs(5), &mut serving).await.is_err() {
                    serving.abort();
                }
            }
        }
        while let Some(ended) = working.join_next().await {
            ended.context("the worker died")?;
        }
        // A step under way is rolled back; the next process repeats it.
        importing.abort();
        retention.abort();
        drop(timeout(LAST_WORDS, keeping).await);
        tracing::info!("stopped");
        Ok(())
    }

    /// While no admin can log in: prints a link that makes the first admin. On standard output, not as a log line, which is
    /// copied to more places and kept.
    async fn invite_first_admin(&self, config: &Config) -> anyhow::Result<()> {
        if let Some(made) = members::invite_first_admin(&self.pool, Utc::now()).await? {
            let link = one_time_link(&config.public_url, &made);
            output::line(&format!(
                "Nobody can log in to the staff pages yet. This link makes the first admin, once, until {}:\n\n  {link}\n",
                made.expires_at.to_rfc3339_opts(SecondsFormat::Secs, true)
            ));
        }
        Ok(())
    }

    /// Warns when a crash of the database server may lose committed changes.
    async fn warn_of_the_server(&self) {
        match service_state::durability(&self.pool).await {
            Ok(durability) if !durability.is_safe() => tracing::warn!(
                fsync = durability.fsync,
                synchronous_commit = durability.synchronous_commit,
                "a crash of the database server may lose committed changes: people may get a mail twice, or one after they unsubscribed; turn both settings on"
            ),
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "the settings of the database server cannot be read"),
        }
    }

    /// Warns when pictures cannot be stored. Everything else works without them.
    async fn check_images(&self) {
        if let Err(error) = self.images.check().await {
            let store = self.images.place();
            tracing::warn!(%error, %store, "pictures cannot be stored, so staff cannot upload any; IMAGE_STORE chooses another place");
        }
    }

    /// Warns, once, about what keeps the newsletter from being usable.
    async fn say_what_is_missing(&self) {
        match change_publication::current(&self.pool).await {
            Ok(None) => {
                tracing::warn!("there is no publication yet; run: rundbrief publication apply FILE.toml");
            }
            Ok(Some(publication)) if !publication.content.missing().is_empty() => {
                let missing = publication.content.missing();
                tracing::warn!(?missing, "the publication is not complete; until then nobody can sign up");
            }
            Ok(Some(_)) => {}
            Err(error) => tracing::warn!(%error, "the publication cannot be read"),
        }
    }
}

/// Turns true at SIGTERM, at SIGHUP (a terminal that was closed) or Ctrl-C.
#[must_use]
pub fn stop_on_signal() -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    // Installed here and not when the task first runs: until then a signal kills the process. Whether SIGHUP is ignored can be
    // read only before a handler is installed.
    let hangup = if is_kept_through_hangups() { None } else { Some(came(SignalKind::hangup())) };
    let (interrupt, terminate) = (came(SignalKind::interrupt()), came(SignalKind::terminate()));
    tokio::spawn(async move {
        let hangup = async {
            match hangup {
                Some(hangup) => hangup.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = interrupt => {}
            () = terminate => {}
            () = hangup => {}
        }
        sender.send_replace(true);
        // Kept alive, so that late listeners see the value and not a closed channel.
        std::future::pending::<()>().await;
    });
    receiver
}

/// Whether this process was started with SIGHUP ignored, as `nohup` does. Known on Linux only.
fn is_kept_through_hangups() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // SIGHUP is signal 1, the lowest bit.
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

/// Listens for a signal; the future ends when it comes.
fn came(kind: SignalKind) -> impl Future<Output = ()> {
    let listening = signal(kind);
    async move {
        match listening {
            Ok(mut signal) => drop(signal.recv().await),
            Err(error) => {
                tracing::warn!(%error, ?kind, "a signal handler cannot be installed");
                std::future::pending::<()>().await;
            }
        }
    }
}

/// The result of some work, or nothing if `stop` turns true first.
async fn unless_stopped<T>(
    stop: &mut watch::Receiver<bool>,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<Option<T>> {
    tokio::select! {
        done = work => done.map(Some),
        _ = stop.wait_for(|stop| *stop) => Ok(None),
    }
}
