let config = config.dhall in config.port
