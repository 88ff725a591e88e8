let broken = ./data/broken.dhall in broken
