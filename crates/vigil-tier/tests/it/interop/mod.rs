//! Programs that nobody here wrote, against what the tier keeps.

mod aws;
