let c = { timeout = 5 } in c : { timeout : Optional Natural }
