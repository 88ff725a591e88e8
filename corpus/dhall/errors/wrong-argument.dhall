Natural/show True
