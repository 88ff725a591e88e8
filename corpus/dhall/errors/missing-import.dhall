let lib = ./absent.dhall in lib.x
