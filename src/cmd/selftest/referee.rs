//! The bundled endpoint as the referee of a selftest: a process of its own, so that the client's processor time is the
//! client's alone.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::rng::Nonce;
use crate::sim::server::Truth;

/// The bundled endpoint as a process of its own. Dropping it ends it.
pub(super) struct Referee {
    child: Child,
    pub url: String,
    truth: PathBuf,
}

impl Referee {
    /// Starts one whose first token comes `delay` after the request.
    pub fn start(delay: Duration) -> anyhow::Result<Referee> {
        let truth = std::env::temp_dir().join(format!("ttft-selftest-{}.jsonl", Nonce::fresh()));
        let profile =
            format!("instant,model=selftest,base={}us,decode=1ms,slots=1000,prefill=parallel", delay.as_micros());
        let program = std::env::current_exe().context("cannot find the program itself, to start its endpoint")?;
        let child = Command::new(program)
            .args(["sim", "--port", "0", "--profile", &profile, "--truth"])
            .arg(&truth)
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the bundled endpoint")?;
        let mut referee = Referee { child, url: String::new(), truth };
        let out = referee.child.stdout.take().context("the bundled endpoint has no output")?;
        BufReader::new(out).read_line(&mut referee.url).context("the bundled endpoint does not say where it is")?;
        referee.url.truncate(referee.url.trim_end().len());
        if referee.url.is_empty() {
            bail!("the bundled endpoint did not start; run ttft sim --port 0 to see why");
        }
        Ok(referee)
    }

    /// Ends it and reads what it saw.
    pub fn stop(mut self) -> anyhow::Result<Vec<Truth>> {
        self.end();
        let text = std::fs::read_to_string(&self.truth)
            .with_context(|| format!("cannot read what the endpoint saw in {}", self.truth.display()))?;
        // The last line may be cut short by the end.
        Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
    }

    fn end(&mut self) {
        // A process that has ended already needs no end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Referee {
    fn drop(&mut self) {
        self.end();
        let _ = std::fs::remove_file(&self.truth);
    }
}
