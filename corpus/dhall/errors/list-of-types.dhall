[ Natural, Bool ]
