//! The arguments of `ttft doctor`.

use clap::Args;

use super::SessionArgs;

/// One page on an endpoint.
#[derive(Debug, Args)]
#[command(rename_all = "snake_case", args_override_self = true)]
pub struct DoctorArgs {
    #[command(flatten)]
    pub session: SessionArgs,
}
