//! The door to whoever can serve a log: the program joins it to the crate that speaks HTTP.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use vigil_base::Blame;
use vigil_base::world::Disk;

/// Why a log could not be served: whom to blame, and what went wrong.
pub type LogDoorFailure = (Blame, Box<dyn Error + Send + Sync>);

/// Serves logs.
pub trait LogDoor: Send + Sync {
    /// Serves the log in a folder, until so many answers were given, or for ever. `ready` is told
    /// where, before the first request is taken.
    fn serve(
        &self,
        disk: Arc<dyn Disk>,
        listen: SocketAddr,
        answers: Option<u64>,
        ready: &mut dyn FnMut(SocketAddr),
    ) -> Result<(), LogDoorFailure>;
}
