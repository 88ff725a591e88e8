//! The door to serving logs: joins the command line's trait to the crate that speaks HTTP.

use std::net::SocketAddr;
use std::sync::Arc;

use vigil_base::Blamed as _;
use vigil_base::world::Disk;
use vigil_cli::{LogDoor, LogDoorFailure};
use vigil_doors_http::{LogFolder, ServeOptions, serve};

/// Serves logs over HTTP.
pub(crate) struct HttpLogs;

impl LogDoor for HttpLogs {
    fn serve(
        &self,
        disk: Arc<dyn Disk>,
        listen: SocketAddr,
        answers: Option<u64>,
        ready: &mut dyn FnMut(SocketAddr),
    ) -> Result<(), LogDoorFailure> {
        let served = serve(LogFolder::new(disk), ServeOptions { listen, answers }, ready);
        served.map_err(|error| (error.blame(), Box::new(error) as _))
    }
}
