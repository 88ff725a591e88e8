//! The door to the machine: joins the command line's trait to the crate that carries it.

use std::io::Write;

use vigil_base::Blamed as _;
use vigil_cli::{MachineDoor, MachineFailure, MachineHome, MachineSettings};
use vigil_vectra::{Home, Settings, power_on};

/// Runs the machine that this program carries.
pub(crate) struct Carried;

impl MachineDoor for Carried {
    fn power_on(
        &self,
        home: MachineHome,
        settings: &MachineSettings,
        console: &mut dyn Write,
        say: &dyn Fn(&str),
    ) -> Result<u64, MachineFailure> {
        let home = match home {
            MachineHome::Bare => Home::Bare,
            MachineHome::Counted => Home::Counted,
            MachineHome::Hosted => Home::Hosted,
            MachineHome::Here => Home::Here,
        };
        let settings = Settings {
            first: settings.first.clone(),
            processors: settings.processors,
            memory_mib: settings.memory_mib,
        };
        power_on(home, &settings, console, say).map_err(|error| MachineFailure {
            blame: error.blame(),
            hint: error.hint().map(Into::into),
            source: Box::new(error),
        })
    }
}
