//! What other tools verify: signatures and certificates in their formats, made by certified subkeys.
//!
//! Nothing here decides who may sign; it only says the same thing in other bytes.
