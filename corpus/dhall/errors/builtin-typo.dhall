{ a = Natural/shwo 1 }
