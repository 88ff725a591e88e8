{ items = [] }
