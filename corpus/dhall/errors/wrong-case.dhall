{ on = true }
