//! The server: a thread of its own with one runtime, hyper in front of the engine, and the truth about every request.
//!
//! ```no_run
//! use ttft::sim::server::{Sim, SimConfig};
//!
//! let sim = Sim::start(SimConfig { profile: "instant,base=5ms".parse()?, ..SimConfig::default() })?;
//! println!("{}", sim.base_url());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//! It shares no code with the client that measures it, so that a misreading of the protocol cannot hide in both.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::Notify;

use super::cache::SpecError;
use super::faults::Faults;
use super::flavor::Flavor;
use super::profile::Profile;
use super::service::Service;
use super::timer::Timer;
pub use super::truth::Truth;
use super::truth::TruthLog;
use crate::net::raise_descriptor_limit;
use crate::net::stamp::Sentinel;

/// The names that every simulated server serves beside its own: those of the commands people know.
pub const ALIASES: [&str; 4] = [
    "mistralai/Mistral-7B-Instruct-v0.1",
    "01-ai/Yi-34B-200K",
    "meta-llama/Meta-Llama-3-70B-Instruct",
    "meta-llama/Llama-3.1-70B-Instruct",
];

/// What to serve.
#[derive(Debug, Clone, Default)]
pub struct SimConfig {
    pub profile: Profile,
    pub flavor: Flavor,
    pub faults: Faults,
    /// On 127.0.0.1; 0 picks a free one.
    pub port: u16,
    /// Where a line for each request goes.
    pub truth: Option<PathBuf>,
    /// Decides the noise and the routing.
    pub seed: u64,
}

/// Why a server could not be started.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    #[error("could not listen on 127.0.0.1:{port}: {source}; choose another port, or --port 0 for any")]
    Listen { port: u16, source: io::Error },
    #[error("could not open the truth log {}: {source}", path.display())]
    Truth { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Spec(#[from] SpecError),
    #[error("could not start the server's thread: {0}")]
    Thread(io::Error),
}

/// A running server; dropping it stops it.
pub struct Sim {
    addr: SocketAddr,
    log: Arc<TruthLog>,
    stop: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
    /// Keeps the kernel stamping from the first request on; `None` where it does not.
    _sentinel: Option<Sentinel>,
}

impl Sim {
    /// Listens, and serves from a thread of its own. Thousands of streams need as many descriptors, so the process's
    /// limit of them is raised as far as it may be; what does not fit it is not accepted.
    pub fn start(config: SimConfig) -> Result<Sim, SimError> {
        raise_descriptor_limit();
        let listener = listen(config.port).map_err(|source| SimError::Listen { port: config.port, source })?;
        let addr = listener.local_addr().map_err(SimError::Thread)?;
        let file = config
            .truth
            .as_ref()
            .map(|path| std::fs::File::create(path).map_err(|source| SimError::Truth { path: path.clone(), source }));
        let log = TruthLog::new(file.transpose()?);
        let stop = Arc::new(Notify::new());
        let service = Service::new(config, log.clone(), stop.clone())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().map_err(SimError::Thread)?;
        let (listener, timer) = {
            let _inside = runtime.enter();
            let listener = tokio::net::TcpListener::from_std(listener).map_err(SimError::Thread)?;
            (listener, Timer::start().map_err(SimError::Thread)?)
        };
        let serve = move || runtime.block_on(service.serve(listener, timer));
        let thread = std::thread::Builder::new().name("ttft-sim".to_owned()).spawn(serve).map_err(SimError::Thread)?;
        Ok(Sim { addr, log, stop, thread: Some(thread), _sentinel: Sentinel::open().ok() })
    }

    /// What stops it from another thread.
    pub fn stopper(&self) -> Stopper {
        Stopper(self.stop.clone())
    }

    /// Waits until it is stopped, or has died of a fault.
    pub fn wait(mut self) {
        self.join();
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What a client is given as its base URL.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.addr)
    }

    /// What really happened to each completion request that is over, in the order in which they ended.
    pub fn truth(&self) -> Vec<Truth> {
        self.log.read()
    }

    /// Requests that came and are not over.
    pub fn under_way(&self) -> usize {
        self.log.under_way()
    }

    fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            // A panic of the server's thread has been printed already.
            let _ = thread.join();
        }
    }
}

/// Stops a [`Sim`].
#[derive(Clone)]
pub struct Stopper(Arc<Notify>);

impl Stopper {
    pub fn stop(&self) {
        self.0.notify_one();
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        self.stopper().stop();
        self.join();
    }
}

const BACKLOG: i32 = 4_096;

#[expect(clippy::disallowed_methods, reason = "the one socket outside the client")]
fn listen(port: u16) -> io::Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    // The standard library's backlog of 128 drops connections of a load that comes at once.
    rustix::net::listen(&listener, BACKLOG)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}
