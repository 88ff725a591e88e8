./cycle.dhall
