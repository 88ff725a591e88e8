1 {- still open
